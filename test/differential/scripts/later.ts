/** Commands whose capability a later version of Pen has: what Debian's pen does, to be kept in sight. */
import { fate, request, say, unlike, type Script } from '../script.ts';

const later = (word: string): ReturnType<typeof unlike> => unlike('later', `${word}: not in this version yet\n`);

/** All of a page but how it begins. */
const PAGE = /(?<=^<[^>]+>)[^]*<\/html>\n?$/;

export const LATER: readonly Script[] = [
  {
    id: 'L-http',
    says: 'header insertion',
    shares: true,
    steps: [say('http', '', later('http')), say('no http', '')],
  },
  {
    id: 'L-log',
    says: 'a log of requests',
    steps: [
      say('log', ''),
      say('log {dir}/requests', '{dir}/requests\n'),
      say('log', '{dir}/requests\n'),
      request('c1', '1'),
      say('no log', ''),
      say('log', ''),
    ],
  },
  {
    id: 'L-log-bad',
    says: 'a log that cannot be opened',
    steps: [say('log {dir}/no/such', ''), fate('exit 1', unlike('crashes', 'alive'))],
  },
  {
    id: 'L-web-stats',
    says: 'statistics as a page',
    steps: [
      say('web_stats', ''),
      say('status', 'Unable to create webstats\n', unlike('status', '<!DOCTYPE html>#'), PAGE),
      say('web_stats {dir}/page.html', '{dir}/page.html\n'),
      say('web_stats', '{dir}/page.html\n'),
      say('status', '<html>#', unlike('page', '<!DOCTYPE html>#'), PAGE),
      say('no web_stats', ''),
      say('web_stats', ''),
      say('web_stats {dir}/no/page.html', '{dir}/no/page.html\n'),
      say('status', 'Unable to create webstats\n', unlike('status', '<!DOCTYPE html>#'), PAGE),
    ],
  },
  {
    id: 'L-source',
    says: 'the address that servers see',
    steps: [
      say('source 127.0.0.9', ''),
      request('c1', '1'),
      say('source nosuch.invalid', "unable to set source address to 'nosuch.invalid'"),
      say('no source', ''),
      request('c1', '1'),
    ],
  },
  {
    id: 'L-source-word',
    says: 'source without an address',
    steps: [
      say('source', '', unlike('crashes', "unable to set source address to ''")),
      fate('SIGSEGV', unlike('crashes', 'alive')),
    ],
  },
  {
    id: 'L-ocsp-word',
    says: 'ssl_ocsp_response without a file',
    steps: [say('ssl_ocsp_response', '', later('ssl_ocsp_response')), fate('SIGSEGV', unlike('crashes', 'alive'))],
  },
  {
    id: 'L-renegotiation-word',
    says: 'ssl_client_renegotiation_interval without a number',
    steps: [
      say('ssl_client_renegotiation_interval', '', later('ssl_client_renegotiation_interval')),
      fate('SIGSEGV', unlike('crashes', 'alive')),
    ],
  },
  {
    id: 'L-idlers',
    says: 'connections kept in reserve',
    steps: [
      say('idlers', 'Idlers: 0/0\n'),
      // Told to have any, the original crashes soon, mostly; what ours does then is shown in test/tcp.
      say('idlers 0', 'Idlers: 0/0\n'),
    ],
  },
  {
    id: 'L-tarpit',
    says: 'tarpit_acl',
    shares: true,
    steps: [
      say('tarpit_acl', 'tarpit_acl = -1', later('tarpit_acl')),
      say('tarpit_acl 3', 'tarpit_acl = 3', later('tarpit_acl')),
      say('tarpit_acl 10', 'tarpit_acl = 0', later('tarpit_acl')),
    ],
  },
  {
    id: 'L-silent',
    says: 'words of later versions without an answer',
    steps: [
      say('transparent', '', later('transparent')),
      say('no transparent', ''),
      say('dummy', ''),
      say('no dummy', ''),
      say('peek', ''),
      say('no peek', ''),
      say('dsr_ip 127.0.0.9', '', later('dsr_ip')),
      say('ssl_ciphers', '', later('ssl_ciphers')),
      say('ssl_sni_path {dir}', '', later('ssl_sni_path')),
      say('ssl_option no_sslv3', '', later('ssl_option')),
      request('c1', '1', undefined),
    ],
  },
  {
    id: 'L-big',
    says: 'a server number beyond all bounds',
    steps: [
      say(
        'server 2000000000 port 1',
        '',
        unlike('crashes', "server: '2000000000' is not a whole number from 0 to 65531\n"),
      ),
      fate('exit 1', unlike('crashes', 'alive')),
    ],
  },
];
