import { describe, expect, test } from 'vitest';
import type { Endpoint } from '../base/endpoint.ts';
import { idleFacts, type Facts } from './command.ts';
import { linesOf } from './blocks.suite.ts';
import { farmOf } from './farms.ts';
import { EMPTY_CONFIGURATION, type Configuration } from './model.ts';
import { Parts } from './parts.ts';
import { planText } from './plan.ts';
import { printConfiguration } from './print.ts';
import { merge } from './merge.ts';
import { NO_SERVER_FACTS } from './rows.ts';
import { EMPTY_SCRIPT, runScript, type Ran } from './script.ts';

const CONTEXT = { facts: idleFacts(1), servicePort: () => undefined };

/** What lines make of a state. */
function after(state: Configuration, ...texts: readonly string[]): Ran {
  const running = runScript(state, { ...EMPTY_SCRIPT, lines: linesOf(texts) }, CONTEXT);
  for (;;) {
    const step = running.next();
    if (step.done !== true) continue;
    expect(step.value.errors).toEqual([]);
    return step.value;
  }
}

/** A Pen: what its command line says, what is in force, and what its file said. */
class Story {
  readonly line: Configuration;
  inForce: Configuration;
  said = new Parts();
  notices: readonly string[] = [];

  constructor(...options: readonly string[]) {
    this.line = after(EMPTY_CONFIGURATION, ...options).state;
    this.inForce = this.line;
  }

  start(...file: readonly string[]): this {
    ({ state: this.inForce, said: this.said } = after(this.line, ...file));
    return this;
  }

  penctl(...lines: readonly string[]): this {
    this.inForce = after(this.inForce, ...lines).state;
    return this;
  }

  reload(...file: readonly string[]): this {
    const { state, said } = after(this.line, ...file);
    const result = merge(this.inForce, { configuration: state, said }, this.said, 'file');
    [this.inForce, this.notices, this.said] = [result.configuration, result.notices, said];
    return this;
  }

  /** Lines that are in force, of those that begin so. */
  lines(begin: string): readonly string[] {
    return printConfiguration(this.inForce).filter((line) => line.startsWith(begin));
  }
}

const LISTEN = 'listen 127.0.0.1:80';
const S0 = 'server 0 address 10.0.0.1 port 80';
const S1 = 'server 1 address 10.0.0.2 port 80';

describe('after a reload', () => {
  test('of the same file everything is the very same object', () => {
    const story = new Story(LISTEN).start(S0, S1, 'acl 1 permit 10.0.0.0/8', 'blacklist 5', 'conn_max 900');
    const before = story.inForce;
    expect(story.reload(S0, S1, 'acl 1 permit 10.0.0.0/8', 'blacklist 5', 'conn_max 900').inForce).toBe(before);
  });

  test('what the file says is so, whatever was said meanwhile', () => {
    const story = new Story(LISTEN).start(S0, 'blacklist 5', 'no hash', 'server 0 max 3');
    story.penctl('blacklist 60', 'hash', 'server 0 max 9');
    story.reload(S0, 'blacklist 5', 'no hash', 'server 0 max 3');
    expect(story.inForce).toMatchObject({ settings: { blacklist: 5, hash: 'off' }, servers: [{ max: 3 }] });
  });

  test('what it never said stays, whatever it was', () => {
    const story = new Story(LISTEN, 'timeout 7').start(S0, 'blacklist 5');
    story.penctl('timeout 9', 'acl 2 deny 10.1.1.1', 'server 0 weight 4', S1, 'stubborn', 'emergency 10.0.0.9:80');
    story.reload(S0, 'blacklist 6');
    expect(story.inForce).toMatchObject({ settings: { timeout: 9, blacklist: 6, stubborn: true } });
    expect(story.lines('server')).toEqual([
      'server 0 acl 0 address 10.0.0.1 port 80 max 0 hard 0 weight 4 prio 0',
      'server 1 acl 0 address 10.0.0.2 port 80 max 0 hard 0 weight 0 prio 0',
    ]);
    expect(story.lines('acl 2')).toEqual(['acl 2 deny 10.1.1.1 255.255.255.255']);
    expect(story.lines('emergency')).toEqual(['emergency 10.0.0.9:80:0:0:0:0']);
  });

  test('what it no longer says is as the command line has it', () => {
    const story = new Story(LISTEN, S0, 'timeout 7', 'acl 1 deny 10.9.9.9');
    story.start('timeout 4', 'server 0 port 81', S1, 'acl 1 permit 10.0.0.0/8', 'emergency 10.0.0.9:80', 'leastconn');
    expect(story.lines('acl 1')).toHaveLength(2);
    story.penctl('acl 1 deny 10.8.8.8').reload('debug 1');
    expect(story.inForce).toMatchObject({ settings: { timeout: 7, debug: 1, leastconn: false }, emergency: undefined });
    expect(story.lines('server')).toEqual(['server 0 acl 0 address 10.0.0.1 port 80 max 0 hard 0 weight 0 prio 0']);
    expect(story.lines('acl 1')).toEqual(['acl 1 deny 10.9.9.9 255.255.255.255']);
  });

  test('lists are as long as before, however often it was read', () => {
    const story = new Story(LISTEN, S0).start('acl 1 permit 10.0.0.1').penctl('acl 2 permit 10.0.0.7');
    for (let i = 0; i < 3; i++) story.reload('acl 1 permit 10.0.0.1', 'acl 2 deny 10.0.0.2');
    expect(story.lines('acl')).toEqual([
      'acl 1 permit 10.0.0.1 255.255.255.255',
      'acl 2 deny 10.0.0.2 255.255.255.255',
    ]);
  });

  test('a server in the middle can be gone, and come again', () => {
    const story = new Story(LISTEN).start(S0, S1, 'server 2 address 10.0.0.3 port 80');
    story.reload(S0, 'server 2 address 10.0.0.3 port 80');
    expect(story.inForce.servers.map((server) => server !== undefined)).toEqual([true, false, true]);
    story.reload(S0);
    expect(story.inForce.servers).toHaveLength(1);
    story.reload(S0, S1);
    expect(story.inForce.servers).toHaveLength(2);
  });

  test('a server of which the file said all there was to say is gone with it, but not what penctl has said', () => {
    const story = new Story(LISTEN).start(S0, 'server 3 weight 2 max 4', 'server 4 port 80', 'server 5 weight 2');
    story.penctl('server 5 address 10.0.0.9 port 80');
    story.reload(S0);
    expect(story.inForce.servers.map((server) => server !== undefined)).toEqual([
      true,
      false,
      false,
      false,
      false,
      true,
    ]);
    expect(new Story(LISTEN).start(S0, 'server 3 weight 2').reload(S0).inForce.servers).toHaveLength(1);
  });

  test('there is a listener, also when nobody says where, and the port that the system chose is kept', () => {
    const story = new Story().start('listen 127.0.0.1:0', S0);
    const endpoint: Endpoint = { kind: 4, ip: Uint8Array.of(127, 0, 0, 1), port: 43_210 } as Endpoint;
    const chosen = { text: '127.0.0.1:43210', endpoint };
    story.inForce = { ...story.inForce, listen: [chosen] };
    expect(story.reload('listen 127.0.0.1:0', S0).inForce.listen[0]?.text).toBe('127.0.0.1:43210');
    expect(story.reload(S0).inForce.listen[0]?.text).toBe('127.0.0.1:43210');
    expect(story.reload(S0, 'listen 127.0.0.2:0').inForce.listen[0]?.text).toBe('127.0.0.2:0');
  });

  test('what only grows has grown, and what the start has settled is told and kept', () => {
    const story = new Story(LISTEN).start(S0, 'conn_max 600', 'workers 2', 'pid_file /run/a', 'control /run/c');
    story.reload(S0, 'conn_max 500', 'workers 3', 'uring', 'pid_file /run/b', 'control /run/d');
    expect(story.inForce.settings).toMatchObject({ connMax: 600, workers: 2, loop: 'auto', pidFile: '/run/a' });
    expect(story.inForce.control?.text).toBe('/run/c');
    expect(story.notices).toEqual([
      'workers: changes at the next start',
      'pid_file: changes at the next start',
      'control: changes at the next start',
      'the loop: changes at the next start',
    ]);
  });

  test('what nobody has said is not said by what there is', () => {
    const limits = { connMax: 488, clientsMax: 2048, sourceMax: 427, parkedMax: 0 };
    const said = after(after(EMPTY_CONFIGURATION, LISTEN, S0).state, 'conn_max 400', 'clients_max 9000');
    const { state: inForce } = after(EMPTY_CONFIGURATION, LISTEN, S0);
    const of = (connMax: number): Configuration => {
      const { state } = said;
      const configuration = { ...state, settings: { ...state.settings, connMax } };
      return merge(inForce, { configuration, said: said.said }, new Parts(), 'file', limits).configuration;
    };
    expect(of(400).settings, 'it only grows').toMatchObject({ connMax: 0, clientsMax: 9000 });
    expect(of(489).settings).toMatchObject({ connMax: 489, clientsMax: 9000 });
  });

  test('somebody is served: a file that says no server any more is refused', () => {
    expect(() => new Story(LISTEN).start(S0).reload('blacklist 3')).toThrow(
      'file: says no server any more, so nobody would be served',
    );
    for (const line of ['server 0 max 3', 'server 0 address 0.0.0.0 port 80', 'server 0 address 10.0.0.1 port 0']) {
      expect(() => new Story(LISTEN).start(S0).reload(line), line).toThrow('file: says no server any more');
    }
    expect(new Story(LISTEN).start(S0, S1).reload('server 0 max 3', S1).inForce.servers).toHaveLength(2);
  });
});

describe('a reload with farms', () => {
  const WEB = ['farm web', 'listen 127.0.0.1:81', S0, 'tracking 60'];
  const MAIL = ['farm mail', 'listen 127.0.0.1:25', S1];

  test('touches no other farm than the one whose lines change', () => {
    const story = new Story(LISTEN).start(S0, ...WEB, ...MAIL);
    const before = story.inForce;
    expect(story.reload(S0, ...WEB, ...MAIL).inForce).toBe(before);
    const { inForce } = story.reload(S0, ...WEB, 'server 0 max 3', ...MAIL);
    expect(inForce.servers).toBe(before.servers);
    expect(inForce.settings).toBe(before.settings);
    expect(inForce.farms.get('mail')).toBe(before.farms.get('mail'));
    expect(inForce.farms.get('web')?.settings).toBe(before.farms.get('web')?.settings);
    expect(inForce.farms.get('web')?.servers).toMatchObject([{ max: 3 }]);
  });

  test('says what is so in a farm, keeps what penctl has said there, and takes back what it no longer says', () => {
    const story = new Story(LISTEN).start(S0, ...WEB);
    story.penctl('farm web tracking 5', 'farm web timeout 9', 'farm web server 1 address 10.0.0.7 port 1');
    story.reload(S0, ...WEB.slice(0, 3), 'hash');
    const web = story.inForce.farms.get('web');
    expect(web?.settings).toMatchObject({ tracking: 0, timeout: 9, hash: 'spread' });
    expect(web?.servers).toHaveLength(2);
    expect(story.inForce.settings.hash).toBe('off');
  });

  test('removes a farm that the file no longer says, and keeps one that penctl has made', () => {
    const story = new Story(LISTEN).start(S0, ...WEB, ...MAIL).penctl('farm other', 'farm web stubborn');
    story.reload(S0, ...MAIL);
    expect([...story.inForce.farms.keys()]).toEqual(['mail', 'other']);
    story.penctl('no farm mail').reload(S0, ...MAIL);
    expect([...story.inForce.farms.keys()]).toEqual(['other', 'mail']);
    expect(story.inForce.farms.get('mail')?.servers).toHaveLength(2);
  });

  test('leaves a farm of the command line as that has it', () => {
    const story = new Story(LISTEN, 'farm web timeout 7').start(S0, ...WEB, 'timeout 9');
    story.reload(S0);
    expect(story.inForce.farms.get('web')).toMatchObject({ settings: { timeout: 7, tracking: 0 }, listen: [] });
  });

  test('a farm may be empty, and the unnamed one have neither listener nor servers beside others', () => {
    const story = new Story().start('listen 127.0.0.1:80', S0);
    const { inForce } = story.reload(...WEB, 'farm empty');
    expect(inForce).toMatchObject({ listen: [], servers: [] });
    expect(inForce.farms.get('web')?.servers).toHaveLength(1);
    expect(inForce.farms.get('empty')?.servers).toEqual([]);
  });

  test('is refused where clients of a farm would come to nobody', () => {
    const [listener] = [WEB.slice(0, 2)];
    const message = 'file: says no server of farm web, so its clients would not be served';
    expect(() => new Story(LISTEN).start(S0).reload(S0, ...listener)).toThrow(message);
    expect(() => new Story(LISTEN).start(S0, ...WEB).reload(S0, ...listener)).toThrow(message);
    expect(new Story(LISTEN).start(S0, ...WEB).reload(S0, ...listener, 'dummy').inForce.farms.size).toBe(1);
    // Nobody is worse off than before.
    const story = new Story(LISTEN).start(S0).penctl('farm slow listen 82').reload(S0, 'debug 1');
    expect(story.inForce.farms.get('slow')?.listen).toHaveLength(1);
  });

  test('keeps the port that the system chose for a farm, and lets what only grows grow farm by farm', () => {
    const story = new Story(LISTEN, 'clients_max 9000');
    story.start(S0, 'farm web', 'listen 127.0.0.1:0', S0, 'clients_max 5000');
    const endpoint: Endpoint = { kind: 4, ip: Uint8Array.of(127, 0, 0, 1), port: 43_210 } as Endpoint;
    const web = farmOf(story.inForce, 'web');
    story.inForce = {
      ...story.inForce,
      farms: new Map([['web', { ...web, listen: [{ text: '127.0.0.1:43210', endpoint }] }]]),
    };
    story.reload(S0, 'farm web', 'listen 127.0.0.1:0', S0, 'clients_max 4000', 'farm new', 'clients_max 100');
    expect(story.inForce.farms.get('web')?.listen[0]?.text).toBe('127.0.0.1:43210');
    expect(story.inForce.farms.get('web')?.settings.clientsMax).toBe(5000);
    expect(story.inForce.farms.get('new')?.settings.clientsMax).toBe(100);
  });
});

describe('a plan', () => {
  const facts = {
    ...idleFacts(1),
    servers: () => (index: number) => ({ ...NO_SERVER_FACTS, connections: index + 3 }),
    connectionCount: () => 8,
  };
  const planOf = (before: Configuration, then: Configuration): readonly string[] =>
    planText({ before, after: then, actions: [], notices: [] }, facts).split('\n');

  test('tells lines that go and come, and connections that go on', () => {
    const story = new Story(LISTEN).start(S0, S1, 'blacklist 5');
    const before = story.inForce;
    expect(
      planOf(before, story.reload(`${S0} max 9`, 'blacklist 6', 'server 2 address 10.0.0.3 port 1').inForce),
    ).toEqual([
      '- server 0 acl 0 address 10.0.0.1 port 80 max 0 hard 0 weight 0 prio 0',
      '- server 1 acl 0 address 10.0.0.2 port 80 max 0 hard 0 weight 0 prio 0',
      '- blacklist 5',
      '+ server 0 acl 0 address 10.0.0.1 port 80 max 9 hard 0 weight 0 prio 0',
      '+ server 2 acl 0 address 10.0.0.3 port 1 max 0 hard 0 weight 0 prio 0',
      '+ blacklist 6',
      'server 0 changes: 3 connections go on to their end',
      'server 1 goes, and gets no new clients: 4 connections go on to their end',
      '7 connections touched, none ended',
      '',
    ]);
  });

  test('tells of a listener that moves, and of entries that change their places', () => {
    const story = new Story(LISTEN).start(S0, 'acl 1 permit 10.0.0.1', 'acl 1 deny 10.0.0.2');
    const before = story.inForce;
    story.reload(S0, 'acl 1 deny 10.0.0.2', 'acl 1 permit 10.0.0.1', 'listen 81');
    expect(planOf(before, story.inForce)).toEqual([
      '- acl 1 permit 10.0.0.1 255.255.255.255',
      '- acl 1 deny 10.0.0.2 255.255.255.255',
      '- listen 127.0.0.1:80',
      '+ acl 1 deny 10.0.0.2 255.255.255.255',
      '+ acl 1 permit 10.0.0.1 255.255.255.255',
      '+ listen 81',
      'the listener moves: all 8 connections go on',
      '8 connections touched, none ended',
      '',
    ]);
  });

  test('tells what becomes of lists whose entries come, go and change their order, the same ones among them', () => {
    const [one, two, all] = ['acl 1 permit 10.0.0.1', 'acl 1 deny 10.0.0.2', 'acl 1 permit unix'];
    const planned = (before: readonly string[], then: readonly string[]): readonly string[] => {
      const story = new Story(LISTEN).start(S0, ...before);
      const old = story.inForce;
      return planOf(old, story.reload(S0, ...then).inForce)
        .slice(0, -2)
        .map((line) => line.replace(' 255.255.255.255', ''));
    };
    expect(planned([one, two], [two, one, all])).toEqual([`- ${one}`, `- ${two}`, `+ ${two}`, `+ ${one}`, `+ ${all}`]);
    expect(planned([all, one, two], [all, two, one])).toEqual([`- ${one}`, `- ${two}`, `+ ${two}`, `+ ${one}`]);
    expect(planned([one, two, all], [one, all])).toEqual([`- ${two}`]);
    expect(planned([one, two, one], [one, two])).toEqual([`- ${one}`]);
    expect(planned([one, two], [one, two, one])).toEqual([`+ ${one}`]);
    expect(planned([one, two], [one, two])).toEqual([]);
  });

  test('tells lines of farms with their names, and whose connections they touch', () => {
    const story = new Story(LISTEN);
    story.start(S0, 'farm web', 'listen 127.0.0.1:81', S0, S1, 'farm old', 'listen 127.0.0.1:82', S0);
    const before = story.inForce;
    story.reload(S0, 'farm web', 'listen 127.0.0.1:81', S0, 'hash', 'farm new', 'listen 127.0.0.1:82', S0, 'stubborn');
    const inFarm = (name: string): Facts => ({ ...facts, connectionCount: () => (name === 'old' ? 2 : 1) });
    const known = { ...facts, farm: inFarm };
    const server = 'server 0 acl 0 address 10.0.0.1 port 80 max 0 hard 0 weight 0 prio 0';
    const planned = planText({ before, after: story.inForce, actions: [], notices: [] }, known).split('\n');
    expect(planned).toEqual([
      '- farm web server 1 acl 0 address 10.0.0.2 port 80 max 0 hard 0 weight 0 prio 0',
      '- farm web no hash',
      '- farm old',
      `- farm old ${server}`,
      '- farm old listen 127.0.0.1:82',
      '+ farm web hash',
      '+ farm new',
      `+ farm new ${server}`,
      '+ farm new stubborn',
      '+ farm new listen 127.0.0.1:82',
      'farm web: server 1 goes, and gets no new clients: 4 connections go on to their end',
      'farm old goes: 2 connections go on to their end',
      '6 connections touched, none ended',
      '',
    ]);
  });

  test('tells whether a listener moves, comes or goes', () => {
    const said = (before: string, then: string): string | undefined => {
      const story = new Story(LISTEN).start(S0, 'farm web', S1, before);
      const old = story.inForce;
      return planOf(old, story.reload(S0, 'farm web', S1, then).inForce).find((line) => line.includes('the listener'));
    };
    expect(said('listen 81', 'listen 82')).toBe('farm web: the listener moves: all 0 connections go on');
    expect(said('listen 81', 'hash')).toBe('farm web: the listener goes: all 0 connections go on');
    expect(said('hash', 'listen 81')).toBe('farm web: the listener comes: all 0 connections go on');
  });

  test('counts of the unnamed farm what is its own', () => {
    const story = new Story(LISTEN).start(S0, 'farm web', 'listen 127.0.0.1:81', S0, 'farm mail');
    const before = story.inForce;
    story.reload(S0, 'farm web', 'listen 127.0.0.1:81', S0, 'farm mail', 'hash').penctl('listen 83');
    const known = { ...facts, farm: (): Facts => ({ ...facts, connectionCount: () => 1 }) };
    const planned = planText({ before, after: story.inForce, actions: [], notices: [] }, known).split('\n');
    expect(planned.slice(-3, -1)).toEqual([
      'the listener moves: all 8 connections go on',
      '8 connections touched, none ended',
    ]);
  });

  test('counts those of the emergency and abuse servers', () => {
    const story = new Story(LISTEN).start(S0, 'emergency 10.0.0.9:80', 'abuse 10.0.0.8:80');
    const before = story.inForce;
    story.reload(S0, 'emergency 10.0.0.9:81');
    expect(planOf(before, story.inForce).slice(-4)).toEqual([
      'the emergency server changes: 2 connections go on to their end',
      'the abuse server goes, and gets no new clients: 1 connections go on to their end',
      '3 connections touched, none ended',
      '',
    ]);
  });

  test('says so when there is nothing to do, and no more than a person reads', () => {
    const story = new Story(LISTEN).start(S0);
    const before = story.inForce;
    expect(planOf(before, before)).toEqual(['nothing would change', '']);
    story.reload(S0, ...Array.from({ length: 500 }, (_, i) => `acl 1 permit 10.0.1.${i >> 1}/${31 + (i & 1)}`));
    expect(planOf(before, story.inForce)).toContain('and 300 more lines');
  });
});
