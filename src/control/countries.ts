/** Countries of addresses, where access lists ask for them. */
import type { Countries } from '../base/countries.ts';
import { ConfigError, type AclEntry, type AclId, type Configuration } from '../config/model.ts';
import { settingPart } from '../config/parts.ts';

/**
 * Reads the file that tells countries.
 *
 * @param path empty: from where it is customary.
 * @param before what was read last, to be returned when the file is the same.
 * @errors Error that says what is wrong with which file.
 */
export type ReadCountries = (path: string, before?: Countries) => Countries;

/**
 * What a configuration needs to know of countries: something when it names a file, or a list asks for a country.
 *
 * @param before what another configuration needed. Its file is not looked at again without `tell`.
 * @param tell files are looked at again: told of one that cannot be read and that nothing needs, which is no mistake.
 * @errors ConfigError.
 */
export function countriesFor(
  configuration: Configuration,
  read: ReadCountries,
  before?: { readonly configuration: Configuration; readonly countries: Countries | undefined },
  tell?: (notice: string) => void,
): Countries | undefined {
  const { geoip } = configuration.settings;
  const isSame = before?.configuration.settings.geoip === geoip;
  if (isSame && before.countries && !tell) return before.countries;
  const knowsNone = before && !before.countries;
  const asking = asksForCountry(configuration, knowsNone ? before.configuration : undefined);
  const isNeeded = asking !== undefined;
  // One that could not be read, and that nobody has needed since, is in nobody's way.
  const isNamed = geoip !== '' && !(isSame && !tell);
  if (!isNeeded && !isNamed) return undefined;
  try {
    return read(geoip, before?.countries);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    if (geoip !== '' && (!tell || isNeeded)) throw new ConfigError('geoip', reason, settingPart('geoip'));
    if (isNeeded) throw new ConfigError('acl', reason, { of: 'acl', id: asking });
    tell?.(`geoip: ${reason}; no list asks for a country, so nothing needs it`);
    return isSame ? before.countries : undefined;
  }
}

/**
 * @param before a configuration in which nobody did: lists that are the same in it need no look.
 * @returns a list that asks for a country, if one does.
 */
function asksForCountry({ acls, namedAcls }: Configuration, before: Configuration | undefined): AclId | undefined {
  const isCountry = (entry: AclEntry): boolean => entry.kind === 'country';
  const asks = (entries: readonly AclEntry[], known: readonly AclEntry[] | undefined): boolean =>
    entries !== known && entries.some(isCountry);
  const number = acls.findIndex((entries, index) => asks(entries, before?.acls[index]));
  if (number >= 0) return number;
  return [...namedAcls].find(([name, entries]) => asks(entries, before?.namedAcls.get(name)))?.[0];
}
