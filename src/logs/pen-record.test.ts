import { expect, test } from 'vitest';
import { readDatagram, readFileRecord } from './pen-record.ts';

test('a line of the file', () => {
  expect(readFileRecord('127.0.0.2 1795381793 ::FFFF:127.0.0.1 GET /a b HTTP/1.0')).toEqual({
    client: '127.0.0.2',
    epoch: 1795381793,
    server: '127.0.0.1',
    text: 'GET /a b HTTP/1.0',
  });
  expect(readFileRecord('unix 1795381794 127.0.0.1 ')).toMatchObject({ client: 'unix', text: '' });
  expect(readFileRecord('::1 1795381794 127.0.0.1 a\x01\xe4')).toMatchObject({ text: 'a..' });
});

test.each(['', 'a', '1.1.1.1 x 127.0.0.1 GET', '1.1.1.1 1 127.0.0.1', ' 1 127.0.0.1 GET'])(
  '%j is no line of it',
  (line) => expect(readFileRecord(line)).toBeUndefined(),
);

test('a datagram', () => {
  expect(readDatagram('+ 127.0.0.2 ::1 GET / HTTP/1.0')).toEqual({
    client: '127.0.0.2',
    server: '::1',
    text: 'GET / HTTP/1.0',
  });
  expect(readDatagram('+ unix 127.0.0.1 ')).toEqual({ client: 'unix', server: '127.0.0.1', text: '' });
  expect(readDatagram('+ 1.1.1.1 127.0.0.1')).toMatchObject({ text: '' });
  expect(readDatagram('+ 1.1.1.1 127.0.0.1 GET /\r\nX')).toMatchObject({ text: 'GET /' });
});

test.each([
  '+',
  '+ ',
  '+ 1.1.1.1',
  '+ a b c',
  '+ 1.1.1.1 www1 GET /',
  '+ www 127.0.0.1 GET /',
  `+ ${'1'.repeat(200)} ::1 a`,
])('%j is none', (line) => expect(readDatagram(line)).toBeUndefined());
