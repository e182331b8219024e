/**
 * The package ipaddr.js, by require: an import lets Node scan a CommonJS package for its exports before it runs it, which
 * takes four times as long as all the rest (10 ms instead of 2.5).
 */
import { createRequire } from 'node:module';
import type Ipaddr from 'ipaddr.js';

export const ipaddr = createRequire(import.meta.url)('ipaddr.js') as typeof Ipaddr;
