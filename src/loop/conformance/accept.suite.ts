import type { ListenerSlot } from '../../base/brand.ts';
import { KIND_IPV4, KIND_IPV6, KIND_UNIX } from '../../base/endpoint.ts';
import { ECANCELED, ECONNRESET, EMFILE } from '../../base/errno.ts';
import { FLAG_MORE, OP_ACCEPT } from '../loop.ts';
import type { Peer, PeerListener } from './net.ts';
import { ascii, type Case, check, equal, equalBytes, type Script, type Stage } from './script.suite.ts';

/** Takes an accept's completions up to the final one; the connections in order. */
function* collect(stage: Stage, slot: ListenerSlot, seq: number): Script<{ addresses: Uint8Array[]; final: number }> {
  const addresses: Uint8Array[] = [];
  for (;;) {
    const done = yield* stage.next(OP_ACCEPT, slot, seq);
    if ((done.flags & FLAG_MORE) === 0) return { addresses, final: done.result };
    stage.adopt(done.result);
    addresses.push(done.bytes);
  }
}

function connectMany(stage: Stage, listener: PeerListener, count: number): Peer[] {
  const peers = Array.from({ length: count }, () => stage.net.connect(listener.endpoint));
  stage.net.settle();
  return peers;
}

function reportsAddress(name: string, kind: number): Case {
  return {
    name: `reports the address of a client over ${name}`,
    *script(stage) {
      const listener = stage.net.listen(kind);
      const peer = stage.net.connect(listener.endpoint);
      const slot = stage.nextListener();
      const { addresses, final } = yield* collect(stage, slot, stage.accept(slot, listener.fd, 1));
      equal(final, 0, 'final result');
      equal(addresses.length, 1, 'connections');
      equalBytes(addresses[0]!, peer.address, 'address');
    },
  };
}

export const acceptCases: readonly Case[] = [
  reportsAddress('IPv4', KIND_IPV4),
  reportsAddress('IPv6', KIND_IPV6),
  reportsAddress('a unix socket', KIND_UNIX),
  {
    name: 'takes at most `max` from the backlog, first come first served',
    *script(stage) {
      const listener = stage.net.listen(KIND_IPV4);
      const slot = stage.nextListener();
      const peers = connectMany(stage, listener, 5);
      const first = yield* collect(stage, slot, stage.accept(slot, listener.fd, 2));
      check(first.addresses.length >= 1 && first.addresses.length <= 2, `took ${first.addresses.length} of at most 2`);
      yield* stage.rest(5000);
      equal(stage.arrived.length, 0, 'completions without a submission');
      const addresses = first.addresses;
      while (addresses.length < 5) {
        const more = yield* collect(stage, slot, stage.accept(slot, listener.fd, 10));
        equal(more.final, 0, 'final result');
        addresses.push(...more.addresses);
      }
      peers.forEach((peer, i) => equalBytes(addresses[i]!, peer.address, `client ${i}`));
    },
  },
  {
    name: 'waits for a client that comes later, again and again',
    *script(stage) {
      const listener = stage.net.listen(KIND_IPV4);
      const slot = stage.nextListener();
      for (let i = 0; i < 10; i++) {
        const seq = stage.accept(slot, listener.fd, 4);
        yield* stage.rest(2000);
        equal(stage.arrived.length, 0, 'completions before a client came');
        const peer = stage.net.connect(listener.endpoint);
        const { addresses, final } = yield* collect(stage, slot, seq);
        equal(final, 0, 'final result');
        equalBytes(addresses[0]!, peer.address, `client ${i}`);
      }
    },
  },
  {
    name: 'serves two listeners at the same time',
    *script(stage) {
      const listeners = [stage.net.listen(KIND_IPV4), stage.net.listen(KIND_UNIX)];
      const slots = listeners.map(() => stage.nextListener());
      const seqs = listeners.map((listener, i) => stage.accept(slots[i]!, listener.fd, 2));
      for (const i of [1, 0]) {
        const peer = stage.net.connect(listeners[i]!.endpoint);
        const { addresses } = yield* collect(stage, slots[i]!, seqs[i]!);
        equalBytes(addresses[0]!, peer.address, `client of listener ${i}`);
      }
    },
  },
  {
    name: 'leaves clients in the backlog after a cancel, for the next accept',
    *script(stage) {
      const listener = stage.net.listen(KIND_IPV4);
      const slot = stage.nextListener();
      for (let i = 0; i < 3; i++) {
        const seq = stage.accept(slot, listener.fd, 4);
        yield* stage.rest(1000);
        stage.loop.cancel(OP_ACCEPT, slot, seq);
        const cancelled = yield* stage.next(OP_ACCEPT, slot, seq);
        equal(cancelled.result, -ECANCELED, 'cancelled accept');
        equal(cancelled.flags, 0, 'flags of a final completion');
      }
      const [peer] = connectMany(stage, listener, 1);
      yield* stage.rest(5000);
      equal(stage.arrived.length, 0, 'completions after the cancel');
      const { addresses } = yield* collect(stage, slot, stage.accept(slot, listener.fd, 4));
      equalBytes(addresses[0]!, peer!.address, 'client');
    },
  },
  {
    name: 'takes on from a listener under another number, once the accept before has ended',
    *script(stage) {
      const [left, kept] = [stage.net.listen(KIND_IPV4), stage.net.listen(KIND_IPV4)];
      const [low, high] = [stage.nextListener(), stage.nextListener()];
      const seqs = [stage.accept(low, left.fd, 4), stage.accept(high, kept.fd, 4)];
      yield* stage.rest(1000);
      [low, high].forEach((slot, i) => stage.loop.cancel(OP_ACCEPT, slot, seqs[i]!));
      for (const [i, slot] of [low, high].entries()) {
        equal((yield* stage.next(OP_ACCEPT, slot, seqs[i]!)).result, -ECANCELED, `cancelled accept ${i}`);
      }
      const seq = stage.accept(low, kept.fd, 4);
      yield* stage.rest(1000);
      const [peer] = connectMany(stage, kept, 1);
      const { addresses } = yield* collect(stage, low, seq);
      equalBytes(addresses[0]!, peer!.address, 'client');
      equal(stage.arrived.length, 0, 'completions of anybody else');
    },
  },
  {
    name: 'survives a client that aborts while it waits in the backlog',
    *script(stage) {
      const listener = stage.net.listen(KIND_IPV4);
      const slot = stage.nextListener();
      const dead = stage.net.connect(listener.endpoint);
      const gone = dead.address.slice();
      dead.reset();
      const alive = stage.net.connect(listener.endpoint);
      check(alive.write(ascii('alive')) === 5, 'the client writes');
      stage.net.settle();
      for (let isServed = false; !isServed;) {
        const seq = stage.accept(slot, listener.fd, 1);
        const taken = yield* stage.next(OP_ACCEPT, slot, seq);
        equal((yield* stage.next(OP_ACCEPT, slot, seq)).result, 0, 'final result');
        const fd = stage.adopt(taken.result);
        const side = stage.nextSide();
        const done = yield* stage.received(side, stage.recv(side, fd));
        isServed = taken.bytes.every((byte, i) => byte === alive.address[i]);
        if (isServed) equalBytes(done.bytes, ascii('alive'), 'bytes of the client');
        else equal(done.result, -ECONNRESET, `bytes of the client that is gone, port ${gone[2]}.${gone[3]}`);
      }
    },
  },
  {
    name: 'reports EMFILE alone, does not spin, and goes on afterwards',
    *script(stage) {
      const listener = stage.net.listen(KIND_IPV4);
      const slot = stage.nextListener();
      const [peer] = connectMany(stage, listener, 1);
      stage.net.limitDescriptors(0);
      const failed = yield* collect(stage, slot, stage.accept(slot, listener.fd, 4));
      equal(failed.final, -EMFILE, 'final result');
      equal(failed.addresses.length, 0, 'connections');
      const before = stage.turn;
      yield* stage.rest(20_000);
      check(stage.turn - before <= 3, `${stage.turn - before} turns in 20 ms with nothing to do`);
      stage.net.limitDescriptors(-1);
      const { addresses } = yield* collect(stage, slot, stage.accept(slot, listener.fd, 4));
      equalBytes(addresses[0]!, peer!.address, 'client');
    },
  },
  {
    name: 'gives the connections it has before it reports EMFILE',
    *script(stage) {
      const listener = stage.net.listen(KIND_IPV4);
      const slot = stage.nextListener();
      const peers = connectMany(stage, listener, 3);
      stage.net.limitDescriptors(2);
      const addresses: Uint8Array[] = [];
      for (let final = 0; final === 0;) {
        const part = yield* collect(stage, slot, stage.accept(slot, listener.fd, 8));
        addresses.push(...part.addresses);
        final = part.final;
        if (final !== 0) equal(final, -EMFILE, 'final result');
      }
      equal(addresses.length, 2, 'connections');
      stage.net.limitDescriptors(-1);
      addresses.push(...(yield* collect(stage, slot, stage.accept(slot, listener.fd, 8))).addresses);
      peers.forEach((peer, i) => equalBytes(addresses[i]!, peer.address, `client ${i}`));
    },
  },
];
