/** Files of commands in a jail, and as another user: what can be read, written and opened there, and what cannot. */
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Jail, NOBODY } from '../privileges/jail.ts';
import { ask } from '../support/control.ts';
import { Pen } from '../support/pen.ts';
import { needs } from '../support/skip.ts';

needs({ linux: true, root: true }, 'files in a jail', () => {
  let jail: Jail;
  let pen: Pen;
  let control = '';

  beforeEach(async () => {
    jail = new Jail();
    control = join(jail.base, 'control');
    const file = join(jail.base, 'pen.cfg');
    writeFileSync(file, 'server 1 address 127.0.0.2 port 80\nlisten 127.0.8.11:811\n');
    mkdirSync(dirname(join(jail.path, file)), { recursive: true });
    pen = await Pen.start({
      // A name of the command line, which is looked up before; the file's listener counts.
      servers: ['localhost:9'],
      options: [
        '-F',
        file,
        '-u',
        NOBODY.name,
        '-j',
        jail.path,
        '-C',
        control,
        '-O',
        'server 2 address localhost port 9',
      ],
    });
    expect(pen.port).toBe(811);
  });
  afterEach(async () => {
    expect((await pen.stop()).code).toBe(0);
    jail.remove();
  });

  /** The file of the same path inside. */
  const inside = (text: string): void => writeFileSync(join(jail.path, jail.base, 'pen.cfg'), text);

  test('the file is read again from inside; names of the command line are known, the listener stays', async () => {
    expect(await ask(control, 'reload')).toMatch(
      /^reload: there is no file '.*pen\.cfg' \(in the jail .*, as nobody\)\n$/,
    );
    inside('server 1 address 127.0.0.3 port 80\nlisten 127.0.8.11:811\n');
    expect(await ask(control, 'reload')).toBe('');
    expect(await ask(control, 'servers')).toMatch(
      /^0 addr \S+ port 9 .*\n1 addr 127\.0\.0\.3 port 80 .*\n2 addr \S+ port 9 /,
    );
    inside('server 1 address www7.example port 80\n');
    expect(await ask(control, 'reload')).toMatch(/pen\.cfg:1: host 'www7\.example' c.* in the jail .* names need/);
  });

  test('a listener below 1024 that is not open cannot be had any more, and then nothing changes', async () => {
    inside('server 1 address 127.0.0.4 port 80\nlisten 127.0.8.11:812\n');
    expect(await ask(control, 'reload')).toMatch(
      /pen\.cfg:2 'listen address': cannot listen on 127\.0\.8\.11:812: not permitted/,
    );
    expect(await ask(control, 'servers')).toContain('1 addr 127.0.0.2 port 80 ');
    expect(await ask(control, 'listen')).toBe('127.0.8.11:811\n');
  });

  test('what is written lies inside, and belongs to the user', async () => {
    expect(await ask(control, `write ${jail.ownInside}/out`)).toBe('');
    expect(statSync(join(jail.own, 'out'))).toMatchObject({ uid: NOBODY.id });
    expect(readFileSync(join(jail.own, 'out'), 'utf8')).toContain('\nlisten 127.0.8.11:811\n');
    expect(await ask(control, 'write')).toMatch(
      /^write: cannot write '.*pen\.cfg' .*: permission denied in its folder\n$/,
    );
  });
});
