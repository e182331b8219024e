/** When the control socket stays closed, and when its opening deserves a warning. */
import { KIND_IPV4, KIND_UNIX, type Endpoint } from '../base/endpoint.ts';
import { aclOf, type Configuration } from '../config/model.ts';

/**
 * Why the control socket is not opened: as root, whoever reaches it could do much, so somebody has to want that.
 *
 * @param uid the user we run as; undefined where there are none.
 * @param user whom we were told to run as (-u).
 * @returns undefined when it may be opened.
 */
export function refusalFor(uid: number | undefined, user: string | undefined): string | undefined {
  if (uid !== 0 || user !== undefined) return undefined;
  return "Won't open control port running as root; run Pen as another user, or say -u root if you mean it";
}

/** A warning when anybody on the network may give commands; undefined when not. */
export function warningFor(configuration: Configuration): string | undefined {
  const { control, settings } = configuration;
  if (!control || isLocal(control.endpoint) || aclOf(configuration, settings.controlAcl).length > 0) return undefined;
  return `anybody who reaches the control port ${control.text} may give commands; set control_acl, or use a unix socket`;
}

function isLocal(endpoint: Endpoint): boolean {
  if (endpoint.kind === KIND_UNIX) return true;
  if (endpoint.kind === KIND_IPV4) return endpoint.ip[0] === 127;
  return endpoint.ip.every((byte, index) => byte === (index === 15 ? 1 : 0));
}
