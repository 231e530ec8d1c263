/**
 * Deadlines. A deadline is an instant on the clock's monotonic axis, so that it can be handed from call to call
 * without growing; a timeout is a duration, and restarting one at each hop is how a five-second promise becomes
 * twenty. On the wire only the *time left* travels, because two machines share no monotonic axis: as the
 * `grpc-timeout` header (gRPC over HTTP/2 protocol: at most 8 digits and a unit) or as plain milliseconds.
 */
import { ConfigurationError, DeadlineExceededError } from "./errors.ts";

/** An instant in milliseconds on the axis of the clock in use; `Infinity` means none. */
export type Deadline = number;

/** No deadline. */
export const NO_DEADLINE: Deadline = Number.POSITIVE_INFINITY;

/** Header in which the time left travels as whole milliseconds. */
export const TIME_LEFT_HEADER = "x-deadline-ms";

/**
 * Further ahead than any monotonic clock is from its origin. A larger value is calendar time (`Date.now() + …`) handed
 * in by mistake; taken at face value it would silently mean "no deadline".
 */
const CALENDAR_TIME_MS = 1e11;

/** Milliseconds left at `nowMs`, never below zero. */
export function timeLeftMs(deadline: Deadline, nowMs: number): number {
  return deadline > nowMs ? deadline - nowMs : 0;
}

/** The refusal for an attempt that could not finish: less than `minimumMs` left. Undefined where it may start. */
export function tooLate(
  name: string,
  deadline: Deadline,
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

/** Returns `deadline`, or throws {@link ConfigurationError} where it is no instant of this clock's axis. */
export function checkedDeadline(deadline: Deadline, nowMs: number): Deadline {
  if (deadline - nowMs < CALENDAR_TIME_MS || deadline === NO_DEADLINE) return deadline;
  throw new ConfigurationError(
    "deadline-not-on-this-clock",
    `deadline is ${String(deadline)}; it must be an instant on the client's monotonic clock (now ${nowMs}), not calendar time: use deadlineAfter(ms).`,
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

/** The `grpc-timeout` value for a time left: the finest unit that fits 8 digits, rounded down so that it never grows. */
export function toGrpcTimeout(leftMs: number): string {
  for (const [unit, ms] of GRPC_UNITS) {
    // Rounded to a nanosecond first, so that 5 ms reads 5000000n and not 4999999n.
    const amount = Math.floor(Number((Math.max(0, leftMs) / ms).toFixed(6)));
    if (amount <= 99_999_999) return `${amount}${unit}`;
  }
  return "99999999H";
}

/** Milliseconds of a `grpc-timeout` value, or undefined where the text is none. */
export function fromGrpcTimeout(text: string): number | undefined {
  const match = /^(\d{1,8})([HMSmun])$/.exec(text);
  if (match === null) return undefined;
  const unit = GRPC_UNITS.find(([name]) => name === match[2]);
  return unit === undefined ? undefined : Number(match[1]) * unit[1];
}

/** The {@link TIME_LEFT_HEADER} value for a time left: whole milliseconds, rounded down. */
export function toTimeLeftHeader(leftMs: number): string {
  return String(Math.floor(Math.max(0, Math.min(leftMs, Number.MAX_SAFE_INTEGER))));
}

/** Milliseconds of a {@link TIME_LEFT_HEADER} value, or undefined where the text is none. */
export function fromTimeLeftHeader(text: string): number | undefined {
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
