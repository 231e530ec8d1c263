/**
 * Deadlines that travel automatically within a process. A request handler that knows how long its
 * caller will wait sets the deadline once. Every client call made under it, at any depth, ends by
 * then without being passed anything. Entering costs about as much as five awaits (measured on Node
 * 24), and reading next to nothing. So clients always read it, and enter it for their own
 * operations only on request (`propagateDeadline`).
 */
import { AsyncLocalStorage, type AsyncResource } from "node:async_hooks";
import type { Deadline } from "../../core/deadline.ts";
import { checkedDeadline, deadlineIn, NO_DEADLINE } from "../../core/deadline.ts";
import { refusal } from "../../core/options.ts";
import type { Clock } from "./clock.ts";
import { hasWholeInstants, systemClock } from "./system-clock.ts";

/**
 * One storage for all copies of this library in this realm: a handler that uses one version bounds
 * the calls of a client of another version, because the system's clock has the same axis in all.
 * The number is raised if the stored value ever changes. Realms (Jest's test files, `vm` contexts)
 * and threads have storages of their own; pass the deadline explicitly there.
 */
const STORAGE: unique symbol = Symbol.for("ground-station-failover/ambient-deadline/1");

function sharedStorage(): AsyncLocalStorage<Deadline> {
  const realm = globalThis as { [STORAGE]?: AsyncLocalStorage<Deadline> };
  const known = realm[STORAGE];
  if (known !== undefined) return known;
  const storage = new AsyncLocalStorage<Deadline>();
  Object.defineProperty(realm, STORAGE, { value: storage });
  return storage;
}

const ambient = sharedStorage();

/**
 * The deadline under which the current code runs; {@link NO_DEADLINE} if none was set.
 *
 * @example
 * ```ts
 * import { ambientDeadline, deadlineAfter, NO_DEADLINE } from "ground-station-failover";
 * import { withDeadline } from "ground-station-failover";
 *
 * const deadline = deadlineAfter(5_000);
 * console.log(ambientDeadline() === NO_DEADLINE); // true
 * console.log(withDeadline(deadline, () => ambientDeadline() === deadline)); // true
 * ```
 */
export function ambientDeadline(): Deadline {
  return ambient.getStore() ?? NO_DEADLINE;
}

/**
 * Runs `work` under `deadline`, or under the ambient deadline if that is earlier: a nested deadline
 * can only shorten the time. Everything that `work` starts runs under it for as long as it lives.
 * Start work that must outlive the request in {@link withoutDeadline}, for example a poller that
 * starts with the first request, or a cache that serves all requests. If a call has a `deadline` of
 * its own, only that one applies. `clock`: the clock of `deadline`; default: the system's monotonic
 * clock. Throws `ConfigurationError` if `deadline` is not an instant on the axis of `clock`.
 *
 * @example
 * ```ts
 * import { ambientDeadline, deadlineAfter, withDeadline } from "ground-station-failover";
 *
 * const request = deadlineAfter(1_000);
 * const handle = async () => ambientDeadline() === request; // what it calls is under it as well
 * console.log(await withDeadline(request, handle)); // true
 * const later = () => withDeadline(deadlineAfter(9_000), ambientDeadline);
 * console.log(withDeadline(request, later) === request); // true
 * ```
 */
export function withDeadline<R>(deadline: Deadline, work: () => R, clock: Clock = systemClock): R {
  checkWork("withDeadline", work);
  const own = checkedDeadline(deadline, clock.nowMs(), hasWholeInstants(clock));
  const inherited = ambientDeadline();
  return ambient.run(own < inherited ? own : inherited, work);
}

/**
 * Runs `work`, and everything that it starts, under no deadline. Use it for what outlives the
 * request that starts it: a poller, a connection pool or a cache that is created when it is first
 * needed.
 *
 * @example
 * ```ts
 * import { ambientDeadline, deadlineAfter, NO_DEADLINE } from "ground-station-failover";
 * import { withDeadline, withoutDeadline } from "ground-station-failover";
 *
 * const startPoller = () => withoutDeadline(() => ambientDeadline());
 * console.log(withDeadline(deadlineAfter(1_000), startPoller) === NO_DEADLINE); // true
 * ```
 */
export function withoutDeadline<R>(work: () => R): R {
  checkWork("withoutDeadline", work);
  return ambient.run(NO_DEADLINE, work);
}

const GENERATORS: ReadonlySet<string> = new Set(["[object GeneratorFunction]", "[object AsyncGeneratorFunction]"]);

function checkWork(part: string, work: unknown): void {
  if (typeof work !== "function") throw refusal(part, "the work", work, "a function");
  // A generator function would return an iterator and do nothing. Its later work would be under the
  // deadline of the code that iterates.
  if (GENERATORS.has(Object.prototype.toString.call(work))) {
    throw refusal(part, "the work", work, "a function that does it, and not one that yields (function*)");
  }
}

/**
 * Runs `work` under exactly `deadline`, in any calling context: for work that was queued elsewhere.
 */
export function runUnder<R>(deadline: Deadline, work: () => R): R {
  return ambient.run(deadline, work);
}

/**
 * @internal Runs `work` in a kept context and under exactly `deadline`; if either is undefined, in
 * the present one.
 */
export function runIn<R>(context: AsyncResource | undefined, deadline: Deadline | undefined, work: () => R): R {
  const limited = deadline === undefined ? work : () => runUnder(deadline, work);
  return context === undefined ? limited() : context.runInAsyncScope(limited);
}

/**
 * The instant `ms` milliseconds from now on `clock` (default: the system's monotonic clock). More
 * than three years (1e11 ms) means no deadline, because the longest times in headers stand for "no
 * deadline".
 *
 * @example
 * ```ts
 * import { deadlineAfter, ResilientClient } from "ground-station-failover";
 *
 * const client = new ResilientClient({ name: "north" });
 * const answer = await client.call(async () => "served", { deadline: deadlineAfter(5_000) });
 * console.log(answer); // served
 * ```
 */
export function deadlineAfter(ms: number, clock: Clock = systemClock): Deadline {
  if (typeof ms !== "number" || Number.isNaN(ms)) throw refusal("deadlineAfter", "ms", ms, "a number of milliseconds");
  return deadlineIn(ms, clock.nowMs());
}

/** The earlier of an instant on the client's clock and a deadline. */
export function earlier(instantMs: number, deadline: Deadline): Deadline {
  return instantMs < deadline ? (instantMs as Deadline) : deadline;
}
