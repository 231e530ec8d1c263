/**
 * How long calls will have to wait, and how long each may: what is asked for is compared with what
 * the active station does in a second, and the time of those who wait with the time of their
 * callers. A call that could not be served in time is refused at once, with how long to stay away.
 */
import type { Call } from "../call.ts";
import type { CallQueue } from "../call-queue.ts";
import type { CallerPatience } from "../learned/patience.ts";
import type { UsualTimes } from "../learned/usual-times.ts";
import type { Roles } from "../roles.ts";
import type { Router } from "../router.ts";
import { OverloadWatch } from "./overload-watch.ts";

/** How many of those who wait will be served is worked out again this often. */
const SURVEY_INTERVAL_MS = 20;
/**
 * Who has waited for so long, a second more than it takes to tell a lasting overload from a surge,
 * and so many times as long as anybody who is let in later, is left over from before it.
 */
const LEFT_OVER = { leastMs: 3_000, ratio: 2 };
/**
 * Where the next call waits so soon after the last one, that nobody did in between is chance: a
 * short queue is empty now and then.
 */
const BREAK_MS = 100;
const ENDLESS = Number.POSITIVE_INFINITY;

export interface OutlookParts {
  readonly roles: Roles;
  readonly router: Router;
  readonly queue: CallQueue;
  readonly usual: UsualTimes;
  readonly patience: CallerPatience;
}

export class Outlook {
  readonly #parts: OutlookParts;
  readonly #overload: OverloadWatch = new OverloadWatch();
  /** Since when calls have waited without a break to speak of, and when the last one began to. */
  #queuedSinceMs = 0;
  #queuedAtMs: number = Number.NEGATIVE_INFINITY;
  /** How many of those who waited at `atMs` would be served in time, and how many they were. */
  #survey = { atMs: Number.NEGATIVE_INFINITY, servable: 0, waiting: 0 };

  constructor(parts: OutlookParts) {
    this.#parts = parts;
  }

  noteOffered(nowMs: number): void {
    this.#overload.noteOffered(nowMs);
  }

  noteAnswered(nowMs: number): void {
    this.#overload.noteAnswered(nowMs);
  }

  /** A call begins to wait; `isFirst`: no other does. */
  noteQueued(isFirst: boolean, nowMs: number): void {
    if (isFirst && nowMs - this.#queuedAtMs > BREAK_MS) this.#queuedSinceMs = nowMs;
    this.#queuedAtMs = nowMs;
  }

  /** By when a call's caller wants its answer, as far as anybody knows. */
  limitMs(call: Call): number {
    const { estimateMs } = this.#parts.patience;
    if (estimateMs === undefined) return call.terms.deadline;
    return Math.min(call.terms.deadline, call.arrivedMs + estimateMs);
  }

  /** How long a call that arrives now would wait; 0 where nothing is known. */
  expectedWaitMs(nowMs: number): number {
    const { queue, router } = this.#parts;
    if (queue.size === 0 || !router.isAnyUsable(nowMs)) return 0;
    const perSecond = this.#drainPerSecond(nowMs);
    return perSecond === ENDLESS ? 0 : (this.#servable(1_000 / perSecond, nowMs) * 1_000) / perSecond;
  }

  /**
   * How long `call` may have to wait: what its caller has time for, and little where more is asked
   * for than can be done.
   */
  acceptedWaitMs(call: Call, nowMs: number): number {
    const { usual } = this.#parts;
    const leftMs = Math.max(0, this.limitMs(call) - nowMs - usual.serviceMs);
    return this.isOverloaded(nowMs) ? Math.min(leftMs, this.#overload.standingMs(this.#leisureMs)) : leftMs;
  }

  /**
   * Was `call` admitted to the queue before the overload was known to last? As many are answered
   * whoever goes first: those who come now soon, or those who have waited for long, and may be gone
   * without a sign, later and later. Where it is known how long callers wait, none of them waits
   * for longer anyway.
   */
  isLeftOver(call: Call, nowMs: number): boolean {
    const waitedMs = nowMs - call.arrivedMs;
    if (waitedMs < LEFT_OVER.leastMs || call.visits !== undefined) return false;
    if (this.#parts.patience.estimateMs !== undefined) return false;
    return waitedMs >= LEFT_OVER.ratio * this.#overload.standingMs(this.#leisureMs) && this.isOverloaded(nowMs);
  }

  /**
   * How long the active station takes where nobody waits there: its usual time grows with a queue
   * that it has itself.
   */
  get #leisureMs(): number {
    const { roles, usual } = this.#parts;
    const { leisureMs } = roles.active.crowding;
    return leisureMs > 0 ? leisureMs : usual.ms(roles.active);
  }

  /** Is more asked for than can be done, and for good? */
  isOverloaded(nowMs: number): boolean {
    const { roles, usual } = this.#parts;
    const { begunAtMs } = roles.active.admission;
    return this.#overload.isLasting(this.#queuedSinceMs, begunAtMs, usual.ms(roles.active), nowMs);
  }

  /** How many of those who wait go in a second; `Infinity` where nobody knows. */
  #drainPerSecond(nowMs: number): number {
    const { active } = this.#parts.roles;
    const { admission } = active;
    if (admission.isTrial) return ENDLESS;
    const usualMs = this.#parts.usual.ms(active);
    const allowed = usualMs === 0 ? ENDLESS : (admission.mostConcurrent * 1_000) / usualMs;
    const measured = this.#overload.answeredPerSecond(nowMs);
    // Where calls have waited for a second, what was answered in it is all that the station does.
    const isFull = this.#overload.isFull(this.#queuedSinceMs, admission.begunAtMs, usualMs, nowMs);
    if (measured > 0 && isFull) return measured;
    return Math.max(measured, Math.min(admission.capacityPerSecond, allowed));
  }

  /**
   * How many of those who wait will be served, if one goes every `everyMs`; the time of the others
   * will be over before.
   */
  #servable(everyMs: number, nowMs: number): number {
    const { queue, usual } = this.#parts;
    const { size } = queue;
    const { atMs, servable, waiting } = this.#survey;
    if (nowMs - atMs < SURVEY_INTERVAL_MS) return Math.max(0, Math.min(size, servable + size - waiting));
    const { serviceMs } = usual;
    const count = queue.countInTime((call) => this.limitMs(call) - serviceMs, everyMs, nowMs);
    this.#survey = { atMs: nowMs, servable: count, waiting: size };
    return count;
  }
}
