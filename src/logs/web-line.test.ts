import { expect, test } from 'vitest';
import { TimeReader } from './log-time.ts';
import { asPen, readWebLine, requestOf, spellings, withClient } from './web-line.ts';

const read = (line: string) => readWebLine(line, new TimeReader());
const rewrite = (line: string) => read(line)?.with('1.1.1.1');

test.each([
  [
    '10.0.0.254 - - [09/Jan/2002:00:28:50 +0100] "GET /robots.txt HTTP/1.0" 404 268',
    '1.1.1.1 - - [08/Jan/2002:23:28:50 +0000] "GET /robots.txt HTTP/1.0" 404 268',
  ],
  [
    '::1 - a[b] [09/Jan/2002:00:28:50 +0100] [::1] "GET / HTTP/1.0" 404 268 "-" "x"',
    '1.1.1.1 - a[b] [08/Jan/2002:23:28:50 +0000] [::1] "GET / HTTP/1.0" 404 268 "-" "x"',
  ],
  [
    '::1 - x [01/Jan/1970:00:00:00 +0000] [09/Jan/2002:00:28:50 +0100] "GET / HTTP/1.0" 4',
    '1.1.1.1 - x [01/Jan/1970:00:00:00 +0000] [08/Jan/2002:23:28:50 +0000] "GET / HTTP/1.0" 4',
  ],
  [
    '::1 - x\\" [09/Jan/2002:00:28:50 +0100] "GET /\\"a\\\\" 4',
    '1.1.1.1 - x\\" [08/Jan/2002:23:28:50 +0000] "GET /\\"a\\\\" 4',
  ],
])('%s gets another client and UTC', (line, expected) => expect(rewrite(line)).toBe(expected));

test.each([
  '',
  'nothing',
  '1.1.1.1 - - [09/Jan/2002:00:28:50 +0100] no quotes',
  '1.1.1.1 - - [09/Jan/2002:00:28:50 +0100] "" 404 268',
  '1.1.1.1 - - [09/Jan/2002:00:28:50 +0100] "GET /"',
  '1.1.1.1 - - [09/Jan/2002:00:28:50 +0100] "GET / 404',
  '1.1.1.1 - - 09/Jan/2002:00:28:50 +0100 "GET /" 404',
  '1.1.1.1 - - [yesterday] "GET /" 404',
  '"GET / HTTP/1.0" [09/Jan/2002:00:28:50 +0100] 404',
  ' - [09/Jan/2002:00:28:50 +0100] "GET /" 404',
])('%j has another shape', (line) => expect(read(line)).toBeUndefined());

test('the request is what stands between quotes', () => {
  expect(read('c - - [09/Jan/2002:00:28:50 +0100] "GET /\\"a HTTP/1.0" 4 "x"')?.request).toBe('GET /\\"a HTTP/1.0');
  expect(requestOf('a "b" "c"')).toBe('b');
  expect(requestOf('a "" b')).toBe('');
  expect(requestOf('a "b')).toBeUndefined();
  expect(requestOf('a')).toBeUndefined();
});

test('the client is the first word', () => {
  expect(withClient('9.9.9.9 - "a"', '1.1.1.1')).toBe('1.1.1.1 - "a"');
  expect(withClient('"a b" c', '1.1.1.1')).toBe('"a b" c');
  expect(withClient('"a"', '1.1.1.1')).toBe('"a"');
});

test('Pen and web servers may write a request in two ways', () => {
  expect(spellings('GET / HTTP/1.0')).toEqual(['GET / HTTP/1.0']);
  expect(spellings('GET /\\"\\x22\\x5C\\\\ x')).toEqual(['GET /\\"\\x22\\x5C\\\\ x', 'GET /""\\\\ x']);
  expect(spellings('GET /\\xC3\\xA4\\t')).toEqual(['GET /\\xC3\\xA4\\t', 'GET /...']);
  expect(spellings('a\\x0D\\x0Ab')[1]).toBe('a');
  expect(asPen('GET /\xC3\xA4\x1b[2J\x7f')).toBe('GET /...[2J.');
});
