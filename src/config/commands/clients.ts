/** Commands about clients: who is remembered, who may come, how much one source may have. */
import { type Call, type Command, type Facts, type Outcome, type Pieces } from '../command.ts';
import { parseAclEntry, aclEntryText } from '../access-list.ts';
import { ACL_LISTS, CLIENTS_LIMIT, CONNECTIONS_LIMIT, limitsOf, type AclEntry } from '../model.ts';
import { parseWhole } from '../numbers.ts';
import { oneOf, question, SECONDS_MAX, setting, whole, wholeOr } from './kinds.ts';

const subject = 'clients';
const LAST_LIST = ACL_LISTS - 1;
const list = whole('N', 0, LAST_LIST);
const RECENT_S = 300;

const acl: Command = {
  name: 'acl',
  subject,
  help: 'Add an entry to access list N; no: empty the list',
  parameters: [
    { ...list.parameter, isOptional: false },
    { ...oneOf('permit', 'deny').parameter, isOptional: false },
    { label: 'ADDRESS', isOptional: false, words: [], help: 'an IPv4 address, or an IPv6 address with /LENGTH' },
    { label: 'MASK', isOptional: true, words: [], help: 'of an IPv4 address, as in 255.255.255.0' },
  ],
  no: [{ ...list.parameter, isOptional: false }],
  run: (call) => {
    const [number = ''] = call.words;
    const index = parseWhole(number, call.where, 0, LAST_LIST);
    if (call.isNo) return withList(call, index, []);
    const entry = parseAclEntry(call.words.slice(1), call.where);
    return withList(call, index, [...(call.state.acls[index] ?? []), entry]);
  },
  write: ({ acls }) =>
    acls.flatMap((entries, index) => [
      `no acl ${index}`,
      ...entries.map((entry) => `acl ${index} ${aclEntryText(entry)}`),
    ]),
};

function withList(call: Call, index: number, entries: readonly AclEntry[]): Outcome {
  const acls = call.state.acls.with(index, entries);
  return { state: { ...call.state, acls }, reply: '', actions: [] };
}

function* clientLines(facts: Facts, seconds: number): Pieces {
  for (const page of facts.clients(seconds)) {
    const lines = page.map(
      ({ address, connects, sent, received }) => `${address} connects ${connects} sx ${sent} rx ${received}\n`,
    );
    yield lines.join('');
  }
}

export const CLIENT_COMMANDS: readonly Command[] = [
  setting({
    name: 'tracking',
    subject,
    help: 'Seconds for which clients keep their server; 0 for ever',
    key: 'tracking',
    type: whole('SECONDS', 0, SECONDS_MAX),
  }),
  setting({
    name: 'clients_max',
    subject,
    help: 'Clients remembered at most (2048); only grows',
    key: 'clientsMax',
    type: whole('N', 0, CLIENTS_LIMIT),
    combine: Math.max,
    reply: (settings) => String(limitsOf(settings).clientsMax),
  }),
  {
    ...setting({
      name: 'client_prefix',
      subject,
      help: 'Bits of IPv6 that tell one client from another (128)',
      key: 'clientPrefix',
      type: {
        ...oneOf('128', '64'),
        parse: (word, where) => (oneOf('128', '64').parse(word, where) === '64' ? 64 : 128),
      },
    }),
  },
  question(
    { name: 'recent', subject, help: `Tell who came within the last seconds (${RECENT_S})` },
    ({ facts }, [word], where) => {
      const seconds = word === undefined ? RECENT_S : parseWhole(word, where, 0, SECONDS_MAX);
      return clientLines(facts, seconds);
    },
    whole('SECONDS', 0, SECONDS_MAX).parameter,
  ),
  acl,
  setting({
    name: 'client_acl',
    subject,
    help: 'Access list that clients must pass (0)',
    key: 'clientAcl',
    type: list,
  }),
  setting({
    name: 'control_acl',
    subject,
    help: 'Access list for this control port (0)',
    key: 'controlAcl',
    type: list,
  }),
  setting({
    name: 'source_max',
    subject,
    help: 'Connections of one address at once, 0 for no bound',
    key: 'sourceMax',
    type: wholeOr('auto', 'N', 0, CONNECTIONS_LIMIT, '7/8 of a conn_max of 64 or more'),
  }),
  setting({
    name: 'parked_max',
    subject,
    help: 'Connections beyond source_max that may wait',
    key: 'parkedMax',
    type: wholeOr('auto', 'N', 0, CONNECTIONS_LIMIT, 'as many as conn_max'),
  }),
  setting({
    name: 'trusted_acl',
    subject,
    help: 'Access list of addresses that source_max does not bind',
    key: 'trustedAcl',
    type: wholeOr('none', 'N', 0, LAST_LIST, 'it binds all'),
  }),
];
