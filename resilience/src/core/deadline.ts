/**
 * Deadlines. A deadline is an instant on the clock's monotonic axis, so it can be passed from call
 * to call without growing. A timeout is a duration; if each hop restarts one, a promise of five
 * seconds becomes twenty. Only the *time left* travels on the wire, because two machines share no
 * monotonic axis: as the `grpc-timeout` header (gRPC over HTTP/2 protocol: at most 8 digits and a
 * unit) or as plain milliseconds.
 */
import { ConfigurationError, DeadlineExceededError } from "./errors.ts";
import { refusal, shown } from "./options.ts";

declare const INSTANT: unique symbol;

/**
 * An instant in milliseconds on the axis of the clock in use; `Infinity` means no deadline. It has
 * a type of its own, so that a duration cannot be passed by mistake. `deadlineAfter(5_000)` makes a
 * deadline that is five seconds away; {@link deadlineAt} makes one from a computed number.
 */
export type Deadline = number & { readonly [INSTANT]: true };

/** No deadline. */
export const NO_DEADLINE: Deadline = Number.POSITIVE_INFINITY as Deadline;

/**
 * Makes a deadline from `instantMs`, a computed instant in milliseconds on the axis of the clock in
 * use: `deadlineAt(clock.nowMs() + 5_000)`. Throws {@link ConfigurationError} if `instantMs` is not
 * a number.
 *
 * @example
 * ```ts
 * import { deadlineAt, systemClock, timeLeftMs } from "ground-station-failover";
 *
 * const nowMs = systemClock.nowMs();
 * const deadline = deadlineAt(nowMs + 5_000);
 * console.log(Math.round(timeLeftMs(deadline, nowMs))); // 5000
 * ```
 */
export function deadlineAt(instantMs: number): Deadline {
  if (typeof instantMs === "number" && !Number.isNaN(instantMs)) return instantMs as Deadline;
  throw refusal("deadlineAt", "instantMs", instantMs, "an instant in milliseconds on the axis of a clock");
}

/** HTTP header that carries the time left, in whole milliseconds. */
export const TIME_LEFT_HEADER = "x-time-left-ms";

/**
 * No monotonic clock is this far from its origin. A larger value is calendar time
 * (`Date.now() + …`) passed by mistake; if it were accepted, it would silently mean "no deadline".
 */
const CALENDAR_TIME_MS = 1e11;

/**
 * Milliseconds that are left at `nowMs` until `deadline`; never below 0.
 *
 * @example
 * ```ts
 * import { deadlineAfter, timeLeftMs } from "ground-station-failover";
 * import { VirtualClock } from "ground-station-failover/sim";
 *
 * const clock = new VirtualClock();
 * const deadline = deadlineAfter(5_000, clock);
 * await clock.advanceBy(2_000);
 * console.log(timeLeftMs(deadline, clock.nowMs())); // 3000
 * await clock.advanceBy(4_000);
 * console.log(timeLeftMs(deadline, clock.nowMs())); // 0
 * ```
 */
export function timeLeftMs(deadline: number, nowMs: number): number {
  return deadline > nowMs ? deadline - nowMs : 0;
}

/**
 * The refusal of an attempt that could not finish, because at most `minimumMs` are left. Undefined
 * if it may start.
 */
export function tooLate(
  name: string,
  deadline: number,
  minimumMs: number,
  nowMs: number,
): DeadlineExceededError | undefined {
  const leftMs = deadline - nowMs;
  return leftMs > minimumMs ? undefined : notStarted(name, leftMs, minimumMs);
}

function notStarted(name: string, leftMs: number, minimumMs: number): DeadlineExceededError {
  const needed = minimumMs > 0 ? ` of the ${minimumMs} ms an attempt needs` : "";
  return new DeadlineExceededError(`${name}: the deadline leaves ${Math.max(0, leftMs)} ms${needed}; not started`);
}

/**
 * The deadline `ms` milliseconds after `nowMs`. No deadline if that is beyond the range of clocks,
 * as the longest times on the wire are.
 */
export function deadlineIn(ms: number, nowMs: number): Deadline {
  return ms < CALENDAR_TIME_MS ? ((nowMs + ms) as Deadline) : NO_DEADLINE;
}

/**
 * Returns `deadline`, or throws {@link ConfigurationError} if it is no instant on this clock's
 * axis. `areWhole`: instants of this clock may be whole numbers. If they may not, as with the
 * system's clock, a whole number is a duration passed by mistake, or a rounded instant, which looks
 * the same. A past instant in whole microseconds is refused too; a future one is accepted, because
 * it may come from `performance.now()`, which is on the same axis.
 */
export function checkedDeadline(deadline: number, nowMs: number, areWhole: boolean): Deadline {
  if (typeof deadline === "number" && (deadline - nowMs < CALENDAR_TIME_MS || deadline === NO_DEADLINE)) {
    if (areWhole || !looksLikeDuration(deadline, nowMs)) return deadline as Deadline;
  }
  throw notAnInstant(deadline, nowMs);
}

function looksLikeDuration(deadline: number, nowMs: number): boolean {
  if (deadline > nowMs) return Number.isInteger(deadline);
  return Number.isFinite(deadline) && Math.round(deadline * 1_000) / 1_000 === deadline;
}

function notAnInstant(deadline: unknown, nowMs: number): ConfigurationError {
  const isDuration = typeof deadline === "number" && deadline - nowMs < CALENDAR_TIME_MS;
  const advice = isDuration
    ? `not a duration nor a rounded instant: for ${deadline} ms from now write deadlineAfter(${deadline})`
    : "not calendar time: use deadlineAfter(ms)";
  return new ConfigurationError(
    "deadline-not-on-this-clock",
    `deadline is ${shown(deadline)}; it must be an instant on the client's monotonic clock (now ${nowMs}), ${advice}.`,
  );
}

const GRPC_UNITS: ReadonlyArray<readonly [unit: string, ms: number]> = [
  ["n", 1e-6],
  ["u", 1e-3],
  ["m", 1],
  ["S", 1_000],
  ["M", 60_000],
  ["H", 3_600_000],
];

function checkLeft(part: string, leftMs: unknown): void {
  if (typeof leftMs === "number" && !Number.isNaN(leftMs)) return;
  throw refusal(part, "the time left", leftMs, "a number of milliseconds; Infinity for no deadline");
}

/**
 * Formats a time left, in milliseconds, as a `grpc-timeout` value. It uses the finest unit that
 * fits 8 digits and rounds down, so that the time never grows. Throws {@link ConfigurationError} if
 * `leftMs` is not a number.
 *
 * @example
 * ```ts
 * import { deadlineAfter, timeLeftMs, toGrpcTimeout } from "ground-station-failover";
 * import { VirtualClock } from "ground-station-failover/sim";
 *
 * const clock = new VirtualClock();
 * const deadline = deadlineAfter(2_500, clock);
 * const headers = { "grpc-timeout": toGrpcTimeout(timeLeftMs(deadline, clock.nowMs())) };
 * console.log(headers["grpc-timeout"]); // 2500000u
 * ```
 */
export function toGrpcTimeout(leftMs: number): string {
  checkLeft("toGrpcTimeout", leftMs);
  for (const [unit, ms] of GRPC_UNITS) {
    // Rounded to a nanosecond first, so that 5 ms becomes 5000000n and not 4999999n.
    const amount = Math.floor(Number((Math.max(0, leftMs) / ms).toFixed(6)));
    if (amount <= 99_999_999) return `${amount}${unit}`;
  }
  return "99999999H";
}

/**
 * Milliseconds of a `grpc-timeout` value; undefined if `text` is not such a value.
 *
 * @example
 * ```ts
 * import { deadlineAfter, fromGrpcTimeout } from "ground-station-failover";
 *
 * const leftMs = fromGrpcTimeout("250m");
 * console.log(leftMs); // 250
 * const deadline = leftMs === undefined ? undefined : deadlineAfter(leftMs);
 * console.log(typeof deadline, fromGrpcTimeout("soon")); // number undefined
 * ```
 */
export function fromGrpcTimeout(text: string): number | undefined {
  const match = /^(\d{1,8})([HMSmun])$/.exec(text);
  if (match === null) return undefined;
  const unit = GRPC_UNITS.find(([name]) => name === match[2]);
  return unit === undefined ? undefined : Number(match[1]) * unit[1];
}

/**
 * Formats a time left as a {@link TIME_LEFT_HEADER} value: whole milliseconds, rounded down; 2⁵³ −
 * 1 for no deadline. Throws {@link ConfigurationError} if `leftMs` is not a number.
 *
 * @example
 * ```ts
 * import { deadlineAfter, timeLeftMs } from "ground-station-failover";
 * import { TIME_LEFT_HEADER, toTimeLeftHeader } from "ground-station-failover";
 * import { VirtualClock } from "ground-station-failover/sim";
 *
 * const clock = new VirtualClock();
 * const deadline = deadlineAfter(1_500, clock);
 * const leftMs = timeLeftMs(deadline, clock.nowMs());
 * const headers = new Headers({ [TIME_LEFT_HEADER]: toTimeLeftHeader(leftMs) });
 * console.log(headers.get(TIME_LEFT_HEADER)); // 1500
 * ```
 */
export function toTimeLeftHeader(leftMs: number): string {
  checkLeft("toTimeLeftHeader", leftMs);
  return String(Math.floor(Math.max(0, Math.min(leftMs, Number.MAX_SAFE_INTEGER))));
}

/**
 * Milliseconds of a {@link TIME_LEFT_HEADER} value; undefined if `text` is not such a value.
 *
 * @example
 * ```ts
 * import { deadlineAfter, fromTimeLeftHeader, TIME_LEFT_HEADER } from "ground-station-failover";
 *
 * const headers = new Headers({ [TIME_LEFT_HEADER]: "1500" });
 * const leftMs = fromTimeLeftHeader(headers.get(TIME_LEFT_HEADER) ?? "");
 * console.log(leftMs); // 1500
 * const deadline = leftMs === undefined ? undefined : deadlineAfter(leftMs);
 * console.log(typeof deadline, fromTimeLeftHeader("soon")); // number undefined
 * ```
 */
export function fromTimeLeftHeader(text: string): number | undefined {
  const ms = /^\d{1,16}$/.test(text) ? Number(text) : undefined;
  // 2⁵³ − 1 is the value that this library writes for no deadline.
  return ms !== undefined && ms <= Number.MAX_SAFE_INTEGER ? ms : undefined;
}
