/**
 * Strange lines and files for a running Pen that has traffic, which is to notice nothing: rounds without control
 * commands, with as simple ones as there are, and with strange ones, interleaved. SEED=n draws the same lines again;
 * PEN_LONG=1 sends 1,000,000 strange ones, FUZZ_SENT=n so many.
 */
import { spawn, spawnSync } from 'node:child_process';
import {
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import { readLine } from '../../src/config/commands.ts';
import { ask } from '../support/control.ts';
import { Pen } from '../support/pen.ts';
import { cpuMsOf, memoryOf } from '../support/process-facts.ts';
import { reactor } from '../support/reactor.ts';
import { isLong, runSeed } from '../support/rig.ts';
import { ServerProcess } from '../support/server-process.ts';
import { needs } from '../support/skip.ts';
import { Visitors } from '../support/visitors.ts';
import { drawFile, drawTask, Judge, type Task } from './fuzz-lines.ts';

const SEED = runSeed();
const LINES = Number(process.env['FUZZ_SENT'] ?? (isLong ? 1_000_000 : 6000));
const ROUNDS = isLong ? 10 : 2;
const PER_SECOND = 200;
/** They take half as long each, or less. */
const SIMPLE = Math.ceil(LINES / ROUNDS / 2);
const ALONE_MS = isLong ? 3000 : 500;
const PEERS = 8;
const FILES_EVERY_MS = 200;
/** So many different ones a round. */
const FILE_SETS = 40;
const CROWD = fileURLToPath(new URL('../support/control-crowd.mjs', import.meta.url));
/** As root, it runs as somebody who can harm nothing, should a line lead out of its folder. */
const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;

const OUTER = mkdtempSync(join(tmpdir(), 'pen-fuzz-'));
const FOLDER = join(OUTER, 'inner');
const at = (name: string): string => join(FOLDER, name);

type Kind = 'alone' | 'simple' | 'strange';

interface CrowdTold {
  readonly lines: number;
  readonly answered: number;
  readonly ms: number;
  readonly cpuMs: number;
  readonly hung: number;
  readonly wrong: readonly string[];
  readonly obeyed: Readonly<Record<number, boolean>>;
}

/** What the peers of one round do, in a file. */
function writeTasks(kind: string, tasks: readonly Task[]): string {
  const path = join(OUTER, `tasks-${kind}`);
  writeFileSync(path, tasks.map((task) => JSON.stringify(task)).join('\n'));
  return path;
}

/** Has other peers, in a process of their own, do all tasks of a file. @returns what they tell, as JSON. */
async function crowd(path: string, limitMs: number): Promise<string> {
  const child = spawn(process.execPath, [CROWD, at('control'), path, String(PEERS)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  let isOver = false;
  child.stdout.setEncoding('utf8').on('data', (piece: string) => (text += piece));
  child.on('close', () => (isOver = true));
  await reactor().until(() => isOver, 'the crowd has been told everything', limitMs);
  return text;
}

/** In one step, so that nobody reads half of it. */
function writeWhole(name: string, text: string): void {
  writeFileSync(at('.new'), text);
  renameSync(at('.new'), at(name));
}

function makeFolder(): void {
  mkdirSync(FOLDER);
  mkdirSync(at('folder'));
  writeFileSync(join(OUTER, 'out'), 'no command\n');
  symlinkSync('../out', at('link'));
  expect(spawnSync('mkfifo', [at('fifo')]).status).toBe(0);
  writeFileSync(at('loop'), 'include loop\n');
  if (!isRoot) return;
  for (const path of [OUTER, FOLDER, at('folder')]) chownSync(path, NOBODY, NOBODY);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}

function p99Of(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length * 0.99)] ?? NaN;
}

needs({ linux: true }, 'strange lines and files beside traffic', () => {
  const servers = [new ServerProcess(), new ServerProcess()];
  let pen: Pen;
  let judge: Judge;
  let files = 0;

  beforeAll(async () => {
    for (const server of servers) await server.start();
    makeFolder();
    judge = new Judge({ folder: FOLDER, servers: servers.map(({ port }) => port) });
    writeFiles(drawFiles(new Prng(SEED), true));
    const options = ['-r', '-x', '3000', '-O', 'source_max 0', '-F', at('pen.cfg'), '-C', at('control')];
    pen = await Pen.start({ options: [...options, ...(isRoot ? ['-u', 'nobody'] : [])], servers: [] });
  });

  afterAll(async () => {
    expect((await pen.stop()).code).toBe(0);
    for (const server of servers) await server.kill();
    rmSync(OUTER, { recursive: true });
  });

  /** Texts of files, by name: drawn beforehand, because whoever draws keeps the clients waiting. */
  function drawFiles(prng: Prng, isRight: boolean): ReadonlyMap<string, string> {
    const where = servers.map(({ port }, index) => `server ${index} address 127.0.0.1 port ${port}`);
    const wrong = isRight ? [] : ['server 0 max many'];
    const main = [`control_dir "${FOLDER}"`, ...where, ...wrong, drawFile(prng, judge, isRight)];
    const included = `include right\n${prng.chance(1, 2) ? 'include wrong\n' : ''}`;
    return new Map([
      ['pen.cfg', main.join('\n')],
      ['right', drawFile(prng, judge, true)],
      ['wrong', drawFile(prng, judge, false)],
      ['nested', `${drawFile(prng, judge, true)}${included}`],
    ]);
  }

  /** Every command about files, obeyed where the files are right, or refused where they are not. */
  async function sayErrands(isRight: boolean): Promise<void> {
    writeFiles(drawFiles(new Prng(SEED + 2), isRight));
    const [file, planned, written] = isRight ? ['right', 'pen.cfg', 'saved'] : ['folder', 'folder', 'folder'];
    for (const line of [`include ${file}`, `plan ${planned}`, 'plan', `write ${written}`, 'reload']) {
      const answer = await ask(at('control'), `--json ${line}\n`);
      expect([line, 'error' in JSON.parse(answer)], `${answer}SEED=${SEED}`).toEqual([line, !isRight]);
    }
  }

  function writeFiles(texts: ReadonlyMap<string, string>): void {
    for (const [name, text] of texts) writeWhole(name, text);
    files += texts.size;
  }

  test(
    `C2: ${LINES} of them: an answer each, no fault, and nobody notices (SEED=${SEED})`,
    async () => {
      const [prng, filePrng] = [new Prng(SEED), new Prng(SEED + 1)];
      const [obeyed, refused] = [new Map<string, number>(), new Map<string, number>()];
      const p99s: Record<Kind, number[]> = { alone: [], simple: [], strange: [] };
      const spent = {
        simple: { lines: 0, ms: 0, cpuMs: 0, penMs: 0 },
        strange: { lines: 0, ms: 0, cpuMs: 0, penMs: 0 },
      };
      const memory = memoryOf(pen.pid);
      const visitors = new Visitors(pen.endpoint, PER_SECOND);
      onTestFinished(() => visitors.stop());

      function tally(tasks: readonly Task[], told: CrowdTold): void {
        for (const [index, isObeyed] of Object.entries(told.obeyed)) {
          const line = readLine((tasks[Number(index)]?.[1] ?? '').slice('--json '.length));
          if (line.kind !== 'command') continue;
          const form = line.isNo ? `no ${line.command.name}` : line.command.name;
          const counts = isObeyed ? obeyed : refused;
          counts.set(form, (counts.get(form) ?? 0) + 1);
        }
      }

      async function talk(kind: 'simple' | 'strange', path: string): Promise<void> {
        let turn = 0;
        const changing = setInterval(() => {
          const texts = fileSets[turn++ % fileSets.length];
          if (kind === 'simple' || !texts) return;
          writeFiles(texts);
          pen.child.kill('SIGHUP');
        }, FILES_EVERY_MS);
        const before = cpuMsOf(pen.pid);
        told[kind] = await crowd(path, 60_000 + LINES * 10).finally(() => clearInterval(changing));
        spent[kind].penMs += cpuMsOf(pen.pid) - before;
      }

      function take(kind: 'simple' | 'strange'): CrowdTold {
        const one = JSON.parse(told[kind]) as CrowdTold;
        expect({ hung: one.hung, wrong: one.wrong }, `SEED=${SEED}`).toEqual({ hung: 0, wrong: [] });
        spent[kind].lines += one.lines;
        spent[kind].ms += one.ms;
        spent[kind].cpuMs += one.cpuMs;
        return one;
      }

      const simple = writeTasks(
        'simple',
        Array.from({ length: SIMPLE }, () => ['whole', 'blacklist'] as const),
      );
      const told = { simple: '', strange: '' };
      let fileSets: ReadonlyMap<string, string>[] = [];
      let strange = '';
      const rounds: Record<Kind, () => Promise<void>> = {
        alone: async () => reactor().pass(ALONE_MS),
        simple: async () => talk('simple', simple),
        strange: async () => talk('strange', strange),
      };
      for (let round = 0; round < ROUNDS; round++) {
        const tasks = Array.from({ length: Math.ceil(LINES / ROUNDS) }, () => drawTask(prng, judge));
        strange = writeTasks('strange', tasks);
        fileSets = Array.from({ length: FILE_SETS }, (_, index) => drawFiles(filePrng, index % 2 === 0));
        visitors.visits.length = 0;
        visitors.start();
        // The first ones find everything cold.
        await reactor().pass(200);
        const kinds: readonly Kind[] = ['alone', 'simple', 'strange'];
        for (const kind of round % 2 === 0 ? kinds : kinds.toReversed()) {
          const fromMs = performance.now();
          await rounds[kind]();
          const toMs = performance.now();
          await reactor().pass(100);
          p99s[kind].push(p99Of(visitors.between(fromMs, toMs).map(({ ms }) => ms)));
        }
        await visitors.finish(10_000);
        take('simple');
        tally(tasks, take('strange'));
        expect(
          visitors.visits.filter(({ isAnswered }) => !isAnswered),
          `SEED=${SEED}, round ${round}`,
        ).toEqual([]);
      }

      for (const kind of ['alone', 'simple', 'strange'] as const) {
        const use = kind === 'alone' ? undefined : spent[kind];
        const cost = use
          ? `; ${use.lines} lines, ${((use.lines / use.ms) * 1000).toFixed(0)} a second, us of CPU a line: ${((use.cpuMs / use.lines) * 1000).toFixed(0)} of the peers, ${((use.penMs / use.lines) * 1000).toFixed(0)} of Pen with its traffic`
          : '';
        const all = p99s[kind].map((ms) => ms.toFixed(2)).join(' ');
        console.log(`${kind}: p99 of traffic ${median(p99s[kind]).toFixed(2)} ms (rounds: ${all})${cost}`);
      }
      const grown = (memoryOf(pen.pid) - memory) / 1024 / 1024;
      const reread = pen.lines.filter((line) => line.includes('read again')).length;
      const kept = pen.lines.filter((line) => line.includes('stays as it is')).length;
      console.log(
        `${files} files, ${reread} reread, ${kept} refused; forms obeyed ${obeyed.size}, refused ${refused.size}; ${grown.toFixed(0)} MiB more; ${pen.loop}, SEED=${SEED}`,
      );
      // Whether a few thousand lines meet each of them in both moods is up to chance; with these it is not.
      await sayErrands(true);
      await sayErrands(false);
      expect([reread > 0, kept > 0], 'files of -F that were read again, and refused').toEqual([true, true]);
      expect(await ask(at('control'), 'timeout 7\n')).toBe('7\n');
      expect(pen.lines.filter((line) => /fault|TypeError|RangeError|    at /.test(line))).toEqual([]);
      expect(readdirSync(OUTER).toSorted(), 'what stands beside its folder').toEqual([
        'inner',
        'out',
        'tasks-simple',
        'tasks-strange',
      ]);
      expect(readFileSync(join(OUTER, 'out'), 'utf8')).toBe('no command\n');
    },
    120_000 + LINES * 10,
  );
});
