import { existsSync, readFileSync } from 'node:fs';
import type { NetworkInterfaceInfo } from 'node:os';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { KIND_IPV4, KIND_IPV6, KIND_UNIX } from '../base/endpoint.ts';
import { ConfigError } from '../config/model.ts';
import { resolveAddress } from './resolver.ts';

const lookup = vi.hoisted(() => vi.fn());
const interfaces = vi.hoisted(() => vi.fn());
vi.mock('node:dns/promises', () => ({ lookup }));
vi.mock('node:os', () => ({ networkInterfaces: interfaces }));

beforeEach(() => {
  lookup.mockReset();
  lookup.mockRejectedValue(Object.assign(new Error('no such host'), { code: 'ENOTFOUND' }));
});
afterEach(() => vi.restoreAllMocks());

describe('literal addresses', () => {
  test.each([
    ['127.0.0.1', { kind: KIND_IPV4, ip: Uint8Array.of(127, 0, 0, 1) }],
    ['::1', { kind: KIND_IPV6, ip: Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1) }],
    ['::ffff:1.2.3.4', { kind: KIND_IPV4, ip: Uint8Array.of(1, 2, 3, 4) }],
    ['fe80::1%7', { kind: KIND_IPV6, scope: 7 }],
  ])('%s asks no resolver', async (host, wanted) => {
    expect(await resolveAddress({ host, port: '80' }, 'server', 1)).toMatchObject({ ...wanted, port: 80 });
    expect(lookup).not.toHaveBeenCalled();
  });

  test('nor does a unix path', async () => {
    expect(await resolveAddress({ path: '/run/x' }, 'server', 1)).toEqual({ kind: KIND_UNIX, path: '/run/x' });
    expect(lookup).not.toHaveBeenCalled();
  });
});

describe('zones', () => {
  const linkLocal = { address: 'fe80::1', family: 'IPv6', scopeid: 7 } as NetworkInterfaceInfo;
  const global = { address: '2001:db8::1', family: 'IPv6', scopeid: 0 } as NetworkInterfaceInfo;

  test('with the name of an interface have its number', async () => {
    interfaces.mockReturnValue({ eth0: [global, linkLocal] });
    expect(await resolveAddress({ host: 'fe80::2%eth0', port: '80' }, 'server', 1)).toMatchObject({
      kind: KIND_IPV6,
      ip: Uint8Array.of(0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2),
      scope: 7,
      port: 80,
    });
    expect(lookup).not.toHaveBeenCalled();
  });

  test.each([{}, { eth0: [global] }])(
    'of no interface, or of one without such an address, are a mistake',
    async (found) => {
      interfaces.mockReturnValue(found);
      await expect(resolveAddress({ host: 'fe80::2%eth0', port: '80' }, 'server', 1)).rejects.toThrow(
        "server: there is no interface 'eth0' with an IPv6 address of its link (fe80::...)",
      );
      expect(lookup).not.toHaveBeenCalled();
    },
  );
});

describe('names', () => {
  test('mean the first address, in the order of the system', async () => {
    lookup.mockResolvedValue({ address: '192.0.2.7', family: 4 });
    expect(await resolveAddress({ host: 'www', port: '80' }, 'server', 1)).toEqual({
      kind: KIND_IPV4,
      ip: Uint8Array.of(192, 0, 2, 7),
      port: 80,
    });
    expect(lookup).toHaveBeenCalledExactlyOnceWith('www', { verbatim: true });
  });

  test('may mean an IPv6 address', async () => {
    lookup.mockResolvedValue({ address: '2001:db8::7', family: 6 });
    expect(await resolveAddress({ host: 'www', port: '80' }, 'server', 1)).toMatchObject({ kind: KIND_IPV6 });
  });

  test('that mean nothing are a mistake which names the place, the host and the reason', async () => {
    const wanted = new ConfigError('-e', "host 'nowhere' cannot be resolved (ENOTFOUND)");
    await expect(resolveAddress({ host: 'nowhere', port: '80' }, '-e', 1)).rejects.toThrow(wanted);
  });
});

describe('ports', () => {
  async function port(text: string): Promise<number | undefined> {
    const endpoint = await resolveAddress({ host: '127.0.0.1', port: text }, 'server', 1);
    return 'port' in endpoint ? endpoint.port : undefined;
  }

  test.each([
    ['1', 1],
    ['80', 80],
    ['00080', 80],
    ['65535', 65535],
  ])('%s', async (text, wanted) => {
    expect(await port(text)).toBe(wanted);
  });

  const hasServices = existsSync('/etc/services') && /^http\s+80\/tcp/m.test(readFileSync('/etc/services', 'utf8'));
  test.runIf(hasServices)('a service of the system means its TCP port, also by an alias', async () => {
    expect(await port('http')).toBe(80);
    expect(await port('https')).toBe(443);
    const alias = /^(\S+)\s+(\d+)\/tcp[ \t]+([a-z]\S*)/m.exec(readFileSync('/etc/services', 'utf8'));
    if (alias) expect(await port(alias[3]!)).toBe(Number(alias[2]));
  });

  test.each(['65536', '70000', '000080', '-1', '0x50', '8o', '80 ', '', 'no-such-service', '80/tcp', '#', 'tcp'])(
    "'%s' is a mistake",
    async (text) => {
      await expect(port(text)).rejects.toThrow(
        `server: port '${text}' is neither a number from 1 to 65535 nor a service in /etc/services`,
      );
    },
  );

  test('0 means that the system chooses, for a listener only', async () => {
    const address = { host: '127.0.0.1', port: '0' };
    expect(await resolveAddress(address, 'listen address', 0)).toMatchObject({ port: 0 });
    await expect(resolveAddress(address, 'server', 1)).rejects.toThrow("server: port '0' is neither a number from 1");
  });

  test('are read before the host is looked up', async () => {
    await expect(resolveAddress({ host: 'www', port: 'nonsense' }, 'server', 1)).rejects.toThrow("port 'nonsense'");
    expect(lookup).not.toHaveBeenCalled();
  });
});
