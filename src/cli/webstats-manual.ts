/** webstats(1). */
import { head } from './manual.ts';
import { bold, example, item, marked, paragraph, section } from './roff.ts';

/** The page about the CGI program, which has neither options nor commands. */
export function webstatsManual(version: string): string {
  return [
    head('WEBSTATS', version),
    section('NAME', 'webstats \\- status page of a running pen, as a CGI program\n'),
    section('SYNOPSIS', '.B webstats\n'),
    section('DESCRIPTION', ...DESCRIPTION.map(paragraph)),
    section('ENVIRONMENT', ...VARIABLES.map(([name, meaning]) => item(bold(name), marked(meaning)))),
    section('EXIT STATUS', ...STATUS.map(([code, meaning]) => item(bold(code), marked(meaning)))),
    section('EXAMPLES', paragraph('By hand, as a web server would:') + example(EXAMPLE)),
    section('SEE ALSO', '.BR pen (1),\n.BR penctl (1)\n'),
  ].join('');
}

const DESCRIPTION: readonly string[] = [
  `A web server runs it for a request. It asks a running pen(1) by its control socket how things stand, and answers with
that as a page, or as JSON. Nothing that a browser sends chooses whom it asks, or what.`,
  `The page has the addresses of clients: the web server should show it to those only who may see them, and must be able
to reach the control socket.`,
];

const VARIABLES: readonly (readonly [string, string])[] = [
  ['PEN_CONTROL', 'The address of the option `-C` of pen: `host:port`, or the path of a unix socket. It must be set.'],
  ['REQUEST_METHOD', '`GET` or `HEAD`; others are answered with the status 405. `GET` when it is not set.'],
  ['QUERY_STRING', 'With `format=json` the answer is a JSON document.'],
];

const STATUS: readonly (readonly [string, string])[] = [
  ['0', 'The request was answered.'],
  [
    '1',
    'Pen could not be asked, which is answered with the status 502, or its answer broke off. The reason is one line on standard error.',
  ],
];

const EXAMPLE = 'PEN_CONTROL=/run/pen.ctl QUERY_STRING=format=json webstats';
