/**
 * Four machines for the recipes, in namespaces of their own: a client, the one Pen runs on, and two servers. Their
 * networks are separate, so who talks to whom is seen as it would be seen outside; files, processes and users are shared.
 *
 * | machine | address | names |
 * |---|---|---|
 * | client | 10.9.0.100 to 10.9.0.107 | |
 * | pen | 10.9.0.10 | that of each service: `www`, `mail`, ... |
 * | one, two | 10.9.0.11, 10.9.0.12 | `www1` and `www2`, `mail1` and `mail2`, ... |
 *
 * All that runs there ends with the stage, because it is in one namespace of processes.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export type Machine = 'client' | 'pen' | 'one' | 'two';
export type ServerMachine = 'one' | 'two';

export const ADDRESS = { pen: '10.9.0.10', one: '10.9.0.11', two: '10.9.0.12' } as const;
/** Addresses of the client's machine; the first one is what it uses when nobody says more. */
export const CLIENTS: readonly string[] = Array.from({ length: 8 }, (_, index) => `10.9.0.${100 + index}`);
/** The same in another order, in which the servers in turn would not be the same for each of them. */
export const CLIENTS_LATER: readonly string[] = [...CLIENTS.slice(4), ...CLIENTS.slice(0, 4)];

const DIST = fileURLToPath(new URL('../../dist/bin', import.meta.url));
const SERVICES: readonly string[] = ['www', 'mail', 'imap', 'ldap', 'ftp', 'db', 'redis'];
const ADDRESSES: Readonly<Record<Machine, readonly string[]>> = {
  client: CLIENTS,
  pen: [ADDRESS.pen],
  one: [ADDRESS.one],
  two: [ADDRESS.two],
};
const PATIENCE_S = 15;
const COMMAND_LIMIT_MS = 25_000;
const MARK = '--- status';

export interface Outcome {
  /** Standard output and error. */
  readonly output: string;
  readonly status: number;
}

export class Stage {
  /** For files of servers: everybody may look into it, and it is gone when the stage is. */
  readonly folder = mkdtempSync(join(tmpdir(), 'pen-recipe-'));
  private readonly shell: ChildProcess;
  private readonly servers = new Map<ServerMachine, string>();
  private said = '';
  private begun = 0;

  private constructor() {
    chmodSync(this.folder, 0o755);
    mkdirSync(join(this.folder, 'bin'));
    for (const name of ['pen', 'penctl']) {
      const command = `#!/bin/sh\nexec '${process.execPath}' '${DIST}/${name}.js' "$@"\n`;
      writeFileSync(join(this.folder, 'bin', name), command, { mode: 0o755 });
    }
    const names = (suffix: string): string => SERVICES.map((service) => service + suffix).join(' ');
    this.write(
      'hosts',
      `127.0.0.1 localhost\n${ADDRESS.pen} ${names('')}\n${ADDRESS.one} ${names('1')}\n${ADDRESS.two} ${names('2')}\n`,
    );
    const isolated = ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc', 'bash'];
    this.shell = spawn('unshare', isolated, {
      cwd: this.folder,
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, PATH: `${this.folder}/bin:/usr/sbin:/sbin:${process.env['PATH'] ?? ''}`, LC_ALL: 'C' },
    });
    this.shell.stdout?.setEncoding('utf8').on('data', (text: string) => (this.said += text));
  }

  static async open(): Promise<Stage> {
    const stage = new Stage();
    const { output, status } = await stage.send(`{ ${setUp(stage.folder)}\n} 2>&1`);
    if (status !== 0) throw new Error(`the machines could not be made: ${output}`);
    return stage;
  }

  /** Ends everything that runs there. */
  async close(): Promise<void> {
    const gone = once(this.shell, 'exit');
    this.shell.kill('SIGKILL');
    await gone;
    rmSync(this.folder, { recursive: true });
  }

  /** @returns its path. */
  write(name: string, text: string): string {
    writeFileSync(join(this.folder, name), text);
    return join(this.folder, name);
  }

  /** Runs a line of shell on a machine. */
  async run(machine: Machine, line: string): Promise<Outcome> {
    return this.send(`${on(machine)} bash -c ${quoted(line)} </dev/null 2>&1`);
  }

  /** What a line prints. @errors when it fails. */
  async print(machine: Machine, line: string): Promise<string> {
    const { output, status } = await this.run(machine, line);
    if (status !== 0) throw new Error(`${line}: exit code ${status}: ${output}`);
    return output;
  }

  /** Begins to run a line, until it has printed `sign`. @returns what waits for its end. */
  async begin(machine: Machine, line: string, sign: string): Promise<() => Promise<Outcome>> {
    const file = join(this.folder, `begun-${++this.begun}`);
    await this.send(`{ ${on(machine)} bash -c ${quoted(line)} </dev/null >${file} 2>&1; echo $? >${file}.status; } &`);
    await this.until('client', `grep -q ${quoted(sign)} ${file}`);
    return async () => {
      await this.until('client', `[ -s ${file}.status ]`);
      const status = Number(await this.print('client', `cat ${file}.status`));
      return { output: await this.print('client', `cat ${file}`), status };
    };
  }

  /** Waits until a line of shell succeeds. */
  async until(machine: Machine, line: string): Promise<void> {
    await this.print(machine, patiently(line));
  }

  /** Starts a server, as a session of its own, and waits until `isReady` succeeds on the client's machine. */
  async serve(machine: ServerMachine, command: string, isReady: string): Promise<void> {
    const log = join(this.folder, `${machine}.log`);
    const line = `exec ${command}`;
    const start = `${on(machine)} setsid bash -c ${quoted(line)} </dev/null >>${log} 2>&1 & echo $!; disown`;
    this.servers.set(machine, (await this.send(start)).output.trim());
    const { status } = await this.run('client', `${patiently(isReady)} >/dev/null`);
    if (status !== 0) throw new Error(`${command} does not serve: ${(await this.run('client', `cat ${log}`)).output}`);
  }

  /** SIGKILL for a server and its children, as when its machine dies, but that its peers are told. */
  async kill(machine: ServerMachine): Promise<void> {
    const group = `-${this.servers.get(machine) ?? ''}`;
    await this.print('client', `kill -KILL -- ${group}; ${patiently(`! kill -0 -- ${group}`)}`);
  }

  private async send(line: string): Promise<Outcome> {
    this.said = '';
    this.shell.stdin?.write(`${line}\necho '${MARK}' $?\n`);
    const endMs = performance.now() + COMMAND_LIMIT_MS;
    for (;;) {
      const [whole, output = '', status] = new RegExp(`^([^]*)${MARK} (\\d+)\n$`).exec(this.said) ?? [];
      if (whole !== undefined) return { output, status: Number(status) };
      if (performance.now() > endMs || this.shell.exitCode !== null) {
        this.shell.kill('SIGKILL');
        throw new Error(`has not ended: ${line}\n${this.said}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

/** Tries again every 50 ms, for some seconds. */
function patiently(line: string): string {
  const isLate = `[ $SECONDS -gt ${PATIENCE_S} ]`;
  return `until { ${line}; } >/dev/null 2>&1; do ! ${isLate} || exit 1; sleep 0.05; done`;
}

function on(machine: Machine): string {
  return `nsenter --net=/run/netns/${machine}`;
}

function quoted(line: string): string {
  return `'${line.replaceAll("'", String.raw`'\''`)}'`;
}

/** An empty /run, the names, and the machines, each by a cable at one switch. */
function setUp(folder: string): string {
  const machines = Object.entries(ADDRESSES).map(([machine, addresses]) => {
    const given = addresses.map((address) => `ip -n ${machine} addr add ${address}/24 dev eth0`);
    return [
      `ip netns add ${machine}`,
      `ip link add ${machine} type veth peer name eth0 netns ${machine}`,
      `ip link set ${machine} master lan up`,
      ...given,
      `ip -n ${machine} link set lo up`,
      `ip -n ${machine} link set eth0 up`,
    ].join(' && ');
  });
  return [
    'mount -t tmpfs none /run',
    `mount --bind ${folder}/hosts /etc/hosts`,
    'ip link add lan type bridge',
    'ip link set lan up',
    ...machines,
  ].join(' && ');
}
