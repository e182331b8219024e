/**
 * Scripts that Pen is not held to yet, because it lacks what they use: the control listener, penctl, or an option.
 * `PEN_PENDING=1 npm test -- test/differential` runs them all the same. The list may only shrink.
 */
const WAITING: Readonly<Record<string, string>> = {
  'choice and failover':
    'E1 E3 E3-held E5 E6 E7 E47 E47b E48 E54 E8 E8-default E9 E10 E11 E12 E13 E13-free E14 E15 E16 E17 E18 E19 E20 E21 E22 E24 E25 E27 E56 E30 E31 E32 E33 E33-stubborn E34 E35 E36 E50 E52 E58 E59 E37 E38 E39 E40 E41 E42 E43 E44 E61 E62 E45 E46 E46-first E63 E51',
  'control commands':
    'X-blacklist X-timeout X-timeout-zero X-tracking X-clients-max X-clients-max-default X-conn-max X-debug X-debug-option X-idle-timeout X-pending-max X-client-acl X-mode X-mode-options X-silent X-unknown X-lines X-facts X-exit X-exit-x X-servers X-servers-held X-server X-server-bad X-server-new X-server-unset X-recent X-connection X-connection-unused X-close X-close-unused X-socket X-acl X-acl-bad X-no-acl X-control-acl X-listen X-listen-busy',
  starting:
    'S-i S-server-forms S-control-bad S-control-taken S-last S-glued S-sizes S-O S-O-limits S-obsolete S-P S-number S-unix S-unix-acl S-unix-file S-int S-usr1 S-usr2 S-pidfile S-pidfile-bad S-background S-background-pid',
  penctl: 'P-replies P-usage P-errors P-long',
  'commands of later versions':
    'L-http L-log L-log-bad L-web-stats L-write L-include L-source L-source-word L-ocsp-word L-renegotiation-word L-idlers L-tarpit L-silent L-big',
};

export const PENDING: ReadonlySet<string> = new Set(Object.values(WAITING).flatMap((ids) => ids.split(' ')));
