/** Where io_uring gets less memory than it needs, as in many containers, Pen runs on epoll and says why. */
import { expect, test } from 'vitest';
import { Pen } from '../support/pen.ts';
import { needs } from '../support/skip.ts';

/** Enough for the small ring that finds out whether io_uring works, not for one to work with. */
const LITTLE = 64 * 1024;
/** Who may lock memory is not counted. */
const WITH_LITTLE = ['setpriv', '--bounding-set=-ipc_lock', 'prlimit', `--memlock=${LITTLE}:${LITTLE}`];

/** The kernel counts for the user, so where it runs out depends on what else the user runs. */
const LACKS = String.raw`(io_uring may not lock enough memory \(ulimit -l\)|io_uring takes no receive buffers: ENOMEM)`;

needs({ linux: true, uring: true, root: true, packages: ['util-linux'] }, 'little memory to lock', () => {
  test('it serves by epoll, and says what io_uring lacks', async () => {
    const pen = await Pen.start({ prefix: WITH_LITTLE, servers: ['127.0.0.1:9'] });
    expect(pen.lines.join('\n')).toMatch(new RegExp(String.raw`loop epoll \(epoll is used: ${LACKS}\)$`));
    expect((await pen.stop()).code).toBe(0);
  });

  test('asked for io_uring by name it does not start, and says what is lacking', async () => {
    const { exit, lines } = await Pen.run({ loop: 'uring', prefix: WITH_LITTLE, servers: ['127.0.0.1:9'] });
    expect([exit.code, lines.length]).toEqual([1, 1]);
    expect(lines[0]).toMatch(new RegExp(`^pen: loop: ${LACKS}$`));
  });
});
