/** Starts `server-process.mjs`, kills it and starts it again on the same port. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('./server-process.mjs', import.meta.url));

export class ServerProcess {
  port = 0;
  private child: ChildProcess | undefined;

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  get pid(): number {
    return this.child?.pid ?? 0;
  }

  /** Starts it, on the port it had before if it had one, and waits until it listens. */
  async start(): Promise<void> {
    const child = spawn(process.execPath, [PROGRAM, String(this.port)], { stdio: ['ignore', 'pipe', 'inherit'] });
    this.child = child;
    const [text] = (await once(child.stdout, 'data')) as [Buffer];
    this.port = Number(text.toString());
  }

  /** SIGKILL. Returns when the process is gone: its sockets are closed by then. */
  async kill(): Promise<void> {
    const { child } = this;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }
}
