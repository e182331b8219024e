/** How the simulated network names an address. */
import { ENDPOINT_KIND, ENDPOINT_PATH, ENDPOINT_PATH_LENGTH, ENDPOINT_PORT, KIND_UNIX } from '../base/endpoint.ts';

/** The network's name of an address: its port, or for a unix path the number it ends in, above all ports. */
export function addressKey(endpoints: Uint8Array, offset: number): number {
  if (endpoints[offset + ENDPOINT_KIND] !== KIND_UNIX) {
    return (endpoints[offset + ENDPOINT_PORT] << 8) | endpoints[offset + ENDPOINT_PORT + 1];
  }
  let number = 0;
  const end = offset + ENDPOINT_PATH + endpoints[offset + ENDPOINT_PATH_LENGTH];
  for (let i = offset + ENDPOINT_PATH; i < end; i++) {
    const digit = endpoints[i] - 48;
    if (digit >= 0 && digit <= 9) number = number * 10 + digit;
  }
  return 0x1_0000 + number;
}
