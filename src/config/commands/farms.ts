/** Commands about farms with names: which there are, one more, one less. What one of them does is said behind its name. */
import { field, tellList, type Fields } from '../answer.ts';
import { answer, factsOf, type Call, type Command, type Outcome, type Parameter, type View } from '../command.ts';
import { checkFarmRoom, EMPTY_FARM, farmNames, farmOf, noSuchFarm, parseFarm } from '../farms.ts';
import { ConfigError, isUsed, textOfListen, type Configuration } from '../model.ts';
import { clientPages } from '../rows.ts';
import { quoted } from '../words.ts';
import { question } from './kinds.ts';
import { FARM_WORDS } from './scope.ts';

const subject = 'farms';
const NAME: Parameter = {
  label: 'NAME',
  isOptional: false,
  words: [],
  help: 'letters, digits, _, . and -, at most 63 of them, a letter or digit first',
};

/** `farm NAME COMMAND...` is read as that command; what comes here are lines without one. */
const farm: Command = {
  name: 'farm',
  subject,
  help: 'Do a command for a farm with a name; no: end the farm',
  parameters: [
    NAME,
    {
      label: 'COMMAND',
      isOptional: true,
      isRepeated: true,
      words: [...FARM_WORDS, 'no'],
      help: `a command about one farm, with its words: ${FARM_WORDS.join(', ')}; or no and such a command`,
    },
  ],
  no: [NAME],
  sets: ([name]) => (name === undefined ? [] : [{ of: 'farms', farm: name }]),
  run: (call) => {
    const [word] = call.words;
    if (word === undefined) throw new ConfigError(call.where, 'write the name of a farm after it, as in farm web');
    const name = parseFarm(word, call.where);
    return call.isNo ? without(call, name) : having(call, name);
  },
};

function having(call: Call, name: string): Outcome {
  const { state, where } = call;
  if (state.farms.has(name)) return answer(call, '');
  checkFarmRoom(state, where);
  return withFarms(state, new Map(state.farms).set(name, EMPTY_FARM));
}

function without({ state, where }: Call, name: string): Outcome {
  const farms = new Map(state.farms);
  if (!farms.delete(name)) throw new ConfigError(where, noSuchFarm(name));
  return withFarms(state, farms);
}

function withFarms(state: Configuration, farms: Configuration['farms']): Outcome {
  return { state: { ...state, farms }, reply: '', actions: [] };
}

type FarmRow = {
  readonly name: string;
  readonly listen: string;
  readonly servers: number;
  readonly connections: number;
  readonly clients: number;
};

export const FARM_FIELDS: Fields<FarmRow> = {
  name: field('its name; empty for the farm that has none'),
  listen: field('where its clients come to, with blanks between several; empty: nowhere'),
  servers: field('servers that clients can be sent to'),
  connections: field('connections in use now'),
  clients: field('clients that are remembered'),
};

/** A page for each farm, because counting takes as long as there are clients. */
export function* farmPages({ state, facts }: View): Generator<readonly FarmRow[]> {
  for (const name of farmNames(state)) {
    const { listen, servers } = farmOf(state, name);
    const view = { state, facts: factsOf(facts, name) };
    let clients = 0;
    for (const page of clientPages(view)) clients += page.length;
    const row: FarmRow = {
      name,
      listen: textOfListen(listen),
      servers: servers.filter((server) => server !== undefined && isUsed(server)).length,
      connections: view.facts.connectionCount(),
      clients,
    };
    yield [row];
  }
}

function farmLine({ name, listen, servers, connections, clients }: FarmRow): string {
  const counts = `servers ${servers} connections ${connections} clients ${clients}`;
  return `${quoted(name)} ${counts}${listen === '' ? '' : ` listen ${listen}`}\n`;
}

export const FARM_COMMANDS: readonly Command[] = [
  farm,
  question({
    name: 'farms',
    subject,
    help: 'Tell which farms there are',
    told: { fields: {}, lists: { farms: FARM_FIELDS } },
    reply: (view) => tellList('farms', () => farmPages(view), farmLine),
  }),
];
