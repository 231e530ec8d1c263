/**
 * Is there an order in which the operations of many clients on one register, each taking effect at one instant between its
 * call and its return, explain what they were told? (Linearizability: Herlihy and Wing, 1990.) It is searched for depth first, and
 * no state is looked at twice (Wing and Gong, 1993; Lowe, 2017): a state is which operations are done, and what the
 * register holds.
 *
 * A write whose outcome its client never learned may have taken effect at any instant after its call, or not at all. A read of
 * which nobody knows the answer says nothing: leave it out. Registers are independent: check each key by itself.
 */

/** One operation of a client, from its call to its return. */
export interface RegisterOperation {
  readonly kind: "read" | "write";
  /** What was read, or written. Compared as by `Object.is`. */
  readonly value: unknown;
  /** True time. */
  readonly calledMs: number;
  /** True time, at or after the call; undefined for a write whose client never learned what became of it. */
  readonly returnedMs: number | undefined;
}

/** More states than this mean that too many operations overlap to find out in reasonable time. */
const MAX_STATES = 1_000_000;

/**
 * A sentence where no order explains `history`, given in any order, for a register that holds `initial` at first; undefined where one
 * does. Throws a `RangeError` for an operation that returns before its call, and where more than a million states would
 * have to be looked at.
 */
export function unexplained(history: readonly RegisterOperation[], initial: unknown): string | undefined {
  const operations = history.map(checkedOperation).sort((one, other) => one.calledMs - other.calledMs);
  const seen = new Set<string>();
  const values: unknown[] = [initial];
  const numberOf = (value: unknown): number => {
    const known = values.findIndex((other) => Object.is(other, value));
    return known >= 0 ? known : values.push(value) - 1;
  };
  const stack: State[] = [{ from: 0, beyond: [], value: 0 }];
  let furthest = 0;
  for (let state = stack.pop(); state !== undefined; state = stack.pop()) {
    const key = `${state.from}|${state.beyond.join()}|${state.value}`;
    if (seen.has(key)) continue;
    if (seen.add(key).size > MAX_STATES)
      throw new RangeError(
        `more than ${MAX_STATES} orders of ${operations.length} operations: too many of them overlap`,
      );
    furthest = Math.max(furthest, state.from);
    const next = nextOf(operations, state, numberOf);
    if (next === undefined) return undefined;
    stack.push(...next);
  }
  const stuck = operations[furthest] as RegisterOperation;
  return `no order explains the ${stuck.kind} of ${String(stuck.value)} from ${stuck.calledMs} to ${stuck.returnedMs ?? "?"} ms`;
}

/** All before `from` are done, and of the later ones those in `beyond`, in order; the register holds the value of that number. */
interface State {
  readonly from: number;
  readonly beyond: readonly number[];
  readonly value: number;
}

/** What may have been next, likeliest last; undefined where all whose return is known are done. */
function nextOf(
  operations: readonly RegisterOperation[],
  { from, beyond, value }: State,
  numberOf: (value: unknown) => number,
): readonly State[] | undefined {
  const done = new Set(beyond);
  const next: State[] = [];
  // What was called after another one, that is still to be done, has returned comes after it.
  let untilMs = Number.POSITIVE_INFINITY;
  let isOver = true;
  for (let place = from; place < operations.length; place++) {
    const { kind, value: of, calledMs, returnedMs } = operations[place] as RegisterOperation;
    if (calledMs > untilMs) {
      isOver = false;
      break;
    }
    if (done.has(place)) continue;
    if (returnedMs !== undefined) {
      untilMs = Math.min(untilMs, returnedMs);
      isOver = false;
    }
    const number = numberOf(of);
    if (kind === "write" || number === value) next.push(withDone(from, beyond, place, number));
  }
  return isOver ? undefined : next.reverse();
}

function withDone(from: number, beyond: readonly number[], place: number, value: number): State {
  const all = new Set([...beyond, place]);
  let first = from;
  while (all.delete(first)) first++;
  return { from: first, beyond: [...all].sort((one, other) => one - other), value };
}

function checkedOperation(operation: RegisterOperation, place: number): RegisterOperation {
  const { calledMs, returnedMs = Number.POSITIVE_INFINITY, kind } = operation;
  if (!(returnedMs >= calledMs))
    throw new RangeError(`history[${place}] returned at ${returnedMs} ms, before its call at ${calledMs} ms`);
  if (kind === "read" && operation.returnedMs === undefined)
    throw new RangeError(`history[${place}] is a read that never returned: it says nothing, leave it out`);
  return operation;
}
