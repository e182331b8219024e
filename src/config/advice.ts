/** What is no mistake, and yet not what somebody can have meant. */
import { KIND_UNIX } from '../base/endpoint.ts';
import { farmNames, farmOf, listenerCount, UNNAMED, type Farm } from './farms.ts';
import { isServed, limitsOf, type Configuration } from './model.ts';

/** @returns a line for each such thing. */
export function adviceOn(state: Configuration): string[] {
  const ofFarms = farmNames(state).flatMap((name) => {
    const farm = farmOf(state, name);
    const lines = [
      ...(state.farms.size > 0 ? adviceOnListener(name, farm) : []),
      ...adviceOnWeights(farm),
      ...adviceOnPorts(farm),
    ];
    return name === UNNAMED ? lines : lines.map((line) => `farm ${name}: ${line}`);
  });
  return [...adviceOnPlaces(state), ...ofFarms];
}

/** A listener waits for its next client with a place in hand, in each worker. */
function adviceOnPlaces(state: Configuration): string[] {
  const listeners = listenerCount(state);
  const held = listeners * state.settings.workers;
  const { connMax } = limitsOf(state.settings);
  if (listeners < 2 || held * 4 <= connMax) return [];
  const count = `${listeners} listeners keep ${held} of ${connMax} places for who comes next`;
  return [`conn_max: ${count}; say more, as in conn_max ${connMax + held * 4}`];
}

/** A farm alone would not start without a listener. */
function adviceOnListener(name: string, { listen, servers }: Farm): string[] {
  if (listen.length > 0 || !isServed({ servers })) return [];
  const right = name === UNNAMED ? 'listen 8080' : `farm ${name} listen 8080`;
  return [`listen: nobody has said where, so no client comes to its servers; say it, as in ${right}`];
}

function adviceOnWeights({ servers, settings: { weight, prio } }: Farm): string[] {
  if (!weight || prio || servers.some((server) => server !== undefined && server.weight > 0)) return [];
  return ['weight: no server has one, so none is chosen; give them weights, as in www1:80:0:0:3'];
}

/** Who comes by a path has no port to go on with. */
function adviceOnPorts({ listen, servers, emergency, abuse }: Farm): string[] {
  const path = listen.find(({ endpoint }) => endpoint.kind === KIND_UNIX);
  if (!path) return [];
  const index = servers.findIndex((server) => server?.hasListenerPort === true);
  const named = [
    ...(index < 0 ? [] : [`server ${index}`]),
    ...(emergency?.hasListenerPort === true ? ['emergency'] : []),
    ...(abuse?.hasListenerPort === true ? ['abuse'] : []),
  ];
  const why = `has the port of the listener, and clients that come by ${path.text} bring none`;
  return named.map((name) => `${name}: ${why}; it is passed over for them`);
}
