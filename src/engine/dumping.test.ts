/** What the engine dumps of what passes, and that bulk data then passes where it can be seen. */
import { expect, test } from 'vitest';
import { OP_CONNECT, OP_RECV, OP_SEND } from '../loop/loop.ts';
import { createDumpRing, DUMP_BYTES, DUMP_ROWS, dumpBytes, dumpSide } from '../table/dumps.ts';
import { openRing } from '../table/ring.ts';
import { TAKEN_BUFFERS } from './relay.ts';
import { CLIENT, SERVER, SMALL, Stage } from './stage.suite.ts';

const AT = 2 * SMALL;

function stageWith(isDumping: 0 | 1) {
  const ring = openRing(createDumpRing());
  const stage = new Stage({ dumps: ring, configure: ({ settings }) => (settings.isDumping[0] = isDumping) });
  const dumped = (): [side: number, text: string][] => {
    const rows: [number, string][] = [];
    ring.drain((at) => rows.push([dumpSide(ring, at), Buffer.from(dumpBytes(ring, at)).toString('latin1')]), DUMP_ROWS);
    return rows;
  };
  /** Bytes of a side arrive in one small buffer. */
  const hear = (side: number, text: string): void => {
    stage.loop.arena.set(Buffer.from(text, 'latin1'), AT);
    stage.turn([OP_RECV, side, text.length, AT]);
  };
  const want = (value: 0 | 1): void => stage.change(({ settings }) => void (settings.isDumping[0] = value));
  /** The server fills small buffers until its direction would be lent what bulk data is lent. */
  const earn = (): void => {
    for (let i = 0; i < TAKEN_BUFFERS; i++) {
      stage.turn([OP_RECV, SERVER, SMALL, AT]);
      stage.turn([OP_SEND, CLIENT, SMALL]);
      dumped();
    }
  };
  return { stage, ring, dumped, hear, want, earn };
}

test('both directions are dumped once, in order, from the bytes on that come before the server stands', () => {
  const { stage, dumped, hear } = stageWith(1);
  stage.accept(50);
  hear(CLIENT, 'early');
  stage.turn([OP_CONNECT, SERVER, 0]);
  stage.turn([OP_SEND, SERVER, 5]);
  hear(SERVER, 'answer');
  expect(dumped()).toEqual([
    [CLIENT, 'early'],
    [SERVER, 'answer'],
  ]);
});

test('a whole buffer is dumped in pieces', () => {
  const { stage, dumped, hear } = stageWith(1);
  stage.open();
  const text = Array.from({ length: SMALL }, (_, i) => String.fromCharCode(32 + (i % 95))).join('');
  hear(CLIENT, text);
  const rows = dumped();
  expect(rows.length).toBe(SMALL / DUMP_BYTES);
  expect(rows.map(([, part]) => part).join('')).toBe(text);
});

test('nothing is dumped unless that is wanted, from the next turn on', () => {
  const { stage, ring, dumped, hear, want } = stageWith(0);
  stage.open();
  hear(CLIENT, 'before');
  stage.turn([OP_SEND, SERVER, 6]);
  want(1);
  hear(CLIENT, 'meanwhile');
  stage.turn([OP_SEND, SERVER, 9]);
  want(0);
  hear(CLIENT, 'afterwards');
  expect([dumped(), ring.dropped()]).toEqual([[[CLIENT, 'meanwhile']], 0]);
});

test('while it dumps no pipe or big buffer is lent, so that all bytes can be seen', () => {
  const { stage, earn } = stageWith(1);
  stage.loop.pipesLeft = 1;
  stage.open();
  earn();
  earn();
  expect(stage.pending(OP_RECV, SERVER)).not.toHaveProperty('pipe');
  expect([stage.loop.pipesLeft, stage.engine.state.big.lent]).toEqual([1, 0]);
});

test('bulk under way comes back: what is in its pipe by then counts as not seen, the next piece is', () => {
  const { stage, ring, dumped, hear, want, earn } = stageWith(0);
  stage.loop.pipesLeft = 1;
  stage.open();
  earn();
  expect(stage.pending(OP_RECV, SERVER)?.pipe).toBe(1);
  want(1);
  stage.turn([OP_RECV, SERVER, 300_000]);
  expect(ring.dropped()).toBe(1);
  stage.turn();
  stage.turn([OP_SEND, CLIENT, 300_000]);
  expect(stage.loop.pipesBack).toEqual([1]);
  hear(SERVER, 'seen');
  expect(dumped()).toEqual([[SERVER, 'seen']]);
});

test('bulk in a big buffer is seen, and comes back, too', () => {
  const { stage, want, earn, ring } = stageWith(0);
  stage.open();
  earn();
  const at = stage.pending(OP_RECV, SERVER)!.offset!;
  want(1);
  stage.turn([OP_RECV, SERVER, 100_000, at]);
  stage.turn();
  stage.turn([OP_SEND, CLIENT, 100_000]);
  expect([stage.engine.state.big.lent, ring.dropped()]).toEqual([0, 0]);
  let bytes = 0;
  ring.drain((row) => (bytes += dumpBytes(ring, row).length), DUMP_ROWS);
  expect(bytes).toBe(100_000);
});

test('a full ring changes nothing for the connection', () => {
  const { stage, ring, hear } = stageWith(1);
  stage.open();
  for (let i = 0; i < DUMP_ROWS + 10; i++) {
    hear(CLIENT, 'x');
    expect(stage.pending(OP_SEND, SERVER)?.length).toBe(1);
    stage.turn([OP_SEND, SERVER, 1]);
  }
  expect(ring.dropped()).toBe(10);
});

test('where nobody could see dumps there are none, whatever the configuration says', () => {
  const stage = new Stage({ configure: ({ settings }) => (settings.isDumping[0] = 1) });
  stage.loop.pipesLeft = 1;
  stage.open();
  for (let i = 0; i < TAKEN_BUFFERS; i++) {
    stage.turn([OP_RECV, SERVER, SMALL, AT]);
    stage.turn([OP_SEND, CLIENT, SMALL]);
  }
  expect(stage.pending(OP_RECV, SERVER)?.pipe).toBe(1);
});
