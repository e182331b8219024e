/** Whose datagrams are taken. */
import { BlockList, isIP } from 'node:net';
import { plainAddress } from './address-text.ts';

/** Addresses and networks; without any, everybody. */
export class Senders {
  private readonly list = new BlockList();
  private isOpen = true;

  /** @param text an address, or a network as `192.0.2.0/24`. @returns false for what is neither. */
  add(text: string): boolean {
    const [, address = '', length] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
    const plain = plainAddress(address);
    if (plain === undefined) return false;
    const bits = isIP(plain) === 4 ? 32 : 128;
    const prefix = length === undefined ? bits : Number(length);
    if (prefix > bits) return false;
    this.list.addSubnet(plain, prefix, bits === 32 ? 'ipv4' : 'ipv6');
    this.isOpen = false;
    return true;
  }

  /** @param address in its plain form. */
  isKnown(address: string): boolean {
    return this.isOpen || this.list.check(address, isIP(address) === 4 ? 'ipv4' : 'ipv6');
  }
}
