import { KIND_IPV4, KIND_IPV6, KIND_NONE, KIND_UNIX } from '../../base/endpoint.ts';
import { EAFNOSUPPORT, ECANCELED, ECONNREFUSED, ECONNRESET, EMFILE, EPIPE } from '../../base/errno.ts';
import { OP_CONNECT, OP_SEND } from '../loop.ts';
import type { Peer } from './net.ts';
import { ascii, type Case, check, equal, equalBytes, pattern } from './script.suite.ts';

function connects(name: string, kind: number): Case {
  return {
    name: `connects over ${name} and talks both ways`,
    *script(stage) {
      const { side, fd, peer } = yield* stage.connected(kind);
      stage.loop.arena.set(ascii('question'), stage.loop.bigOffset);
      equal((yield* stage.next(OP_SEND, side, stage.send(side, fd, stage.loop.bigOffset, 8))).result, 8, 'send');
      stage.net.settle();
      equalBytes(peer.read(100) as Uint8Array, ascii('question'), 'what the server reads');
      peer.write(ascii('answer'));
      equalBytes((yield* stage.received(side, stage.recv(side, fd))).bytes, ascii('answer'), 'the answer');
    },
  };
}

function refuses(name: string, kind: number): Case {
  return {
    name: `reports a refusal over ${name}, and the side connects elsewhere`,
    *script(stage) {
      const side = stage.nextSide();
      for (let i = 0; i < 3; i++) {
        const fd = stage.open(kind);
        const done = yield* stage.next(OP_CONNECT, side, stage.connect(side, fd, stage.net.refusing(kind)));
        equal(done.result, -ECONNREFUSED, 'connect');
        stage.close(fd);
      }
      const server = stage.net.serve(KIND_IPV4);
      const fd = stage.open(KIND_IPV4);
      equal((yield* stage.next(OP_CONNECT, side, stage.connect(side, fd, server.endpoint))).result, 0, 'connect');
    },
  };
}

function goneAtOnce(name: string, leave: (peer: Peer) => void): Case {
  return {
    name: `does not call it a refusal when a server takes a connection and ${name} at once`,
    *script(stage) {
      const server = stage.net.serve(KIND_IPV4);
      for (let i = 0; i < 20; i++) {
        const side = stage.nextSide();
        const fd = stage.open();
        const seq = stage.connect(side, fd, server.endpoint);
        let peer = server.accept();
        yield* stage.until(() => (peer ??= server.accept()) !== undefined, 'the server to have it');
        leave(peer!);
        const { result } = yield* stage.next(OP_CONNECT, side, seq);
        check([0, -ECONNRESET, -EPIPE].includes(result), `connect gave ${result}`);
        stage.close(fd);
      }
    },
  };
}

export const connectCases: readonly Case[] = [
  connects('IPv4', KIND_IPV4),
  connects('IPv6', KIND_IPV6),
  connects('a unix socket', KIND_UNIX),
  refuses('IPv4', KIND_IPV4),
  refuses('a unix socket', KIND_UNIX),
  {
    name: 'hears a server that speaks first',
    *script(stage) {
      const { side, fd, peer } = yield* stage.connected();
      peer.write(pattern(1000));
      stage.net.settle();
      equalBytes((yield* stage.received(side, stage.recv(side, fd))).bytes, pattern(1000), 'greeting');
    },
  },
  goneAtOnce('resets it', (peer) => peer.reset()),
  goneAtOnce('ends and resets it', (peer) => {
    peer.shutdown();
    peer.reset();
  }),
  {
    name: 'cancels a connect that nobody answers',
    *script(stage) {
      const side = stage.nextSide();
      const fd = stage.open();
      const seq = stage.connect(side, fd, stage.net.silent());
      yield* stage.rest(10_000);
      equal(stage.arrived.length, 0, 'completions of a connect that nobody answers');
      stage.loop.cancel(OP_CONNECT, side, seq);
      equal((yield* stage.next(OP_CONNECT, side, seq)).result, -ECANCELED, 'connect');
      stage.close(fd);
      yield* stage.rest(5000);
      equal(stage.arrived.length, 0, 'completions after the close');
    },
  },
  {
    name: 'opens no socket when there is no descriptor left, or for a kind that is none',
    *script(stage) {
      stage.net.limitDescriptors(0);
      const options = { noDelay: true, keepAlive: true };
      equal(stage.loop.openStream(KIND_IPV4, options), -EMFILE, 'openStream');
      stage.net.limitDescriptors(-1);
      equal(stage.loop.openStream(KIND_NONE, options), -EAFNOSUPPORT, 'openStream of no kind');
      const fd = stage.loop.openStream(KIND_IPV4, options);
      check(fd >= 0, 'a socket can be opened again');
      stage.adopt(fd);
      yield undefined;
    },
  },
];
