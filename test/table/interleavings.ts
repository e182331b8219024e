/**
 * A small explicit-state model checker that runs the real code.
 *
 * A thread is a list of ordinary functions. They run over fake memory: every access to it (through the global
 * `Atomics`, which the checker replaces, or by index) is one atomic step. A function is suspended before a step by
 * throwing out of it, and resumed by running it again from its start with the results of its earlier accesses played
 * back; that is sound because it is a function of these results. So what is checked is the code that ships, not a
 * copy of it, and there is nothing to keep in step.
 *
 * `explore` walks all interleavings depth first, and visits each state (memory, and of each thread the function it
 * is in, its locals and the results so far) once. Memory is sequentially consistent, which is what Atomics give;
 * plain accesses are steps too, so a reader that overlaps a writer is seen.
 */

/** A function of a thread. `locals` survive between functions; returning false repeats it. */
export type Action = (locals: number[]) => boolean | void;

interface Thread {
  action: number;
  locals: number[];
  /** Results of the accesses of the current action so far. */
  log: (number | string)[];
  /** Word it sleeps on. */
  asleepOn: string;
  timeouts: number;
}
interface State {
  readonly cells: number[];
  readonly threads: Thread[];
  /** Threads asleep, longest first. */
  readonly sleepers: number[];
}

function clone({ cells, threads, sleepers }: State): State {
  const copies = threads.map((thread) => ({ ...thread, locals: thread.locals.slice(), log: thread.log.slice() }));
  return { cells: cells.slice(), threads: copies, sleepers: sleepers.slice() };
}

const SUSPEND = new Error('suspended before a step');

export interface Outcome {
  /** States visited. */
  readonly states: number;
  /** What went wrong and the order of steps that leads there; empty when nothing can. */
  readonly violation: string;
}

export class Checker {
  private state: State = { cells: [], threads: [], sleepers: [] };
  private readonly actions: (readonly Action[])[] = [];
  /** First word of each view, and the cell of each word that was ever touched: few of many, and the state is them. */
  private readonly places = new Map<unknown, number>();
  private readonly cells = new Map<number, number>();
  private reserved = 0;
  /** The thread that runs, the accesses it has replayed, and whether it may make a new one. */
  private running = 0;
  private replayed = 0;
  private isGranted = false;
  private isExploring = false;
  private readonly trace: string[] = [];

  /**
   * Fake words, all 0; set them by index before the threads start. With `isPrivate` plain accesses (not those by Atomics) are no steps: for words that one thread
   * alone reads and writes plainly.
   */
  words(length: number, isPrivate = false): Int32Array {
    const first = this.reserved;
    this.reserved += length;
    return this.view(first, length, isPrivate);
  }

  thread(actions: readonly Action[], { timeouts = 0 } = {}): void {
    this.state.threads.push({ action: 0, locals: [], log: [], asleepOn: '', timeouts });
    this.actions.push(actions);
  }

  explore(): Outcome {
    const real = globalThis.Atomics;
    globalThis.Atomics = this.fakeAtomics();
    this.isExploring = true;
    const ids = new Map<string, number>();
    /** For each state, the states it was reached from. */
    const sources: number[][] = [];
    const finals: number[] = [];
    const stack: { state: State; id: number; depth: number; move: number }[] = [];
    const visit = (state: State, from: number, depth: number): void => {
      const key = JSON.stringify(state);
      const known = ids.get(key);
      if (known !== undefined) return void sources[known]!.push(from);
      const id = ids.size;
      ids.set(key, id);
      sources.push([from]);
      const moves = this.movesOf(state);
      for (const move of moves) stack.push({ state, id, depth, move });
      if (state.threads.every((thread, index) => this.isDone(thread, index))) finals.push(id);
      else if (moves.length === 0) throw new Error('deadlock');
    };
    try {
      visit(this.state, 0, 0);
      for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
        this.trace.length = top.depth;
        this.state = clone(top.state);
        this.step(top.move);
        visit(this.state, top.id, top.depth + 1);
      }
      const canFinish = new Set(finals);
      for (const id of canFinish) for (const source of sources[id]!) canFinish.add(source);
      return { states: ids.size, violation: canFinish.size === ids.size ? '' : 'livelock' };
    } catch (error) {
      return { states: ids.size, violation: `${String(error)}\n${this.trace.join('\n')}` };
    } finally {
      globalThis.Atomics = real;
      this.isExploring = false;
    }
  }

  private isDone(thread: Thread, index: number): boolean {
    return thread.action === this.actions[index]!.length;
  }

  /** Threads that can go on; `~index` stands for the end of a bounded sleep. */
  private movesOf(state: State): number[] {
    const moves: number[] = [];
    state.threads.forEach((thread, index) => {
      if (this.isDone(thread, index)) return;
      if (thread.asleepOn === '') moves.push(index);
      else if (thread.timeouts > 0) moves.push(~index);
    });
    return moves;
  }

  /** One access of one thread, and on to just before its next. */
  private step(move: number): void {
    this.running = move < 0 ? ~move : move;
    const thread = this.state.threads[this.running]!;
    this.trace.push(`thread ${this.running}:`);
    if (move < 0) {
      thread.timeouts--;
      this.wake(this.running, 'timed-out');
      return;
    }
    this.isGranted = true;
    this.replayed = 0;
    const locals = thread.locals.slice();
    try {
      const again = this.actions[this.running]![thread.action]!(locals) === false;
      thread.locals = locals;
      thread.log = [];
      if (!again) thread.action++;
    } catch (thrown) {
      if (thrown !== SUSPEND) throw thrown;
    }
  }

  private access(what: string, isPrivate: boolean, effect: () => number | string): number | string {
    if (!this.isExploring) return effect();
    const { log } = this.state.threads[this.running]!;
    if (this.replayed < log.length) return log[this.replayed++]!;
    if (!isPrivate && !this.isGranted) throw SUSPEND;
    if (!isPrivate) this.isGranted = false;
    const result = effect();
    this.trace.push(`${this.trace.pop()} ${what} -> ${result}`);
    log.push(result);
    this.replayed++;
    return result;
  }

  private wake(thread: number, result: string): void {
    this.state.sleepers.splice(this.state.sleepers.indexOf(thread), 1);
    this.state.threads[thread]!.asleepOn = '';
    this.state.threads[thread]!.log.push(result);
  }

  private cellOf(words: unknown, at: number): number {
    const first = this.places.get(words);
    if (first === undefined) throw new Error('these words are not the checker’s');
    const cell = this.cells.get(first + at) ?? this.cells.size;
    this.cells.set(first + at, cell);
    this.state.cells[cell] ??= 0;
    return cell;
  }

  /** What the code under test takes for an Int32Array. */
  private view(first: number, length: number, isPrivate: boolean): Int32Array {
    const read = (at: number): number | string => {
      const cell = this.cellOf(view, at);
      return this.access(`read ${cell}`, isPrivate, () => this.state.cells[cell]!);
    };
    const write = (at: number, value: number): void => {
      const cell = this.cellOf(view, at);
      this.access(`write ${cell}`, isPrivate, () => (this.state.cells[cell] = value | 0));
    };
    const methods: Record<string, unknown> = {
      length,
      set: (source: ArrayLike<number>) => {
        for (let at = 0; at < source.length; at++) write(at, source[at]!);
      },
      fill: (value: number, from: number, to: number) => {
        for (let at = from; at < to; at++) write(at, value);
      },
      subarray: (from: number, to: number) => this.view(first + from, to - from, isPrivate),
    };
    const view: Int32Array = new Proxy(methods, {
      get: (target, name) =>
        typeof name === 'string' && /^\d+$/.test(name) ? read(Number(name)) : target[String(name)],
      set: (_, name, value) => (write(Number(name), value as number), true),
    }) as unknown as Int32Array;
    this.places.set(view, first);
    return view;
  }

  private fakeAtomics(): Atomics {
    const change = (name: string, effect: (before: number, a: number, b: number) => number) => {
      return (words: unknown, at: number, a: number, b: number) => {
        const cell = this.cellOf(words, at);
        return this.access(`${name} ${cell}`, false, () => {
          const before = this.state.cells[cell]!;
          this.state.cells[cell] = effect(before, a, b) | 0;
          return before;
        });
      };
    };
    return {
      load: change('load', (before) => before),
      store: change('store', (_, value) => value),
      add: change('add', (before, n) => before + n),
      sub: change('sub', (before, n) => before - n),
      exchange: change('exchange', (_, value) => value),
      compareExchange: change('cas', (before, from, to) => (before === from ? to : before)),
      wait: (words: unknown, at: number, value: number) => {
        const cell = this.cellOf(words, at);
        return this.access(`wait ${cell}`, false, () => {
          if (this.state.cells[cell] !== value) return 'not-equal';
          this.state.threads[this.running]!.asleepOn = String(cell);
          this.state.sleepers.push(this.running);
          throw SUSPEND;
        });
      },
      notify: (words: unknown, at: number, count: number) => {
        const cell = String(this.cellOf(words, at));
        return this.access(`notify ${cell}`, false, () => {
          const woken = this.state.sleepers.filter((thread) => this.state.threads[thread]!.asleepOn === cell);
          for (const thread of woken.slice(0, count)) this.wake(thread, 'ok');
          return Math.min(woken.length, count);
        });
      },
    } as unknown as Atomics;
  }
}
