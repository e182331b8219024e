/** Words of the original that a later version will obey. They are known, so that nobody takes them for mistakes. */

const WITH_NO = ['http', 'transparent'];

export const LATER_WORDS: ReadonlySet<string> = new Set([
  ...WITH_NO,
  ...WITH_NO.map((word) => `no ${word}`),
  'dsr_if',
  'dsr_ip',
  'no ssl_sni_path',
  'ssl_ciphers',
  'ssl_client_renegotiation_interval',
  'ssl_ocsp_response',
  'ssl_option',
  'ssl_sni_path',
  'tarpit_acl',
]);

/** Whether they turn off what a later version will have: it is off in this one, and files that the original wrote say so. */
export function isOff(word: string): boolean {
  return word.startsWith('no ');
}

/** Words of the original's manual that the original itself no longer obeys: in a file they are warned about. */
export const OBSOLETE_WORDS: ReadonlySet<string> = new Set(['block', 'delayed_forward']);

export const NOT_YET = 'not in this version yet';
