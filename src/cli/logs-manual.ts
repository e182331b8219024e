/** mergelogs(1), penlog(1) and penlogd(1). */
import type { Tool } from './letters.ts';
import { head } from './manual.ts';
import { MERGELOGS } from './mergelogs.ts';
import { PENLOG } from './penlog.ts';
import { PENLOGD } from './penlogd.ts';
import { bold, example, item, marked, paragraph, plain, section, wrapped } from './roff.ts';

/** What a page says besides the options. */
interface Page {
  readonly tool: Tool;
  readonly title: string;
  readonly description: readonly string[];
  readonly signals?: readonly (readonly [string, string])[];
  readonly status: readonly (readonly [string, string])[];
  readonly examples: readonly (readonly [string, ...string[]])[];
  readonly seeAlso: readonly string[];
}

/** The pages by the names of their programs. */
export function logsManuals(version: string): ReadonlyMap<string, string> {
  return new Map(PAGES.map((page) => [page.tool.name, manual(page, version)]));
}

function manual({ tool, title, description, signals = [], status, examples, seeAlso }: Page, version: string): string {
  const items = (all: readonly (readonly [string, string])[]): string[] =>
    all.map(([name, meaning]) => item(bold(name), marked(meaning)));
  return [
    head(tool.name.toUpperCase(), version),
    section('NAME', `${tool.name} \\- ${plain(title)}\n`),
    section('SYNOPSIS', `.B ${tool.name}\n${wrapped(plain(tool.synopsis))}`),
    section('DESCRIPTION', ...description.map(paragraph)),
    ...(tool.letters.length === 0 ? [] : [section('OPTIONS', ...tool.letters.map(option))]),
    ...(signals.length === 0 ? [] : [section('SIGNALS', ...items(signals))]),
    section('EXIT STATUS', ...items(status)),
    section('EXAMPLES', ...examples.map(([text, ...lines]) => paragraph(text) + example(...lines))),
    section('SEE ALSO', `${seeAlso.map((name) => `.BR ${name} (1)`).join(',\n')}\n`),
  ].join('');
}

function option({ letter, argument, help }: Tool['letters'][number]): string {
  const name = bold(`-${letter}`);
  const capital = help.charAt(0).toUpperCase() + help.slice(1);
  return item(argument === undefined ? name : `${name} \\fI${argument}\\fR`, `${marked(capital)}.`);
}

const PAGES: readonly Page[] = [
  {
    tool: MERGELOGS,
    title: 'make one log of those of several web servers',
    description: [
      `Web servers behind pen(1) see one client: pen. The log of pen, on the other hand, has the clients, but not what
became of their requests. This program brings both together: it prints the lines of all web servers in the order of
time, in UTC, each with the client whose request it was.`,
      `A web server is named as pen names it in its log, by its address; that of an IPv6 server stands in brackets:
\`[2001:db8::1]:access.log\`. A line for which nobody is found gets the address of its server.`,
      `A line and a request of pen belong together when server and text are the same (of long requests, the first 100
bytes), and their times differ by no more than what \`-j\` says. Each request is used once, so clients that ask for the
same at the same time are all named. Where several would do, times within a second count as equal, and of those the
first request is taken; else the nearest, an earlier one rather than one that is later than its line: web servers write
a line when its request has ended. Escapes of web servers, as \`\\x22\`, are understood.`,
      `Lines that are no lines of a web server stay behind the line they followed, unless \`-r\` names a file for them.
Times without a zone are local. Files are read as they are needed: memory goes with the jitter, not with their size. At a
terminal, it is shown how far it has come.`,
    ],
    status: [
      ['0', 'The logs were merged, or help was wanted.'],
      ['1', 'A file cannot be read, or the output not written. The reason is one line on standard error.'],
    ],
    examples: [
      ['Of two servers:', 'mergelogs -p pen.log 10.0.0.1:access_log.1 10.0.0.2:access_log.2 > access_log'],
      ['What was found in each log:', 'mergelogs -d -p pen.log 10.0.0.1:access_log > /dev/null'],
    ],
    seeAlso: ['pen', 'penlog', 'penlogd'],
  },
  {
    tool: PENLOG,
    title: 'send the log of a web server to penlogd',
    description: [
      `Reads lines from standard input and sends each as one datagram to penlogd(1). It is meant to be what a web server
writes its log to. Lines of more than 65507 bytes are cut.`,
      `penlogd knows a web server by the address that its datagrams come from. Where that would not be the one that pen
uses for the server, \`my_ip\` names it.`,
      `When nobody takes the lines, this is told once, and more are sent. Datagrams may be lost on their way, and nobody
tells.`,
    ],
    signals: [
      ['TERM, INT', 'End when nothing has come for a second, so that no line is lost that was written before.'],
    ],
    status: [
      ['0', 'The input has ended, and all lines are sent.'],
      ['1', 'It cannot begin. The reason is one line on standard error.'],
    ],
    examples: [
      ['In the configuration of Apache:', 'CustomLog "|/usr/bin/penlog loghost 10000" common'],
      [
        'For nginx, which writes to no program, but to a pipe (`access_log /dev/stdout;` in its configuration):',
        "nginx -g 'daemon off;' | penlog loghost 10000 10.0.0.1",
      ],
    ],
    seeAlso: ['pen', 'penlogd', 'mergelogs'],
  },
  {
    tool: PENLOGD,
    title: 'make one log of what pen and web servers send',
    description: [
      `Takes datagrams, of pen(1) about requests and of web servers by penlog(1) about what became of them, and writes the
lines of the web servers, each with the client whose request it was. So nothing has to be merged afterwards.`,
      `A line belongs to a request when it comes from the server that pen has sent it to, and its text is the same. Of
long requests, 99 bytes are enough when pen has said no more. Each request is used once, as mergelogs(1) does. A line that
comes before pen has told of its request waits for it, up to a second (\`-w\`), and those behind it wait as well. A line
for which nobody is found is written as it came.`,
      `A datagram is one line, whatever is in it: control characters are written as \`\\x0A\`. Nothing is looked up: clients
and servers are addresses. But datagrams can be sent by anybody who reaches the port, and under any address where the
network does not check that; say \`-a\` for each sender, or listen on an address that strangers do not reach.`,
      `It runs in the background, and returns when the port and the log are open, or with a message when they cannot be.
Paths are those within the jail, and files are opened as the user, because they will be opened so again. The log is
created with the permissions 0640. Lines appear at once; \`-b\` is for those who want a write for each.`,
    ],
    signals: [
      ['TERM, INT', 'End: lines that wait are written, the pid file is removed.'],
      ['HUP', 'Open the log again, after all that has come is written; when that fails, the old one is kept.'],
      [
        'USR1',
        'Tell what has come, and how many datagrams were refused or lost; in the background, to the system log.',
      ],
    ],
    status: [
      ['0', 'It runs in the background; or it was told to end, and has.'],
      ['1', 'It cannot start. The reason is one line on standard error.'],
    ],
    examples: [
      [
        'For pen on 10.0.0.254 and the web servers of 10.0.0.0/28:',
        'penlogd -a 10.0.0.254 -a 10.0.0.0/28 -u log -l /var/log/web/access_log -p /run/penlogd.pid 10000',
      ],
      ['Rotate the log:', 'mv access_log access_log.1 && kill -HUP `cat /run/penlogd.pid`'],
    ],
    seeAlso: ['pen', 'penlog', 'mergelogs'],
  },
];
