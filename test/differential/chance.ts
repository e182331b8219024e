/** Scripts that nobody has thought of: drawn from a seed, to be run on both programs and compared. */
import type { Prng } from '../../src/base/prng.ts';
import { hold, release, request, say, type Script, type Step } from './script.ts';

const SERVERS_MAX = 5;
const CLIENTS = 5;
const STEPS = 25;
const WEIGHT_MAX = 4;
/** Source ports are part of the hash with round robin, so they must be the same for both programs. */
const FIRST_PORT = 22000;

/**
 * Draws a script of requests, held connections and commands about choice.
 *
 * Left out is what differs on purpose and would show all the time: limits and refused connects (the original counts them
 * wrongly), the default hash, numbers that are none, choice by weights that nobody has (ours says so at the start), and
 * full client tables (the original counts in seconds who was away longest).
 */
export function drawScript(prng: Prng, id: string): Script {
  const count = prng.between(1, SERVERS_MAX);
  const weights = Array.from({ length: count }, () => prng.below(WEIGHT_MAX));
  const servers = weights.map((weight) => `:0:0:${weight}:${prng.below(WEIGHT_MAX)}`);
  const options = ['-O', 'poll'];
  if (prng.chance(1, 2)) options.push('-r');
  if (prng.chance(1, 5)) options.push('-s');
  if (prng.chance(1, 4) && weights.some((weight) => weight > 0)) options.push('-O', 'weight');
  if (prng.chance(1, 5)) options.push('-O', 'prio');
  if (prng.chance(1, 5)) options.push('-O', 'hash original');
  const steps: Step[] = [];
  let held = 0;
  let port = FIRST_PORT;
  const clients = (): string =>
    Array.from({ length: prng.between(1, 3) }, () => `c${prng.between(1, CLIENTS)}@${port++}`).join(' ');
  for (let i = 0; i < STEPS; i++) {
    const dice = prng.below(20);
    if (dice < 9) {
      steps.push(request(clients(), ''));
    } else if (dice < 12) {
      const some = clients();
      held += some.split(' ').length;
      steps.push(hold(some, ''));
    } else if (dice < 13 && held > 0) {
      steps.push(release(String(prng.below(held))));
    } else {
      steps.push(say(drawCommand(prng, count), ''));
    }
  }
  const emergency = prng.chance(1, 3) ? { emergency: '' } : {};
  return { id, says: `${options.join(' ')}, ${count} servers`, options, servers, ...emergency, steps };
}

function drawCommand(prng: Prng, servers: number): string {
  const server = prng.below(servers);
  const commands = [
    `server ${server} blacklist 60`,
    `server ${server} blacklist 60`,
    `server ${server} blacklist 0`,
    `server ${server} weight ${prng.below(WEIGHT_MAX)}`,
    `server ${server} prio ${prng.below(WEIGHT_MAX)}`,
    `server ${server} acl ${prng.below(3)}`,
    `acl ${prng.between(1, 2)} ${prng.chance(1, 2) ? 'permit' : 'deny'} 127.0.0.${prng.between(1, CLIENTS)}`,
    `no acl ${prng.between(1, 2)}`,
    `${prng.chance(1, 2) ? '' : 'no '}roundrobin`,
    `${prng.chance(1, 2) ? '' : 'no '}weight`,
    `${prng.chance(1, 2) ? '' : 'no '}prio`,
    `${prng.chance(1, 2) ? '' : 'no '}stubborn`,
    prng.chance(1, 2) ? 'hash original' : 'no hash',
    'mode',
    'servers',
    'recent',
  ];
  return commands[prng.below(commands.length)];
}
