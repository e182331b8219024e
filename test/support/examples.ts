/**
 * The worked examples of how the original chooses servers, by their numbers, one entry or more for each: what is
 * started, what happens, and which server each client gets.
 *
 * They are the scripts that Debian's pen is held to, because one table that two programs are held to cannot drift;
 * here stand those that the other suites have within a longer story. Run by `src/engine/examples.test.ts` on the engine
 * alone, by `test/balance/examples.test.ts` on processes with each loop.
 */
import { request, say, type JudgedStep, type Script } from '../differential/script.ts';
import { CHOICE } from '../differential/scripts/choice.ts';
import { FAILOVER } from '../differential/scripts/failover.ts';

const OWN: readonly Script[] = [
  {
    id: 'E2',
    says: 'round robin passes over a server that is left out',
    options: '-r',
    servers: 3,
    steps: [
      request('c1 c1 c1 c1 c1 c1 c1', '1 2 0 1 2 0 1'),
      say('server 0 blacklist 60'),
      request('c1 c1 c1 c1 c1', '2 1 2 1 2'),
    ],
  },
  {
    id: 'E4',
    says: 'a client whose server was left out for a while stays where it went',
    servers: 3,
    steps: [
      request('c1', '1'),
      say('server 1 blacklist 60'),
      request('c1', '2'),
      say('server 1 blacklist 0'),
      request('c1', '2'),
    ],
  },
  {
    id: 'E51',
    says: 'clients are remembered with the place of a server, not with its address',
    servers: 1,
    steps: [request('c1', '0'), say('server 0 address {host} port 20002'), request('c1', '1')],
  },
];

const LAST = 52;

/** The number in `E47b` or `E33-stubborn`. */
function numberOf(id: string): number {
  return Number(/^E(\d+)/.exec(id)?.[1] ?? Infinity);
}

/** All examples, in order. */
export const EXAMPLES: readonly Script[] = [...CHOICE, ...FAILOVER, ...OWN]
  .filter(({ id }) => numberOf(id) <= LAST)
  .sort((left, right) => numberOf(left.id) - numberOf(right.id));

/** Numbers that have an example. */
export const NUMBERS: readonly number[] = [...new Set(EXAMPLES.map(({ id }) => numberOf(id)))];

/** What Pen gives: what the original does, or what it does instead on purpose. */
export function wantedOf(step: JudgedStep): string {
  return step.unlike?.ours ?? step.gives;
}
