import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { ConfigError, EMPTY_CONFIGURATION } from '../config/model.ts';
import { idleFacts } from '../config/command.ts';
import { runScript, type Ran } from '../config/script.ts';
import { openConfigFile } from './config-file.ts';
import { readingWithin, readScript } from './script-reader.ts';

const FOLDER = mkdtempSync(join(tmpdir(), 'pen-files-'));
afterAll(() => rmSync(FOLDER, { recursive: true }));

function file(name: string, text: string | Uint8Array): string {
  const path = join(FOLDER, name);
  writeFileSync(path, text);
  return path;
}

async function run(path: string, folder = ''): Promise<Ran> {
  const lookUp = async (host: string, where: string): Promise<never> => {
    throw new ConfigError(where, `host '${host}' cannot be resolved`);
  };
  const script = await readScript(path, '-F', readingWithin(folder, { open: openConfigFile, lookUp }));
  const running = runScript(EMPTY_CONFIGURATION, script, { facts: idleFacts(1), servicePort: () => undefined });
  for (;;) {
    const step = running.next();
    if (step.done === true) return step.value;
  }
}

async function mistakes(path: string): Promise<readonly string[]> {
  return (await run(path)).errors.map(({ message }) => message.replaceAll(`${FOLDER}/`, ''));
}

describe('a file of commands', () => {
  test('includes others, which are looked for beside it', async () => {
    mkdirSync(join(FOLDER, 'below'), { recursive: true });
    file('below/last', 'timeout 5');
    file('below/more', 'blacklist 7\ninclude last\nblacklist 8');
    const { state, errors } = await run(file('main', 'include below/more\nstubborn\n'));
    expect(errors).toEqual([]);
    expect(state.settings).toMatchObject({ blacklist: 8, timeout: 5, stubborn: true });
  });

  test('has blocks of farms, which end with the file, and whose includes are in the farm', async () => {
    file('both', 'timeout 5\nfarm mail\ntimeout 6\n');
    file('own', 'farm other # and its lines\ntimeout 7\n');
    const text = 'timeout 2\ninclude own\nblacklist 3\nfarm web\ninclude both\nblacklist 8\nfarm new hash\nstubborn\n';
    const { state, errors, said } = await run(file('main', `${text}farm last\nfarm one include both\n`));
    expect(errors).toEqual([]);
    expect(state.settings).toMatchObject({ timeout: 2, blacklist: 3, stubborn: false });
    const settings = new Map([...state.farms].map(([name, { settings }]) => [name, settings]));
    expect([...settings.keys()]).toEqual(['other', 'web', 'mail', 'new', 'last', 'one']);
    expect(settings.get('other')).toMatchObject({ timeout: 7, blacklist: 30 });
    expect(settings.get('web')).toMatchObject({ timeout: 5, blacklist: 8, stubborn: true, hash: 'off' });
    expect(settings.get('new')).toMatchObject({ hash: 'spread', stubborn: false });
    expect(settings.get('one')).toMatchObject({ timeout: 5 });
    expect(said.placeOf({ of: 'farm', farm: 'web', part: { of: 'settings', key: 'blacklist' } })).toMatch(/main:6$/);
  });

  test('tells what is wrong in a block by its line, and a name that cannot be once', async () => {
    const text = 'farm web\nblacklist x\nconn_max 9\nfarm a/b\ntimeout 5\nserver 70000\nfly\ninclude below/none\n';
    expect(await mistakes(file('main', text))).toEqual([
      "main:2 'blacklist': 'x' is not a whole number from 0 to 10000000",
      "main:3 'conn_max': is about the whole process; say it without farm web, in a file before the first farm",
      "main:4 'farm': 'a/b' is no name of a farm; it has letters, digits, _, . and -, at most 63, a letter or digit first",
      "main:6 'server': '70000' is not a whole number from 0 to 65531",
      "main:7 'fly': there is no such command; 'help' lists them",
      expect.stringMatching(/^main:8 'include': /),
    ]);
    for (const name of ['a/b', '"a hash"', '"# b"']) {
      expect(await mistakes(file('main', `farm ${name} include both\n`)), name).toEqual([
        expect.stringMatching(/^main:1 'include' 'farm': '.*' is no name/),
      ]);
    }
  });

  test('that includes itself, by whatever name, is refused where it does', async () => {
    const path = file('loop', 'include round\nstubborn\n');
    file('round', '# first a comment\n\ninclude other-name\n');
    symlinkSync(path, join(FOLDER, 'other-name'));
    expect(await mistakes(path)).toEqual([
      "round:3 'include': 'other-name' is being read already: it would include itself for ever",
    ]);
  });

  test('has no word whose quote is not closed, but in a comment', async () => {
    const text = 'pid_file "/run/a b\n# "half\nweb_stats "/a"b\nweb_stats "/a b" "\nweb_stats "/a b"\n';
    const right =
      'write "two words", with a blank or nothing behind it, and in it \\" for a quote and \\\\ for a backslash';
    const open = [
      [1, '/run/a'],
      [3, '/a"b'],
      [4, ''],
    ].map(([line, word]) => `quotes:${line}: the quote in front of '${word}' is not closed; ${right}`);
    expect(await mistakes(file('quotes', text))).toEqual(open);
  });

  test('that a peer has named includes nothing outside of the folder', async () => {
    mkdirSync(join(FOLDER, 'dir/below'), { recursive: true });
    file('outside', 'secret words');
    file('dir/top', 'include below/one\n');
    file('dir/beside', 'timeout 5\n');
    file('dir/below/one', 'include two\ninclude beside\ninclude ../../outside\ninclude link\n');
    file('dir/below/two', `stubborn\ninclude ${join(FOLDER, 'outside')}\n`);
    symlinkSync(join(FOLDER, 'outside'), join(FOLDER, 'dir/below/link'));
    const { state, errors } = await run('top', join(FOLDER, 'dir'));
    const where = (place: string, name: string): string =>
      `dir/below/${place} 'include': '${name}' is not in dir, where control_dir has such files be`;
    expect(errors.map(({ message }) => message.replaceAll(`${FOLDER}/`, ''))).toEqual([
      where('two:2', 'outside'),
      where('one:3', 'outside'),
      where('one:4', 'dir/below/link'),
    ]);
    expect(state.settings).toMatchObject({ stubborn: true, timeout: 5 });
  });

  test('may be included twice, and sixteen deep', async () => {
    for (let depth = 1; depth < 16; depth++) file(`deep${depth}`, `include deep${depth + 1}`);
    file('deep16', 'acl 1 permit 10.0.0.1');
    const { state, errors } = await run(file('deep0', 'include deep1\ninclude deep1\n'));
    expect(errors).toEqual([]);
    expect(state.acls[1]).toHaveLength(2);
    file('deep16', 'include deep17');
    file('deep17', 'stubborn');
    expect(await mistakes(join(FOLDER, 'deep0'))).toEqual(
      Array.from({ length: 2 }, () => "deep16:1 'include': at most 16 files may include one another in a row"),
    );
  });

  test('that includes others which include others, again and again, is refused where it becomes too much', async () => {
    const lines = 'blacklist 5\n# nothing\n';
    for (let depth = 1; depth < 7; depth++) file(`bomb${depth}`, `${`include bomb${depth + 1}\n`.repeat(10)}${lines}`);
    file('bomb7', lines);
    const [mistake, ...others] = await mistakes(file('bomb0', 'timeout never\ninclude bomb1\n'));
    const right = 'at most 10000 files may be read together: those of a file and of all that it includes';
    expect(mistake).toMatch(new RegExp(`^bomb[0-6]:\\d+ 'include': ${right}$`));
    expect(others, 'nothing else').toEqual([]);
  });

  test('with many lines that are passed over tells some of them, and how many more', async () => {
    const path = file('old', 'server 0 weigth 5\n'.repeat(150));
    const { notices } = await readScript(path, '-F', { open: openConfigFile, lookUp: async () => Promise.reject() });
    expect(notices).toHaveLength(101);
    expect(notices[99]).toBe(`${path}:100 'server': there is no key 'weigth', passed over`);
    expect(notices[100]).toBe(`and 50 more of these, the last at ${path}:150`);
  });

  test('has no more than two million lines, wherever they stand', async () => {
    const half = '\n'.repeat(1_000_000);
    file('half', half);
    const right = 'at most 2000000 lines may be read together: those of a file and of all that it includes';
    expect(await mistakes(file('more', `${half}\ninclude half\n\n`))).toEqual([`half:999999: ${right}`]);
  });

  test('has no more than 64 MB, wherever they stand', async () => {
    const comment = `# ${'x'.repeat(60_000)}\n`;
    file('half', comment.repeat(560));
    const right = 'at most 64 MB may be read together: those of a file and of all that it includes';
    expect(await mistakes(file('twice', `${comment}include half\n\ninclude half\n`))).toEqual([
      `twice:4 'include': ${right}`,
    ]);
    expect(await mistakes(file('once', `${comment.repeat(560)}include half\n`))).toEqual([
      `once:561 'include': ${right}`,
    ]);
  });

  test.each([
    ['a folder', () => mkdirSync(join(FOLDER, 'x')), "cannot read 'x': it is not an ordinary file"],
    ['a FIFO', () => execFileSync('mkfifo', [join(FOLDER, 'x')]), "cannot read 'x': it is not an ordinary file"],
    [
      'what is longer than it says',
      () => symlinkSync('/proc/self/status', join(FOLDER, 'x')),
      "cannot read 'x': it has more than the 0 bytes that it is said to have; is somebody writing to it?",
    ],
    ['nothing', () => undefined, "there is no file 'x', nor 'x'"],
  ])('that includes %s says so', async (_what, make, message) => {
    rmSync(join(FOLDER, 'x'), { force: true, recursive: true });
    make();
    expect(await mistakes(file('main', 'include x'))).toEqual([`main:1 'include': ${message}`]);
  });

  test('of a name that was no UTF-8 is not looked for', () => {
    file('caf\uFFFD', 'stubborn\n');
    const open = (): unknown => openConfigFile(join(FOLDER, 'caf\uFFFD'), undefined, '-F');
    expect(open).toThrow(/^-F: '.*caf\uFFFD' has bytes in it that are no UTF-8, so nobody knows which they were$/);
  });

  test('that includes nothing tells each place once', async () => {
    const open = (name: string) => openConfigFile(name, 'here', "here:1 'include'");
    expect(() => open('none')).toThrow(new ConfigError("here:1 'include'", "there is no file 'none'"));
    expect(() => open('./none')).toThrow(new ConfigError("here:1 'include'", "there is no file 'none'"));
    expect(() => open('../none')).toThrow(new ConfigError("here:1 'include'", "there is no file '../none'"));
  });

  test('without a name to include says so', async () => {
    expect(await mistakes(file('main', '\ninclude\n'))).toEqual(["main:2 'include': needs the name of a file"]);
  });

  test('may begin with a byte order mark, and end without a line end', async () => {
    expect((await run(file('main', '\uFEFFblacklist 7\r\ntimeout 4'))).state.settings).toMatchObject({
      blacklist: 7,
      timeout: 4,
    });
  });

  test('has no byte order mark elsewhere, but in a comment', async () => {
    file('marked', '\uFEFFtimeout 4\n');
    const reason = 'the line has a byte order mark in it; only a file may begin with one, no other line';
    const text = '\uFEFFinclude marked\n\uFEFFblacklist 5\n# \uFEFF\n\uFEFF# no comment\nblacklist \uFEFF5';
    expect(await mistakes(file('main', text))).toEqual([2, 4, 5].map((line) => `main:${line}: ${reason}`));
  });

  test('has no bytes that are no UTF-8, but in a comment', async () => {
    const latin1 = Buffer.from(
      '# caf\u00e9\nweb_stats /tmp/caf\u00e9\nstubborn\ninclude caf\u00e9\nacl caf\u00e9',
      'latin1',
    );
    const reason = 'the line has bytes in it that are no UTF-8; all but comments is written in UTF-8';
    expect(await mistakes(file('main', latin1))).toEqual([2, 4, 5].map((line) => `main:${line}: ${reason}`));
    const utf8 = await run(file('main', '# caf\u00e9\nweb_stats /tmp/caf\u00e9\n'));
    expect(utf8).toMatchObject({ errors: [], state: { settings: { webStats: '/tmp/caf\u00e9' } } });
  });

  test.each([
    ['a quoted word', (size: number) => `pid_file "/${'\\"'.repeat(size / 2)}`],
    ['words', (size: number) => 'x '.repeat(size / 2)],
    ['nothing but a comment', (size: number) => `#${'é'.repeat(size / 2)}`],
  ])('has no line of megabytes, be it %s', async (_what, make) => {
    const line = make(8_000_000);
    const right = `the line has ${Buffer.byteLength(line)} bytes, of 65536 possible`;
    expect(await mistakes(file('main', `blacklist 5\n${line}\r\n`))).toEqual([`main:2: ${right}`]);
  });

  test('may have lines of 65536 bytes, line ends not counted', async () => {
    const comment = `# ${'x'.repeat(65_534)}`;
    expect(await mistakes(file('main', `${comment}\r\n${comment}x\n${comment}`))).toEqual([
      'main:2: the line has 65537 bytes, of 65536 possible',
    ]);
  });

  test.each([
    ['blacklist 5\rbogus\n', 1],
    ['stubborn\n# old\rstubborn\r\n', 2],
    ['timeout 4\0 5', 1],
  ])('that has more than words and line ends says so: %j', async (text, line) => {
    const right = 'the line has a carriage return or a NUL in it; lines end with a line feed, or with both';
    expect(await mistakes(file('main', text))).toEqual([`main:${line}: ${right}`]);
  });

  test('of 100,000 entries of access lists costs next to nothing per entry', async () => {
    const lines = Array.from({ length: 100_000 }, (_, i) => `acl 3 permit 10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`);
    const { state, errors } = await run(file('main', lines.join('\n')));
    expect(errors).toEqual([]);
    expect(state.acls[3]).toHaveLength(100_000);
    expect(EMPTY_CONFIGURATION.acls[3]).toEqual([]);
  });
});
