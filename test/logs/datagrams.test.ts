/** Datagrams of a log, while there is no way to where they go. */
import { execFileSync } from 'node:child_process';
import { expect, onTestFinished, test } from 'vitest';
import { ENDPOINT_SIZE, KIND_IPV4, writeEndpoint } from '../../src/base/endpoint.ts';
import { openHost } from '../../src/linux/open-host.ts';
import { Namespace } from '../support/namespace.ts';
import { needs } from '../support/skip.ts';

needs({ linux: true, root: true, netns: true, packages: ['iproute2'] }, 'a network of its own', () => {
  test('a log may begin before there is a way to where it goes; until then its lines count as lost', () => {
    const namespace = new Namespace();
    onTestFinished(() => namespace.remove());
    const record = new Uint8Array(ENDPOINT_SIZE);
    writeEndpoint({ kind: KIND_IPV4, ip: Uint8Array.of(10, 9, 9, 9), port: 5000 }, record, 0);
    const sender = namespace.inside(() => openHost().openDatagrams?.(record, 100));
    if (typeof sender !== 'object') throw new Error(`there is no sender: ${sender}`);
    onTestFinished(() => sender.close());
    const lines = Buffer.from('one\ntwo\n');
    const send = (): number => sender.send(lines, Uint32Array.of(4, 8));
    const address = (verb: 'add' | 'del', ip: string): void =>
      void execFileSync('ip', ['-n', namespace.name, 'address', verb, ip, 'dev', 'lo']);
    expect(send()).toBe(2);
    address('add', '10.9.9.1/24');
    expect(send()).toBe(0);
    address('del', '10.9.9.1/24');
    expect(send()).toBe(2);
    address('add', '10.9.9.2/24');
    expect(send()).toBe(0);
  });
});
