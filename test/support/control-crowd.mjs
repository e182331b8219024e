/**
 * Peers of a control socket in a process of their own, so that what they cost is told apart from what Pen costs.
 *
 *   node control-crowd.mjs SOCKET FILE PEERS
 *
 * FILE has one task a line: a JSON array of a manner and a text. Prints one JSON object about all of them.
 */
/// <reference types="node" />
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';

const [path = '', file = '', peers = '8'] = process.argv.slice(2);
const PEERS = Number(peers);
/** Longer than Pen lets anybody stall. */
const HUNG_MS = 20_000;
/** Those who say nothing, at once. */
const SILENT_MAX = 10;
/** An answer of the original has no line end. */
const WHOLE = /\n$|^unable to set source address to '[^\n]*'$/;

const tasks = readFileSync(file, 'utf8')
  .split('\n')
  .filter((line) => line !== '')
  .map((line) => /** @type {[string, string]} */ (JSON.parse(line)));
const told = { lines: 0, answered: 0, ms: 0, cpuMs: 0, hung: 0, wrong: /** @type {string[]} */ ([]) };
/** Of each task that asked for JSON: whether it was obeyed. */
const obeyed = /** @type {Record<number, boolean>} */ ({});
const silent = /** @type {import('node:net').Socket[]} */ ([]);
let next = 0;

/** @param {string} what @param {string} text */
function wrong(what, text) {
  if (told.wrong.length < 20) told.wrong.push(`${what}: ${JSON.stringify(text.slice(0, 300))}`);
}

/** @param {number} index @param {string} manner @param {string} text @returns {Promise<void>} */
function visit(index, manner, text) {
  return new Promise((resolve) => {
    const socket = connect({ path });
    const pieces = /** @type {Buffer[]} */ ([]);
    const late = setTimeout(() => {
      told.hung++;
      wrong('no end', text);
      socket.destroy();
    }, HUNG_MS);
    socket.on('data', (piece) => pieces.push(piece));
    socket.on('error', (error) => {
      if (manner === 'whole') wrong(error.message, text);
    });
    socket.on('close', () => {
      clearTimeout(late);
      judge(index, manner, text, Buffer.concat(pieces).toString());
      resolve();
    });
    if (manner === 'whole') socket.end(`${text}\n`);
    else if (manner === 'half') socket.end(text);
    else if (manner === 'bytes') socket.end(Buffer.from(text, 'base64'));
    else if (manner === 'pieces') {
      socket.write(text.slice(0, 3));
      setTimeout(() => socket.end(`${text.slice(3)}\nmode\n`), 1);
    } else if (manner === 'vanish') socket.write(`${text}\n`, () => socket.destroy());
    else if (silent.length >= SILENT_MAX) socket.destroy();
    else {
      // Says nothing until all others have been there, or Pen ends it.
      clearTimeout(late);
      silent.push(socket);
      resolve();
    }
  });
}

/** @param {number} index @param {string} manner @param {string} text @param {string} answer */
function judge(index, manner, text, answer) {
  told.lines++;
  if (answer !== '') told.answered++;
  if (/by a fault of Pen/.test(answer)) wrong('a fault', text);
  if (manner !== 'whole') return;
  if (answer !== '' && !WHOLE.test(answer)) wrong(`no whole answer: ${answer.slice(0, 100)}`, text);
  // What is too long to be read cannot ask for JSON.
  if (!text.startsWith('--json ') || answer === '' || answer.startsWith('pen: a command has at most')) return;
  try {
    const document = JSON.parse(answer);
    obeyed[index] = !(typeof document === 'object' && document !== null && 'error' in document);
  } catch {
    wrong(`no JSON: ${answer.slice(0, 100)}`, text);
  }
}

async function peer() {
  while (next < tasks.length) {
    const index = next++;
    const [manner, text] = tasks[index] ?? ['', ''];
    await visit(index, manner, text);
  }
}

const startMs = performance.now();
const before = process.cpuUsage();
await Promise.all(Array.from({ length: PEERS }, peer));
for (const socket of silent) socket.destroy();
const { user, system } = process.cpuUsage(before);
process.stdout.write(
  JSON.stringify({ ...told, ms: performance.now() - startMs, cpuMs: (user + system) / 1000, obeyed }),
);
