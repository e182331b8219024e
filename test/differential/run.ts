/** Runs a script on a program, and tells what was seen beside what should have been. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { Client, WAITING } from './client.ts';
import { runPenctl, Running, type Program } from './program.ts';
import { isJudged, say, words, type JudgedStep, type Request, type Script, type Step } from './script.ts';
import { Stage } from './stage.ts';

const ANSWER_LIMIT_MS = 2000;
const REPLY_LIMIT_MS = 8000;

/** A step and its results, as texts that say which step it was. */
export interface Seen {
  readonly got: readonly string[];
  readonly wanted: readonly string[];
}

/** One started program to which many scripts talk. Each has to leave everything as it was. */
export class Conversation {
  private readonly run: Run;
  private readonly before: readonly string[];

  private constructor(run: Run, before: readonly string[]) {
    this.run = run;
    this.before = before;
  }

  static async begin(program: Program): Promise<Conversation> {
    const script: Script = { id: 'talk', says: 'what they all begin with', steps: QUESTIONS };
    const run = new Run(script, program, await Stage.set(script));
    const { got } = await run.all();
    return new Conversation(run, got.slice(1, -1));
  }

  /** @param script only talks, and begins with two servers. */
  async hold(script: Script): Promise<Seen> {
    const { got, wanted } = await this.run.perform(script.steps);
    const after = await this.run.perform(QUESTIONS);
    return { got: [...got, ...after.got], wanted: [...wanted, ...this.before] };
  }

  async end(): Promise<void> {
    await this.run.clear();
  }
}

/** What tells whether something was changed. */
const QUESTIONS: readonly Step[] = [
  'mode',
  'servers',
  'blacklist',
  'timeout',
  'tracking',
  'idle_timeout',
  'debug',
  'client_acl',
  'control_acl',
  'clients_max',
  'conn_max',
  'listen',
].map((command) => say(command));

/** Runs it from start to end. @errors those of the stage; what the program does wrong is in the result. */
export async function runScript(script: Script, program: Program): Promise<Seen> {
  const run = new Run(script, program, await Stage.set(script));
  try {
    return await run.all();
  } finally {
    await run.clear();
  }
}

class Run {
  private readonly script: Script;
  private readonly program: Program;
  private readonly stage: Stage;
  private readonly started: Running[] = [];
  private readonly held: Client[] = [];
  private awaited: Client[] = [];

  constructor(script: Script, program: Program, stage: Stage) {
    this.script = script;
    this.program = program;
    this.stage = stage;
  }

  async all(): Promise<Seen> {
    const got: string[] = [];
    const wanted: string[] = [];
    if (this.script.startsItself !== true) {
      const outcome = await this.start(this.commandLine());
      got.push(`start: ${outcome}`);
      wanted.push('start: serves');
      if (outcome !== 'serves') got.push(`it said: ${this.running?.said ?? ''}`);
    }
    const seen = await this.perform(this.script.steps);
    if (!this.mayHaveEnded) {
      seen.got.push(
        `in the end: ${this.running?.hasEnded === false ? 'alive' : `ended; it said: ${this.running?.said ?? ''}`}`,
      );
      seen.wanted.push('in the end: alive');
    }
    return { got: [...got, ...seen.got], wanted: [...wanted, ...seen.wanted] };
  }

  /** Steps, one after the other. */
  async perform(steps: readonly Step[]): Promise<{ got: string[]; wanted: string[] }> {
    const got: string[] = [];
    const wanted: string[] = [];
    for (const step of steps) {
      if (!isJudged(step)) {
        await this.happen(step);
        continue;
      }
      const result = await this.judge(step);
      got.push(this.line(step, step.hide ? result.replace(step.hide, '#') : result));
      wanted.push(this.line(step, this.wanted(step)));
    }
    return { got, wanted };
  }

  async clear(): Promise<void> {
    for (const client of this.held) client.destroy();
    for (const running of this.started) await running.kill();
    this.stage.clear();
  }

  private get running(): Running | undefined {
    return this.started.at(-1);
  }

  /** The script says that the program ends, or that it was never there. */
  private get mayHaveEnded(): boolean {
    const last = this.script.steps.findLast((step) => step.do === 'fate' || step.do === 'start');
    return last !== undefined && isJudged(last) && /exit|SIG/.test(this.wanted(last));
  }

  /** Somebody speaks to the control listener. */
  private get hasControl(): boolean {
    return this.script.steps.some((step) => step.do === 'say' || step.do === 'penctl');
  }

  private commandLine(): string[] {
    const { stage, script, program } = this;
    return [
      ...program.always,
      ...(this.hasControl ? ['-C', stage.control] : []),
      ...words(script.options ?? '').map((word) => stage.fill(word, 0)),
      ...stage.emergencyArguments,
      stage.listen,
      ...stage.serverArguments,
    ];
  }

  private async start(args: readonly string[]): Promise<string> {
    const running = new Running(this.program, this.stage, args);
    this.started.push(running);
    return running.outcome();
  }

  private wanted(step: JudgedStep): string {
    const { name, penctlName } = this.program;
    const whose = step.do === 'penctl' ? penctlName : name;
    return whose === 'ours' && step.unlike ? step.unlike.ours : step.gives;
  }

  private line(step: JudgedStep, result: string): string {
    return `${describeStep(step)} -> ${result}`;
  }

  private async judge(step: JudgedStep): Promise<string> {
    const pid = this.running?.pid ?? 0;
    const fill = (text: string): string => this.stage.fill(text, pid);
    switch (step.do) {
      case 'request':
        return this.request(step);
      case 'say':
        return this.unfill(await speak(fill(step.bytes), this.stage));
      case 'penctl':
        return this.unfill(await runPenctl(this.program, step.args.map(fill), this.stage));
      case 'start':
        return this.start(step.args.flatMap((arg) => (arg === '{always}' ? this.program.always : [fill(arg)])));
      case 'fate':
        if (step.signal) this.running?.child.kill(step.signal);
        return (await this.running?.fate(this.wanted(step) !== 'alive')) ?? 'not started';
      case 'answered':
        return this.answered();
      case 'printed':
        return this.unfill(this.running?.stdout ?? '');
      case 'content':
        return this.content(step.name);
    }
    return step satisfies never;
  }

  private content(name: string): string {
    const path = `${this.stage.folder}/${name}`;
    return existsSync(path) ? this.unfill(readFileSync(path, 'utf8')) : 'none';
  }

  /** Takes the stage's values out of what was seen. */
  private unfill(text: string): string {
    const pid = String(this.running?.pid);
    return this.stage.unfill(text === pid || text === `${pid}\n` ? text.replace(pid, '{pid}') : text);
  }

  private async request(step: Request): Promise<string> {
    const { stage } = this;
    const path = this.script.startsItself === true ? `${stage.folder}/listen.sock` : '';
    const to = existsSync(path) ? { path } : { host: stage.host, port: stage.listenPort };
    const results: string[] = [];
    for (const who of words(step.clients)) {
      const client = await Client.visit(who, to, step.patienceMs);
      results.push(client.result);
      if (client.result === WAITING) this.awaited.push(client);
      if (step.isHeld) this.held.push(client);
      else await client.leave();
    }
    return results.join(' ');
  }

  private async answered(): Promise<string> {
    const { awaited } = this;
    this.awaited = [];
    for (const client of awaited) await client.answered(ANSWER_LIMIT_MS);
    return awaited.map((client) => client.result).join(' ');
  }

  private async happen(step: Exclude<Step, JudgedStep>): Promise<void> {
    switch (step.do) {
      case 'down':
        return this.stage.down(step.what);
      case 'up':
        return this.stage.up(step.what);
      case 'release':
        for (const number of words(step.what)) await this.held[Number(number)]?.leave();
        return;
      case 'wait':
        await new Promise((resolve) => setTimeout(resolve, step.what === 'second' ? untilSecond() : Number(step.what)));
        return;
      case 'write':
        writeFileSync(`${this.stage.folder}/${step.what}`, this.stage.fill(step.text ?? '', 0));
        return;
    }
  }
}

function untilSecond(): number {
  return 1001 - (Date.now() % 1000);
}

function describeStep(step: JudgedStep): string {
  switch (step.do) {
    case 'request':
      return `${step.isHeld ? 'held ' : ''}${step.clients}`;
    case 'say':
      return JSON.stringify(step.bytes.length > 200 ? `${step.bytes.slice(0, 100)}...` : step.bytes);
    case 'penctl':
    case 'start':
      return `${step.do === 'start' ? 'pen' : 'penctl'} ${step.args.join(' ').slice(0, 200)}`;
    case 'fate':
      return step.signal ?? 'fate';
    case 'answered':
      return 'those who waited';
    case 'printed':
      return 'stdout';
    case 'content':
      return step.name;
  }
  return step satisfies never;
}

/** Speaks to the control listener as penctl does: one line, then everything until it closes. */
async function speak(bytes: string, stage: Stage): Promise<string> {
  return new Promise((resolve) => {
    const path = `${stage.folder}/control.sock`;
    const socket = connect(existsSync(path) ? { path } : { host: stage.host, port: stage.controlPort });
    let reply = '';
    let ending = '';
    const late = setTimeout(() => {
      ending = ' (no end)';
      socket.destroy();
    }, REPLY_LIMIT_MS);
    socket.setEncoding('latin1').on('data', (text: string) => (reply += text));
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED') ending = 'no control listener';
    });
    socket.on('close', () => {
      clearTimeout(late);
      resolve(reply + ending);
    });
    socket.end(bytes);
  });
}
