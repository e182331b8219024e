import type { Fd, SideSlot } from '../../base/brand.ts';
import { KIND_IPV4 } from '../../base/endpoint.ts';
import { CLOSE_ABORT, CLOSE_ORDERLY, FLAG_MORE, OP_ACCEPT, OP_CONNECT, OP_RECV, OP_SEND } from '../loop.ts';
import type { Peer } from './net.ts';
import { ascii, type Case, check, equal, equalBytes, pattern, type Script, type Stage } from './script.suite.ts';

const CROWD = 1000;

/** Echoes what comes on every side until `count` bytes in all have gone back. */
function* echo(stage: Stage, fds: ReadonlyMap<number, Fd>, count: number): Script {
  let returned = 0;
  while (returned < count) {
    yield* stage.until(() => stage.arrived.length > 0, `byte ${returned} of ${count}`);
    for (const done of stage.arrived.splice(0)) {
      const side = done.slot as SideSlot;
      const fd = fds.get(side)!;
      check(done.result > 0, `operation ${done.op} of ${side} gave ${done.result}`);
      if (done.op === OP_RECV) {
        stage.send(side, fd, done.buffer, done.result);
        held.set(side, done.buffer);
      } else {
        returned += done.result;
        stage.loop.release(held.get(side) as never);
        held.delete(side);
        if (returned < count) stage.recv(side, fd);
      }
    }
  }
}

const held = new Map<number, number>();

export const crowdCases: readonly Case[] = [
  {
    name: `${CROWD} connections at once are accepted and each gets its own bytes back`,
    smallCount: CROWD,
    *script(stage) {
      held.clear();
      const listener = stage.net.listen(KIND_IPV4);
      const slot = stage.nextListener();
      const peers: Peer[] = [];
      const fds = new Map<number, Fd>();
      for (let i = 0; i < CROWD; i++) {
        const peer = stage.net.connect(listener.endpoint);
        check(peer.write(pattern(20, i)) === 20, 'the peer writes at once');
        peers.push(peer);
      }
      while (fds.size < CROWD) {
        const seq = stage.accept(slot, listener.fd, 64);
        for (;;) {
          const done = yield* stage.next(OP_ACCEPT, slot, seq);
          if ((done.flags & FLAG_MORE) === 0) break;
          fds.set(stage.nextSide(), stage.adopt(done.result));
        }
      }
      for (const [side, fd] of fds) stage.recv(side as SideSlot, fd);
      yield* echo(stage, fds, CROWD * 20);
      stage.net.settle();
      peers.forEach((peer, i) => equalBytes(peer.read(100) as Uint8Array, pattern(20, i), `echo of ${i}`));
    },
  },
  {
    name: 'a descriptor number that is used again brings nothing along from its former life',
    *script(stage) {
      const side = stage.nextSide();
      for (let i = 0; i < 60; i++) {
        const old = yield* stage.accepted();
        const seq = stage.recv(side, old.fd);
        if (i % 3 > 0) yield undefined;
        // Events of the old stream are on their way when its number passes to the new one.
        old.peer.write(ascii('old'));
        if (i % 2 === 0) old.peer.reset();
        else old.peer.shutdown();
        stage.net.settle();
        stage.loop.cancel(OP_RECV, side, seq);
        yield* stage.received(side, seq);
        stage.close(old.fd, i % 4 < 2 ? CLOSE_ORDERLY : CLOSE_ABORT);
        const fresh = yield* stage.accepted();
        const next = i % 5 === 0 ? stage.nextSide() : side;
        const waiting = stage.recv(next, fresh.fd);
        yield* stage.rest(300);
        equal(stage.arrived.length, 0, `completions of round ${i} before the new peer speaks`);
        fresh.peer.write(pattern(9, i));
        equalBytes((yield* stage.received(next, waiting)).bytes, pattern(9, i), `bytes of round ${i}`);
        stage.close(fresh.fd);
      }
    },
  },
  {
    name: 'the number of a closed listener serves a connection in the same turn',
    *script(stage) {
      const server = stage.net.serve(KIND_IPV4);
      for (let i = 0; i < 5; i++) {
        const listener = stage.net.listen(KIND_IPV4);
        const client = stage.net.connect(listener.endpoint);
        yield* stage.acceptOne(stage.nextListener(), listener);
        stage.net.closeListener(listener);
        const side = stage.nextSide();
        const fd = stage.open();
        const connected = stage.connect(side, fd, server.endpoint);
        equal((yield* stage.next(OP_CONNECT, side, connected)).result, 0, 'connect');
        let peer: Peer | undefined;
        yield* stage.until(() => (peer ??= server.accept()) !== undefined, 'the server to accept');
        const seq = stage.recv(side, fd);
        yield* stage.rest(1000);
        (peer as unknown as Peer).write(pattern(7, i));
        equalBytes((yield* stage.received(side, seq)).bytes, pattern(7, i), 'bytes');
        client.close();
      }
    },
  },
  {
    name: 'a slot whose stream failed serves the next one without a trace',
    *script(stage) {
      const side = stage.nextSide();
      for (let i = 0; i < 10; i++) {
        const { fd, peer } = yield* stage.accepted();
        if (i % 2 === 0) {
          peer.reset();
          stage.net.settle();
          const sent = stage.send(side, fd, stage.loop.bigOffset, 1);
          check((yield* stage.next(OP_SEND, side, sent)).result < 0, 'the send fails');
        } else {
          peer.shutdown();
          equal((yield* stage.received(side, stage.recv(side, fd))).result, 0, 'an orderly end after an abort before');
        }
        stage.close(fd);
      }
    },
  },
  {
    name: 'the answers of a keep-alive conversation come in their order',
    *script(stage) {
      const { side, fd, peer } = yield* stage.accepted();
      for (let i = 0; i < 200; i++) {
        const seq = stage.recv(side, fd);
        peer.write(pattern(64, i));
        const done = yield* stage.next(OP_RECV, side, seq);
        const sent = yield* stage.next(OP_SEND, side, stage.send(side, fd, done.buffer, done.result));
        stage.loop.release(done.buffer as never);
        equal(sent.result, 64, 'send');
        stage.net.settle();
        equalBytes(peer.read(100) as Uint8Array, pattern(64, i), `answer ${i}`);
      }
    },
  },
];
