/** Commands about clients: who is remembered, who may come, how much one source may have. */
import { field, tellList, tellRow, type Told } from '../answer.ts';
import { answer, appended, type Command } from '../command.ts';
import { CLIENT_FIELDS, clientPages, type ClientRow } from '../rows.ts';
import { aclEntryText, checkRoom, parseAclEntry, parseAclId } from '../access-list.ts';
import {
  aclOf,
  ConfigError,
  CLIENTS_LIMIT,
  CONNECTIONS_LIMIT,
  grown,
  limitsOf,
  withAcl,
  type AclEntry,
  type AclId,
} from '../model.ts';
import { parseWhole } from '../numbers.ts';
import { settingPart } from '../parts.ts';
import { quoted } from '../words.ts';
import { changed, oneOf, pathSaid, question, SECONDS_MAX, setting, whole, wholeOr, type WordType } from './kinds.ts';

const subject = 'clients';
const list: WordType<AclId> = {
  parameter: { label: 'LIST', isOptional: true, words: [], help: 'a number from 0 to 9, or a name' },
  parse: parseAclId,
};
const RECENT_S = 300;

const acl: Command = {
  name: 'acl',
  subject,
  help: 'Add an entry to an access list; no: empty the list',
  parameters: [
    { ...list.parameter, isOptional: false },
    { ...oneOf('permit', 'deny').parameter, isOptional: false },
    {
      label: 'ADDRESS',
      isOptional: false,
      words: ['country', 'unix'],
      help: 'an IPv4 or IPv6 address, with /LENGTH for a network; country; or unix: who comes by a unix socket',
    },
    {
      label: 'MASK',
      isOptional: true,
      words: [],
      help: 'of an IPv4 address, as in 255.255.255.0; after country its two letters, as in SE',
    },
  ],
  no: [{ ...list.parameter, isOptional: false }],
  run: (call) => {
    const [word = ''] = call.words;
    const id = parseAclId(word, call.where);
    const entries = aclOf(call.state, id);
    if (!call.isNo) {
      const entry = parseAclEntry(call.words.slice(1), call.where);
      checkRoom(call.state, id, call.where);
      return { state: withAcl(call.state, id, appended(call, entries, entry)), reply: '', actions: [] };
    }
    return entries.length === 0 ? answer(call, '') : { state: withAcl(call.state, id, []), reply: '', actions: [] };
  },
  sets: ([word]) => [{ of: 'acl', id: parseAclId(word ?? '', 'acl') }],
  write: ({ acls, namedAcls }) =>
    [...acls.entries(), ...namedAcls].flatMap(([id, entries]: readonly [AclId, readonly AclEntry[]]) => [
      `no acl ${id}`,
      ...entries.map((entry) => `acl ${id} ${aclEntryText(entry)}`),
    ]),
};

const geoip: Command = {
  name: 'geoip',
  subject,
  help: 'Take countries from this MaxMind file; no: the usual one',
  parameters: [{ label: 'FILE', isOptional: true, words: [], help: 'such as /var/lib/GeoIP/GeoLite2-Country.mmdb' }],
  no: [],
  run: (call) => {
    const [file] = call.words;
    if (call.isNo) return changed(call, 'geoip', '');
    if (file === '') throw new ConfigError(call.where, 'needs a path, not an empty word');
    if (file !== undefined) return changed(call, 'geoip', pathSaid(call, 'geoip', file));
    const { geoip: inForce } = call.state.settings;
    return answer(call, tellRow({ geoip: inForce }, inForce === '' ? '' : `${inForce}\n`));
  },
  told: { fields: { geoip: field('the path; empty for the usual one') }, lists: {} },
  sets: () => [settingPart('geoip')],
  write: ({ settings }) => [settings.geoip === '' ? 'no geoip' : `geoip ${quoted(settings.geoip)}`],
};

const TOLD: Told = { fields: {}, lists: { clients: CLIENT_FIELDS } };

function recentLine({ address, connects, sent, received }: ClientRow): string {
  return `${address} connects ${connects} sx ${sent} rx ${received}\n`;
}

function clientLine({ client, address, age, server, connects, sent, received }: ClientRow): string {
  return `${client} addr ${address} age ${age} server ${server} connects ${connects} sx ${sent} rx ${received}\n`;
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
    combine: (before, said, facts) => grown(before, said, facts.limits()?.clientsMax ?? 0),
    value: (settings) => limitsOf(settings).clientsMax,
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
  question({
    name: 'clients',
    subject,
    help: 'Tell about all clients that are remembered',
    told: TOLD,
    reply: (view) => tellList('clients', () => clientPages(view), clientLine),
  }),
  question({
    name: 'recent',
    subject,
    help: `Tell who came within the last seconds (${RECENT_S})`,
    told: TOLD,
    reply: (view, [word], where) => {
      const seconds = word === undefined ? RECENT_S : parseWhole(word, where, 0, SECONDS_MAX);
      return tellList('clients', () => clientPages(view, seconds), recentLine);
    },
    parameters: [whole('SECONDS', 0, SECONDS_MAX).parameter],
  }),
  acl,
  geoip,
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
    type: {
      parameter: {
        ...list.parameter,
        label: 'LIST|none',
        words: ['none'],
        help: `${list.parameter.help}, or none: it binds all`,
      },
      parse: (word, where) => (word === 'none' ? word : parseAclId(word, where)),
    },
  }),
];
