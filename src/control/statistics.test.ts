import { expect, test } from 'vitest';
import { KIND_IPV4 } from '../base/endpoint.ts';
import { idleFacts, type Facts } from '../config/command.ts';
import { EMPTY_CONFIGURATION, serverAt } from '../config/model.ts';
import { statisticsLines } from './statistics.ts';

const server = (port: number) =>
  serverAt({ kind: KIND_IPV4, ip: Uint8Array.of(127, 0, 0, 1), port }, { max: 5, hard: 7 });

test('servers, clients and connections in use have a line each; empty places have none', () => {
  const facts: Facts = {
    ...idleFacts(1),
    servers: () => (index) => ({ inFlight: index, sent: 10 + index, received: 20 + index }),
    clients: () => [[{ address: '10.0.0.1', connects: 3, sent: 6, received: 2 }], []],
    connections: () => [3, 4],
    connection: (number) =>
      number === 4
        ? { state: 2, downFd: 30, upFd: 31, client: 0, server: 1 }
        : { state: 0, downFd: -1, upFd: -1, client: 0, server: 0 },
  };
  expect(statisticsLines({ ...EMPTY_CONFIGURATION, servers: [server(80), undefined, server(81)] }, facts)).toEqual([
    'statistics: 2 servers, 1 clients, 1 connections',
    'server 0: address 127.0.0.1 port 80, 0 connections (5 soft, 7 hard), sent 10, received 20',
    'server 2: address 127.0.0.1 port 81, 2 connections (5 soft, 7 hard), sent 12, received 22',
    'clients: at most 2048',
    'client 10.0.0.1: 3 connects, sent 6, received 2',
    'connections: at most 500',
    'connection 4: state 2, downfd 30, upfd 31, client 0, server 1',
  ]);
});
