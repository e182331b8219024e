import { describe, expect, test } from 'vitest';
import { KIND_IPV4 } from '../base/endpoint.ts';
import { ConfigError, DEFAULT_SETTINGS, type Configuration } from '../config/model.ts';
import type { Host } from '../loop/host.ts';
import { Balancer, DESCRIPTOR_RESERVE } from './balancer.ts';

const LISTEN = { kind: KIND_IPV4, ip: Uint8Array.of(127, 0, 0, 1), port: 0 } as const;
const NO_WORKER = new URL('file:///nowhere/worker.js');

class Reached extends Error {}

/** A host whose descriptor limit cannot be raised beyond `limit`, and on which nothing can be opened. */
function hostWith(limit: number): Host {
  return {
    raiseDescriptorLimit: (wanted: number) => Math.min(wanted, limit),
    listen: () => {
      throw new Reached();
    },
  } as unknown as Host;
}

function configuration(connMax: number): Configuration {
  return { listen: LISTEN, servers: [], emergency: undefined, settings: { ...DEFAULT_SETTINGS, connMax } };
}

async function start(limit: number, connMax: number, isGiven: boolean): Promise<unknown> {
  return Balancer.start(hostWith(limit), configuration(connMax), isGiven, NO_WORKER).catch((error: unknown) => error);
}

describe('descriptors', () => {
  test('a number of connections that somebody asked for is refused when the machine does not allow it', async () => {
    const error = await start(1024, 1000, true);
    expect(error).toBeInstanceOf(ConfigError);
    expect(String(error)).toContain('conn_max: 1000 connections need 2048 descriptors, but the limit is 1024');
    expect(String(error)).toContain('ulimit -n 2048');
    expect(String(error)).toContain('at most 488 connections (-x)');
  });

  test('the default shrinks instead', async () => {
    expect(await start(1024, 1000, false)).toBeInstanceOf(Reached);
  });

  test('enough is enough', async () => {
    expect(await start(2000 + DESCRIPTOR_RESERVE, 1000, true)).toBeInstanceOf(Reached);
  });

  test('a machine without room for a single connection is refused in any case', async () => {
    const error = await start(DESCRIPTOR_RESERVE + 1, 500, false);
    expect(error).toBeInstanceOf(ConfigError);
    expect(String(error)).toContain('at most 0 connections');
  });
});

test('a listener that cannot be had is a mistake of the person who started us, with what would help', async () => {
  const error = { message: 'cannot listen on 127.0.0.1:80 (EADDRINUSE)', help: 'stop the other program' };
  const host = { ...hostWith(5000), listen: () => ({ fd: -1, error }) } as unknown as Host;
  await expect(Balancer.start(host, configuration(10), false, NO_WORKER)).rejects.toThrow(
    'listen address: cannot listen on 127.0.0.1:80 (EADDRINUSE); stop the other program',
  );
});
