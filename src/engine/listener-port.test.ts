/** Servers at the port of the listener a client came by, and clients of listeners that change their row. */
import { describe, expect, test } from 'vitest';
import { ENDPOINT_SIZE, KIND_IPV4, KIND_UNIX, writeEndpoint, type Endpoint } from '../base/endpoint.ts';
import { FLAG_MORE, OP_ACCEPT, OP_CONNECT, OP_RECV } from '../loop/loop.ts';
import { createEndingRing, readEnding } from '../table/endings.ts';
import { openRecordRing } from '../table/records.ts';
import { inFlightOf } from '../table/shared.ts';
import type { ConfigBank } from '../table/tables.ts';
import { FIRST_SERVER, Stage, type Options } from './stage.suite.ts';

const listenerAt = (port: number): Endpoint => ({ kind: KIND_IPV4, ip: Uint8Array.of(127, 0, 0, 1), port });

/** Listeners, each with a descriptor of its own, of the farms that are named. */
function listen(draft: ConfigBank, all: readonly { fd: number; farm: number; at: Endpoint }[]): void {
  draft.settings.listenerCount[0] = all.length;
  for (const [row, { fd, farm, at }] of all.entries()) {
    draft.listeners.fd[row] = fd;
    draft.listeners.farm[row] = farm;
    writeEndpoint(at, draft.listeners.endpoint, row * ENDPOINT_SIZE);
  }
}

/** The server has an address and no port. */
function atListenersPort(draft: ConfigBank, ...rows: readonly number[]): void {
  for (const row of rows) {
    const ip = Uint8Array.of(10, 0, 0, row);
    writeEndpoint({ kind: KIND_IPV4, ip, port: 0 }, draft.servers.endpoint, row * ENDPOINT_SIZE);
  }
}

/** A client by a listener's row. @returns where it is connected to; undefined when it is not. */
function come(stage: Stage, listener: number, fd: number): string | undefined {
  stage.turn([OP_ACCEPT, listener, fd, 0, FLAG_MORE]);
  const side = stage.engine.state.fd.indexOf(fd);
  return side < 0 ? undefined : stage.pending(OP_CONNECT, side + 1)?.to;
}

describe('servers at the port of the listener', () => {
  const both = [
    { fd: 7, farm: 0, at: listenerAt(80) },
    { fd: 8, farm: 0, at: listenerAt(443) },
  ];

  test('are connected to at the port the client came by', () => {
    const stage = new Stage({
      listeners: 2,
      servers: 1,
      configure: (draft) => {
        listen(draft, both);
        atListenersPort(draft, FIRST_SERVER);
      },
    });
    expect(come(stage, 0, 50)).toBe(`10.0.0.${FIRST_SERVER}:80`);
    expect(come(stage, 1, 51)).toBe(`10.0.0.${FIRST_SERVER}:443`);
    expect(inFlightOf(stage.tables, FIRST_SERVER)).toBe(2);
  });

  test('have that port in what is told of connections that have ended', () => {
    const endings = openRecordRing(createEndingRing());
    const stage = new Stage({
      listeners: 2,
      servers: 1,
      endings,
      configure: (draft) => {
        listen(draft, both);
        atListenersPort(draft, FIRST_SERVER);
        draft.settings.isTelling[0] = 1;
      },
    });
    come(stage, 1, 51);
    const side = stage.engine.state.fd.indexOf(51);
    stage.turn([OP_CONNECT, side + 1, 0]);
    stage.turn([OP_RECV, side, 0], [OP_RECV, side + 1, 0]);
    const ports: number[] = [];
    endings.drain((at) => ports.push(readEnding(endings, at).port) > 0);
    expect(ports).toEqual([443]);
  });

  test('are passed over, and not blamed, for who came by a unix socket', () => {
    const stage = new Stage({
      servers: 2,
      configure: (draft) => {
        listen(draft, [{ fd: 7, farm: 0, at: { kind: KIND_UNIX, path: '/run/x' } }]);
        atListenersPort(draft, FIRST_SERVER + 1);
      },
    });
    expect(come(stage, 0, 50)).toMatch(/:80$/);
    expect(come(stage, 0, 51)).toMatch(/:80$/);
    expect(inFlightOf(stage.tables, FIRST_SERVER)).toBe(2);
    expect(stage.count('connectFailed')).toBe(0);
  });
});

describe('a listener that gets another row', () => {
  const [first, second] = [
    { fd: 7, farm: 1, at: listenerAt(81) },
    { fd: 8, farm: 0, at: listenerAt(82) },
  ];

  test('brings clients of its own farm and port, also by an accept that began before', () => {
    const stage = new Stage({
      listeners: 2,
      servers: 1,
      configure: (draft) => {
        listen(draft, [first, second]);
        atListenersPort(draft, FIRST_SERVER);
      },
    });
    stage.turn();
    stage.change((draft) => listen(draft, [second]));
    // What the accept on the first row brings is still the first listener's, and so with the second.
    expect(come(stage, 1, 50)).toBe(`10.0.0.${FIRST_SERVER}:82`);
    expect(come(stage, 0, 51), 'farm 1 has no servers').toBeUndefined();
  });
});

describe('many listeners', () => {
  const all = Array.from({ length: 20 }, (_, n) => ({ fd: 100 + n, farm: 0, at: listenerAt(80 + n) }));
  const open = (options: Options): Stage =>
    new Stage({ listeners: all.length, connMax: 32, ...options, configure: (draft) => listen(draft, all) });
  const armed = (stage: Stage): number[] =>
    [...all.keys()].filter((listener) => stage.pending(OP_ACCEPT, listener) !== undefined);

  test('accept each, also when there are more than may wait for their servers', () => {
    expect(armed(open({ pendingMax: 3 }))).toEqual([...all.keys()]);
  });

  test('accept each in each of several workers, and go on to where others have come', () => {
    const stage = open({ workerCount: 2, pendingMax: 32, connMax: 128 });
    expect(armed(stage)).toEqual([...all.keys()]);
    stage.turn([OP_ACCEPT, 0, 50, 0, FLAG_MORE], [OP_ACCEPT, 0, 0]);
    stage.turn();
    expect(armed(stage)).toEqual([...all.keys()]);
  });

  test('have as much room as clients come to them, and one place where none do', () => {
    const few = all.slice(0, 4);
    const options = { listeners: few.length, pendingMax: 32, connMax: 128 };
    const stage = new Stage({ ...options, configure: (draft) => listen(draft, few) });
    const granted = (): number[] => [0, 1, 2].map((listener) => stage.pending(OP_ACCEPT, listener)?.max ?? 0);
    expect(granted()).toEqual([1, 1, 1]);
    let fd = 50;
    const bring = (listener: number, count: number): void => {
      const more = Array.from({ length: count }, () => [OP_ACCEPT, listener, fd++, 0, FLAG_MORE] as const);
      stage.turn(...more, [OP_ACCEPT, listener, 0]);
    };
    bring(1, 1);
    expect(granted()).toEqual([1, 2, 1]);
    bring(1, 2);
    expect(granted()).toEqual([1, 4, 1]);
    bring(1, 4);
    expect(granted()).toEqual([1, 8, 1]);
    bring(1, 1);
    expect(granted(), 'it follows what comes').toEqual([1, 2, 1]);
    expect(stage.engine.state.acceptor.reserved).toBe(5);
  });
});
