/**
 * Decides whether the results of many clients' operations on one register can be explained by an
 * order in which each operation takes effect at one instant between its call and its return.
 * (Linearizability: Herlihy and Wing, 1990.) The search is depth first, and visits no state twice
 * (Wing and Gong, 1993; Lowe, 2017): a state is which operations are done, and what the register
 * holds.
 *
 * Three rules keep the states few without losing an order. A read of the value that the register
 * holds is done at once: it changes nothing. If no such read can be done, a write whose value no
 * remaining read needs is done at once: the next write hides it. A write whose outcome its client
 * never learned may have taken effect at any instant after its call or not at all. It is done only
 * just before a read of its value: elsewhere it is the same as if it had not happened, so that a
 * hundred lost writes cost nothing.
 *
 * A read with an unknown answer says nothing: leave it out. Registers are independent: check each
 * key by itself.
 */
import { checked, checkObject, type Names, type Range, refusal } from "../../core/options.ts";
import { refuseMisspelt } from "../kernel/misspelt.ts";

/** One operation of a client on a register, from its call to its return. */
export interface RegisterOperation {
  readonly kind: "read" | "write";
  /** The value that was read, or written. Compared as by `Object.is`. */
  readonly value: unknown;
  /** True time. */
  readonly calledMs: number;
  /**
   * True time, at or after the call; undefined for a write whose client never learned its outcome.
   */
  readonly returnedMs: number | undefined;
}

/**
 * More states than this mean that too many operations overlap: this many take about two seconds.
 */
const MAX_STATES = 50_000;

/**
 * Checks whether `history` is linearizable for a register that first holds `initial`. The
 * operations may be given in any order. Returns undefined if an order explains them, and a sentence
 * if no order does. Throws a `ConfigurationError` for an invalid operation. Throws a `RangeError`
 * for an operation that returns before its call, for a read that never returned, and if the search
 * would need more than 50,000 states.
 *
 * @example
 * ```ts
 * import { type RegisterOperation, unexplained } from "ground-station-failover/sim";
 *
 * const write: RegisterOperation = { kind: "write", value: 1, calledMs: 0, returnedMs: 10 };
 * const early: RegisterOperation = { kind: "read", value: 1, calledMs: 5, returnedMs: 8 };
 * const stale: RegisterOperation = { kind: "read", value: 0, calledMs: 20, returnedMs: 30 };
 * console.log(unexplained([write, early], 0)); // undefined
 * console.log(typeof unexplained([write, stale], 0)); // string
 * ```
 */
export function unexplained(history: readonly RegisterOperation[], initial: unknown): string | undefined {
  if (!Array.isArray(history)) throw refusal("unexplained", "history", history, "a list of operations");
  for (const [place, operation] of history.entries()) checkOperation(operation, place);
  const search = new Search(history, initial);
  const madeUp = search.madeUpRead();
  if (madeUp !== undefined) return `${sentenceOf(madeUp)}: nobody had written that`;
  const stack = [search.first()];
  const seen = new Set<string>();
  let stuck: Stuck | undefined;
  for (let state = stack.pop(); state !== undefined; state = stack.pop()) {
    const asked = search.keyOf(state);
    if (seen.has(asked)) continue;
    const { untilMs, blocking, writable } = search.settle(state);
    if (blocking === undefined) return undefined;
    const settled = search.keyOf(state);
    const isKnown = settled !== asked && seen.has(settled);
    if (seen.add(asked).add(settled).size > MAX_STATES) throw new RangeError(search.tooMany());
    if (isKnown) continue;
    if (writable.length === 0 && (stuck === undefined || untilMs > stuck.untilMs)) stuck = { untilMs, blocking };
    stack.push(...writable.reverse());
  }
  return sentenceOf((stuck as Stuck).blocking);
}

/** An operation whose return is known, its value as a number. */
interface Known {
  readonly operation: RegisterOperation;
  readonly isWrite: boolean;
  readonly value: number;
  readonly calledMs: number;
  readonly returnedMs: number;
}

/** All known operations before `to` are done except those in `skipped`, which is in order. */
interface State {
  to: number;
  skipped: readonly number[];
  /** The number of the register's value; {@link NOBODYS} for a value that no further read needs. */
  value: number;
  /** How many of the lost writes of each value have been used, if any has. */
  readonly used: ReadonlyMap<number, number>;
}

/** The read at which an order ended, and how far it had come. */
interface Stuck {
  readonly untilMs: number;
  readonly blocking: RegisterOperation;
}

/** The possible next steps in a state. */
interface Outlook {
  /** The return of `blocking`. */
  readonly untilMs: number;
  /** The first operation to return, of those that are not done; undefined if all are done. */
  readonly blocking: RegisterOperation | undefined;
  /** The states after each of the writes that may be next, the likeliest first. */
  readonly writable: State[];
}

const NOBODYS = -1;

class Search {
  readonly #known: readonly Known[];
  /** Calls of the lost writes of each value, the earliest first. */
  readonly #lostMs: ReadonlyMap<number, readonly number[]>;
  /** Indexes of the reads of each value among the known operations, in order. */
  readonly #reads: Map<number, number[]> = new Map();
  readonly #numbers: Map<unknown, number> = new Map();
  readonly #initial: number;

  constructor(history: readonly RegisterOperation[], initial: unknown) {
    this.#initial = this.#numberOf(initial);
    const operations = history.toSorted((one, other) => one.calledMs - other.calledMs);
    this.#known = operations.filter((operation) => !isLost(operation)).map((operation) => this.#knownOf(operation));
    for (const [place, { isWrite, value }] of this.#known.entries()) {
      if (!isWrite) this.#readsOf(value).push(place);
    }
    const lostMs = Map.groupBy(operations.filter(isLost), ({ value }) => this.#numberOf(value));
    this.#lostMs = new Map([...lostMs].map(([value, writes]) => [value, writes.map(({ calledMs }) => calledMs)]));
  }

  first(): State {
    return { to: 0, skipped: [], value: this.#initial, used: new Map() };
  }

  /** The first read to return whose value no client had begun to write by then. */
  madeUpRead(): RegisterOperation | undefined {
    const writtenMs = new Map<number, number>([[this.#initial, Number.NEGATIVE_INFINITY]]);
    const write = (value: number, calledMs: number): void => {
      writtenMs.set(value, Math.min(calledMs, writtenMs.get(value) ?? Number.POSITIVE_INFINITY));
    };
    for (const { isWrite, value, calledMs } of this.#known) if (isWrite) write(value, calledMs);
    for (const [value, [calledMs]] of this.#lostMs) write(value, calledMs as number);
    return this.#known
      .filter(
        ({ isWrite, value, returnedMs }) =>
          !isWrite && !((writtenMs.get(value) ?? Number.POSITIVE_INFINITY) <= returnedMs),
      )
      .sort((one, other) => one.returnedMs - other.returnedMs)[0]?.operation;
  }

  /** Does in `state` everything that is done at once, and returns the possible next steps. */
  settle(state: State): Outlook {
    for (;;) {
      const { open, untilMs, blocking } = this.#open(state);
      const at = (place: number): Known => this.#known[place] as Known;
      const reads = open.filter((place) => !at(place).isWrite && at(place).value === state.value);
      const hidden = open.filter((place) => at(place).isWrite && !this.#isAwaited(state, at(place).value));
      if (reads.length > 0) finish(state, reads);
      else if (hidden.length > 0) {
        finish(state, hidden);
        state.value = NOBODYS;
      } else {
        const writable = [...this.#writes(state, open), ...this.#lost(state, open, untilMs)];
        return { untilMs, blocking, writable };
      }
    }
  }

  /**
   * Two states with one key have the same future: a lost write does not count if no further read
   * needs its value.
   */
  keyOf(state: State): string {
    if (state.used.size === 0) return `${state.to}|${state.skipped.join()}|${state.value}`;
    const used = [...state.used]
      .filter(([value]) => this.#isAwaited(state, value))
      .sort(([one], [other]) => one - other);
    return `${state.to}|${state.skipped.join()}|${state.value}|${used.join(";")}`;
  }

  tooMany(): string {
    const overlapping = mostAtOnce(this.#known);
    return (
      `more than ${MAX_STATES} states to look at, for ${this.#known.length} operations of which up to ${overlapping} ` +
      "overlap: check each key by itself, have fewer clients at a time, or check a shorter history"
    );
  }

  /**
   * Operations that are not done and may be next: each was called before any other that is not done
   * had returned.
   */
  #open({ to, skipped }: State): { open: number[]; untilMs: number; blocking: RegisterOperation | undefined } {
    const open = [...skipped];
    let first: Known | undefined;
    const look = (known: Known): void => {
      if (first === undefined || known.returnedMs < first.returnedMs) first = known;
    };
    for (const place of skipped) look(this.#known[place] as Known);
    for (let place = to; place < this.#known.length; place++) {
      const known = this.#known[place] as Known;
      if (first !== undefined && known.calledMs > (first as Known).returnedMs) break;
      open.push(place);
      look(known);
    }
    const { returnedMs = Number.POSITIVE_INFINITY, operation } = (first ?? {}) as Partial<Known>;
    return { open, untilMs: returnedMs, blocking: operation };
  }

  #writes(state: State, open: readonly number[]): State[] {
    return open
      .filter((place) => this.#known[place]?.isWrite)
      .map((place) => {
        const next = { ...state, value: (this.#known[place] as Known).value };
        finish(next, [place]);
        return next;
      });
  }

  /**
   * A lost write, if a read waits for its value: the earliest of them, because it may be done
   * whenever another may.
   */
  #lost(state: State, open: readonly number[], untilMs: number): State[] {
    const reads = open.map((place) => this.#known[place] as Known).filter(({ isWrite }) => !isWrite);
    const waiting = new Set(reads.map(({ value }) => value));
    return [...waiting].flatMap((value) => {
      const used = state.used.get(value) ?? 0;
      const calledMs = this.#lostMs.get(value)?.[used];
      if (calledMs === undefined || calledMs > untilMs) return [];
      return [{ ...state, value, used: new Map(state.used).set(value, used + 1) }];
    });
  }

  /** Whether a read of `value` still has to be done. */
  #isAwaited({ to, skipped }: State, value: number): boolean {
    const reads = this.#reads.get(value) ?? [];
    if ((reads.at(-1) ?? -1) >= to) return true;
    return skipped.some((place) => !this.#known[place]?.isWrite && this.#known[place]?.value === value);
  }

  #knownOf(operation: RegisterOperation): Known {
    const { kind, value, calledMs, returnedMs } = operation;
    const isWrite = kind === "write";
    return { operation, isWrite, value: this.#numberOf(value), calledMs, returnedMs: returnedMs as number };
  }

  #readsOf(value: number): number[] {
    const known = this.#reads.get(value) ?? [];
    this.#reads.set(value, known);
    return known;
  }

  /** Values by `Object.is`; a map alone treats 0 and -0 as the same. */
  #numberOf(value: unknown): number {
    const key = Object.is(value, -0) ? MINUS_ZERO : value;
    const known = this.#numbers.get(key) ?? this.#numbers.size;
    this.#numbers.set(key, known);
    return known;
  }
}

/** The operations at `places` are done; in order. */
function finish(state: State, places: readonly number[]): void {
  const done = new Set(places);
  const to = Math.max(state.to, (places.at(-1) as number) + 1);
  const skipped = state.skipped.filter((place) => !done.has(place));
  for (let place = state.to; place < to; place++) if (!done.has(place)) skipped.push(place);
  state.to = to;
  state.skipped = skipped;
}

/** The most of `operations`, in the order of their calls, that were under way at one instant. */
function mostAtOnce(operations: readonly Known[]): number {
  const returns = operations.map(({ returnedMs }) => returnedMs).sort((one, other) => one - other);
  let returned = 0;
  let most = 0;
  for (const [called, { calledMs }] of operations.entries()) {
    while ((returns[returned] as number) < calledMs) returned++;
    most = Math.max(most, called + 1 - returned);
  }
  return most;
}

function isLost({ returnedMs }: RegisterOperation): boolean {
  return returnedMs === undefined || returnedMs === Number.POSITIVE_INFINITY;
}

function sentenceOf({ kind, value, calledMs, returnedMs }: RegisterOperation): string {
  return `no order explains the ${kind} of ${textOf(value)} from ${calledMs} to ${returnedMs ?? "?"} ms`;
}

/** Longer values are cut. */
const LONGEST_VALUE = 60;

function textOf(value: unknown): string {
  if (typeof value !== "object" || value === null) return String(value);
  try {
    return JSON.stringify(value).slice(0, LONGEST_VALUE);
  } catch {
    return "an object";
  }
}

const MINUS_ZERO: unique symbol = Symbol("-0");
const NAMES: Names<RegisterOperation> = { kind: true, value: true, calledMs: true, returnedMs: true };
const INSTANT: Range = { min: -Number.MAX_VALUE, max: Number.MAX_VALUE };
const RETURN: Range = { min: -Number.MAX_VALUE, max: Number.POSITIVE_INFINITY };

/** Histories come from the user's program: a misspelt field would turn a write into a lost one. */
function checkOperation(operation: RegisterOperation, place: number): void {
  const where = `history[${place}]`;
  checkObject(where, operation, "it");
  refuseMisspelt(where, operation, NAMES);
  const { kind, calledMs, returnedMs } = operation;
  if (kind !== "read" && kind !== "write") throw refusal(where, "kind", kind, '"read" or "write"');
  checked(where, "calledMs", calledMs, INSTANT);
  if (returnedMs !== undefined) {
    checked(where, "returnedMs", returnedMs, RETURN);
    if (returnedMs < calledMs)
      throw new RangeError(`${where} returned at ${returnedMs} ms, before its call at ${calledMs} ms`);
  }
  if (kind === "read" && isLost(operation))
    throw new RangeError(`${where} is a read that never returned: it says nothing, leave it out`);
}
