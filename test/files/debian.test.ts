/** A file that Debian's pen has written is read by ours to what was in force there. */
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { ask, AS_WHO_WE_ARE, freePort } from '../support/control.ts';
import { Folder } from '../support/folder.ts';
import { Pen } from '../support/pen.ts';
import { needs } from '../support/skip.ts';

const FOLDER = new Folder();
const SAID = [
  'acl 0 deny 10.9.9.9',
  'acl 2 permit 10.1.0.0 255.255.0.0',
  'acl 2 deny 2001:db8::/32',
  'ascii',
  'hash',
  'server 1 acl 2',
  'server 1 weight 4',
  'weight',
  'tcp_fastclose both',
  'tcp_nodelay',
  'tracking 60',
  'client_acl 2',
  'stubborn',
  'server 4 address 127.0.0.3 port 81',
  'acl 3 permit ::1',
];

/** Lines that both programs know. */
function common(text: string): readonly string[] {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  const words =
    /^(no )?(acl|ascii|blacklist|client_acl|control_acl|debug|hash|roundrobin|server|stubborn|tcp_|timeout|tracking|weight|prio)/;
  // The original leaves weights and priorities out where they do not matter, and a trailing blank.
  return lines.filter((line) => words.test(line)).map((line) => line.replace(/ prio 0$/, '').trimEnd());
}

needs({ linux: true, packages: ['pen'] }, "what Debian's pen has written", () => {
  test('is read to the same', async () => {
    const control = `127.0.0.1:${await freePort()}`;
    const listen = `127.0.0.1:${await freePort()}`;
    const options = [
      '-f',
      ...AS_WHO_WE_ARE,
      '-b',
      '7',
      '-t',
      '9',
      '-C',
      control,
      listen,
      '127.0.0.1:9:5',
      '127.0.0.2:80:5:7',
    ];
    const original = spawn('/usr/bin/pen', options, { stdio: 'ignore' });
    onTestFinished(() => void original.kill('SIGKILL'));
    const say = (command: string): string =>
      spawnSync('/usr/bin/penctl', [control, command], { encoding: 'utf8' }).stdout;
    for (let tries = 0; say('pid') === '' && tries < 200; tries++)
      await new Promise((resolve) => setTimeout(resolve, 20));
    for (const command of SAID) say(command);
    say(`write ${FOLDER.at('theirs')}`);
    original.kill('SIGTERM');
    await new Promise((resolve) => original.once('exit', resolve));
    const theirs = readFileSync(FOLDER.at('theirs'), 'utf8');
    expect(theirs).toContain('acl 2 permit 10.1.0.0 255.255.0.0');
    const ours = await Pen.start({
      servers: [],
      options: ['-F', FOLDER.at('theirs'), '-C', FOLDER.at('control'), ...AS_WHO_WE_ARE],
    });
    onTestFinished(async () => void (await ours.stop()));
    expect(await ask(FOLDER.at('control'), `write ${FOLDER.at('ours')}`)).toBe('');
    // A number that it has no server for, which it writes in its own way.
    expect(theirs).toContain('\nserver 2 acl 0 address (unknown address family 0 port 0 max 0 hard 0');
    const empty = / address (0\.0\.0\.0|\(unknown address family 0) /;
    const there = (text: string): readonly string[] => common(text).filter((line) => !empty.test(line));
    expect(there(readFileSync(FOLDER.at('ours'), 'utf8'))).toEqual(there(theirs));
  });
});
