/** Words of the original that a later version will obey. They are known, so that nobody takes them for mistakes. */

const WITH_NO = ['abort_on_error', 'dummy', 'http', 'idlers', 'log', 'peek', 'source', 'transparent', 'web_stats'];

export const LATER_WORDS: ReadonlySet<string> = new Set([
  ...WITH_NO,
  ...WITH_NO.map((word) => `no ${word}`),
  'dsr_if',
  'dsr_ip',
  'include',
  'no ssl_sni_path',
  'ssl_ciphers',
  'ssl_client_renegotiation_interval',
  'ssl_ocsp_response',
  'ssl_option',
  'ssl_sni_path',
  'status',
  'tarpit_acl',
  'write',
]);

export const NOT_YET = 'not in this version yet';
