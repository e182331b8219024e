import { expect, test } from 'vitest';
import { KIND_UNIX } from '../base/endpoint.ts';
import { literalEndpoint } from './address.ts';
import { adviceOn } from './advice.ts';
import { farmOf, UNNAMED } from './farms.ts';
import { EMPTY_FARM } from './farms.ts';
import { EMPTY_CONFIGURATION, serverAt, type Configuration } from './model.ts';

function configuration(weights: readonly number[], settings: { weight: boolean; prio?: boolean }): Configuration {
  const endpoint = literalEndpoint('127.0.0.1', 80, 'test')!;
  const servers = weights.map((weight) => serverAt(endpoint, { weight }));
  return { ...EMPTY_CONFIGURATION, servers, settings: { ...EMPTY_CONFIGURATION.settings, ...settings } };
}

test('choice by weight where nobody has one is worth a word', () => {
  expect(adviceOn(configuration([0, 0], { weight: true }))).toEqual([
    'weight: no server has one, so none is chosen; give them weights, as in www1:80:0:0:3',
  ]);
});

test('servers of a farm whose clients come nowhere are worth a word, and each farm is told by its name', () => {
  const alone = configuration([1], { weight: false });
  const web = farmOf(configuration([0], { weight: true }), UNNAMED);
  expect(adviceOn({ ...alone, farms: new Map([['web', web]]) })).toEqual([
    'listen: nobody has said where, so no client comes to its servers; say it, as in listen 8080',
    'farm web: listen: nobody has said where, so no client comes to its servers; say it, as in farm web listen 8080',
    'farm web: weight: no server has one, so none is chosen; give them weights, as in www1:80:0:0:3',
  ]);
  expect(adviceOn({ ...EMPTY_CONFIGURATION, farms: new Map([['web', farmOf(EMPTY_CONFIGURATION, UNNAMED)]]) })).toEqual(
    [],
  );
  expect(adviceOn(alone)).toEqual([]);
});

test.each([
  [[0, 1], { weight: true }],
  [[0, 0], { weight: false }],
  [[0, 0], { weight: true, prio: true }],
])('nothing is said of weights %j with %j', (weights, settings) => {
  expect(adviceOn(configuration(weights, settings))).toEqual([]);
});

test('servers at the port of the listener have none for who comes by a path', () => {
  const listen = ['127.0.0.1:80', '/run/x'].map((text) => ({
    text,
    endpoint: text.includes('/')
      ? ({ kind: KIND_UNIX, path: text } as const)
      : literalEndpoint('127.0.0.1', 80, 'test')!,
  }));
  const follower = serverAt(literalEndpoint('127.0.0.2', 0, 'test')!, { hasListenerPort: true });
  const state = { ...EMPTY_CONFIGURATION, listen, servers: [undefined, follower] };
  expect(adviceOn(state)).toEqual([
    'server 1: has the port of the listener, and clients that come by /run/x bring none; it is passed over for them',
  ]);
  const special = { ...state, servers: [], emergency: follower, abuse: follower };
  expect(adviceOn(special)).toEqual(
    ['emergency', 'abuse'].map(
      (name) =>
        `${name}: has the port of the listener, and clients that come by /run/x bring none; it is passed over for them`,
    ),
  );
  expect(adviceOn({ ...state, listen: listen.slice(0, 1) })).toEqual([]);
});

test.each([
  [125, 1, 0],
  [126, 1, 1],
  [32, 4, 1],
  [1, 200, 0],
])('%i listeners of %i workers, where there are 500 places, are worth %i words', (count, workers, lines) => {
  const listen = Array.from({ length: count }, (_, n) => ({
    text: `${n + 1}`,
    endpoint: literalEndpoint('127.0.0.1', n + 1, 'test')!,
  }));
  const state = { ...EMPTY_CONFIGURATION, listen, settings: { ...EMPTY_CONFIGURATION.settings, workers } };
  expect(adviceOn(state).length).toBe(lines);
});

test('places that listeners keep are counted over all farms, and more is proposed', () => {
  const listen = [1, 2].map((n) => ({ text: `${n}`, endpoint: literalEndpoint('127.0.0.1', n, 'test')! }));
  const servers = [serverAt(literalEndpoint('127.0.0.1', 80, 'test')!)];
  const farms = new Map(['a', 'b'].map((name) => [name, { ...EMPTY_FARM, listen, servers }]));
  const settings = { ...EMPTY_CONFIGURATION.settings, connMax: 10 };
  expect(adviceOn({ ...EMPTY_CONFIGURATION, farms, settings })).toEqual([
    'conn_max: 4 listeners keep 4 of 10 places for who comes next; say more, as in conn_max 26',
  ]);
});
