/** What every loop on the real kernel must do and a simulated network cannot show: other threads, other processes. */
import { spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Fd } from '../../src/base/brand.ts';
import { ENDPOINT_SIZE, KIND_UNIX, PEER_SIZE, writeEndpoint } from '../../src/base/endpoint.ts';
import { ECANCELED } from '../../src/base/errno.ts';
import type { Ffi } from '../../src/ffi/load.ts';
import { LinuxHost } from '../../src/linux/host.ts';
import { bindSockets } from '../../src/linux/sockets.ts';
import { check, equal, play, type Script, Stage } from '../../src/loop/conformance/script.suite.ts';
import {
  CLOSE_ABORT,
  CLOSE_ORDERLY,
  type Loop,
  type LoopOptions,
  NEVER,
  OP_CONNECT,
  OP_WAKE,
} from '../../src/loop/loop.ts';
import { RealNet } from './real-net.ts';

/** How long a reader gets to be surely blocked in recv. */
const BLOCKED_US = 100_000;
const F_GETFD = 1;
const F_GETFL = 3;

/** A reader that is blocked in recv(2) while our thread does something to the connection. */
interface BlockedReader {
  /** What recv gave at last: `reset`, `end`, or something else; nothing while it waits. */
  verdict(): string | undefined;
  stop(): void;
}

const WORKER_READER = `
const { createRequire } = require('node:module');
const { workerData } = require('node:worker_threads');
const { port, shared, from } = workerData;
const koffi = createRequire(from)('koffi');
const libc = koffi.load(null);
const socket = libc.func('int socket(int, int, int)');
const connect = libc.func('int connect(int, void *, int)');
const recv = libc.func('intptr_t recv(int, void *, size_t, int)');
const close = libc.func('int close(int)');
const state = new Int32Array(shared);
const fd = socket(2, 1, 0);
const address = Buffer.from([2, 0, port >> 8, port & 255, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
if (connect(fd, address, 16) < 0) throw new Error('connect');
const got = recv(fd, Buffer.alloc(16), 16, 0);
state[1] = got < 0 ? koffi.errno() : 0;
state[0] = got < 0 ? 1 : got === 0 ? 2 : 3;
close(fd);
`;

function workerReader(port: number): BlockedReader {
  const shared = new SharedArrayBuffer(8);
  const state = new Int32Array(shared);
  const worker = new Worker(WORKER_READER, { eval: true, workerData: { port, shared, from: import.meta.url } });
  const ECONNRESET = 104;
  return {
    verdict: () => {
      const [kind, errno] = [Atomics.load(state, 0), Atomics.load(state, 1)];
      if (kind === 0) return undefined;
      return kind === 2 ? 'end' : kind === 1 && errno === ECONNRESET ? 'reset' : `other ${kind} ${errno}`;
    },
    stop: () => void worker.terminate(),
  };
}

const PYTHON_READER = `
import socket, sys
s = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
try:
    got = s.recv(16)
    print('end' if got == b'' else 'bytes', flush=True)
except ConnectionResetError:
    print('reset', flush=True)
`;

/** Another process, without Node: nobody can say that it was our own event loop that made it so. */
function pythonReader(port: number): BlockedReader {
  const folder = mkdtempSync(join(tmpdir(), 'reader-'));
  const file = join(folder, 'verdict');
  const out = openSync(file, 'w');
  const child = spawn('python3', ['-c', PYTHON_READER, String(port)], { stdio: ['ignore', out, 'inherit'] });
  closeSync(out);
  return {
    verdict: () => readFileSync(file, 'utf8').trim() || undefined,
    stop: () => {
      child.kill('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const READERS = { 'a thread': workerReader, 'another process': pythonReader } as const;

export interface KernelSuite {
  readonly ffi: Ffi;
  make(options: LoopOptions): Loop;
}

/** Declares the tests. Python 3 must be there. */
export function runKernelSuite({ ffi, make }: KernelSuite): void {
  describe('on the real kernel', () => {
    let net: RealNet;
    const stops: (() => void)[] = [];

    beforeEach(() => {
      net = new RealNet(ffi);
    });
    afterEach(() => {
      for (const stop of stops.splice(0)) stop();
      net.closeAll();
    });

    async function run(script: (stage: Stage) => Script): Promise<void> {
      const wake = net.createWake();
      const loop = make({ wakeFd: wake.fd, sidesMax: 64, listenersMax: 16, smallCount: 8, bigLength: 1 << 20 });
      const stage = new Stage(loop, net, wake);
      try {
        await play(stage, script(stage));
      } finally {
        loop.destroy();
      }
    }

    for (const [who, start] of Object.entries(READERS)) {
      for (const [how, verdict] of [
        [CLOSE_ABORT, 'reset'],
        [CLOSE_ORDERLY, 'end'],
      ] as const) {
        test(`${who} blocked in recv sees ${verdict === 'reset' ? 'an abort' : 'an orderly close'} as ${verdict}`, async () => {
          await run(function* (stage) {
            const listener = stage.net.listen(4);
            const reader = start((listener.endpoint[2]! << 8) | listener.endpoint[3]!);
            stops.push(() => reader.stop());
            const fd = yield* stage.acceptOne(stage.nextListener(), listener);
            yield* stage.rest(BLOCKED_US);
            check(reader.verdict() === undefined, 'the reader is still blocked');
            stage.close(fd, how);
            yield* stage.until(() => reader.verdict() !== undefined, 'the verdict');
            equal(reader.verdict() ?? '', verdict, 'what recv gave');
          });
        });
      }
    }

    test('another thread wakes a loop that waits for ever', async () => {
      await run(function* (stage) {
        const worker = new Worker(
          `const { workerData } = require('node:worker_threads');
           Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
           require('node:fs').writeSync(workerData, Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]));`,
          { eval: true, workerData: stage.wake.fd },
        );
        stops.push(() => void worker.terminate());
        // A signal may end a wait early (the new thread's start does), but not over and over.
        const first = stage.turn;
        while (stage.arrived.length === 0 && stage.turn - first < 20) yield NEVER;
        equal(stage.arrived.length, 1, 'completions');
        equal(stage.arrived.pop()?.op ?? 0, OP_WAKE, 'operation');
      });
    });

    test('descriptors it makes do not block and are not inherited', async () => {
      await run(function* (stage) {
        const { fd } = yield* stage.accepted();
        for (const one of [fd, stage.open()]) {
          expect(ffi.libc.fcntl(one, F_GETFD, 0)).toBe(1);
          expect(ffi.libc.fcntl(one, F_GETFL, 0) & 0o4000).toBe(0o4000);
        }
      });
    });

    test('a unix server with a full backlog is waited for; the wait can be cancelled', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'full-'));
      const endpoint = new Uint8Array(ENDPOINT_SIZE);
      writeEndpoint({ kind: KIND_UNIX, path: join(folder, 'socket') }, endpoint, 0);
      const host = new LinuxHost(ffi);
      const sockets = bindSockets(ffi);
      const server = host.listen(endpoint, { backlog: 1, noDelay: false, keepAlive: false }).fd!;
      const accepted: Fd[] = [];
      await run(function* (stage) {
        const sides = Array.from({ length: 5 }, () => stage.nextSide());
        const seqs = sides.map((side) => stage.connect(side, stage.open(KIND_UNIX), endpoint));
        yield* stage.rest(20_000);
        equal(stage.arrived.length, 2, 'connects before anybody accepts');
        stage.loop.cancel(OP_CONNECT, sides[4]!, seqs[4]!);
        equal((yield* stage.next(OP_CONNECT, sides[4]!, seqs[4]!)).result, -ECANCELED, 'cancelled connect');
        for (let i = 0; i < 4; i++) {
          equal((yield* stage.next(OP_CONNECT, sides[i]!, seqs[i]!)).result, 0, `connect ${i}`);
          accepted.push(sockets.acceptOne(server, new Uint8Array(PEER_SIZE), 0) as Fd);
        }
      });
      for (const fd of [...accepted, server]) host.close(fd);
      rmSync(folder, { recursive: true, force: true });
    });
  });
}
