/**
 * Estimates how long calls will have to wait, and how long each may wait. It compares the demand
 * with the work of the active station in a second, and the waiting time with the callers' time. A
 * call that could not be served in time is refused at once, with a `Retry-After`.
 */
import type { Call } from "../call.ts";
import type { CallQueue } from "../call-queue.ts";
import type { CallerPatience } from "../learned/patience.ts";
import type { UsualTimes } from "../learned/usual-times.ts";
import type { Roles } from "../roles.ts";
import type { Router } from "../router.ts";
import { OverloadWatch } from "./overload-watch.ts";

/** The number of waiting calls that will be served is recomputed at this interval. */
const SURVEY_INTERVAL_MS = 20;
/**
 * A call is left over from before a lasting overload if it has waited this long: a second more than
 * it takes to tell a lasting overload from a surge, and `ratio` times as long as any call that is
 * admitted later.
 */
const LEFT_OVER = { leastMs: 3_000, ratio: 2 };
/**
 * If the next call waits this soon after the last one, an empty queue in between is chance: a short
 * queue is empty now and then.
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
  /**
   * Since when calls have waited without a longer interruption, and when the last one began to
   * wait.
   */
  #queuedSinceMs = 0;
  #queuedAtMs: number = Number.NEGATIVE_INFINITY;
  /** How many of the calls that waited at `atMs` would be served in time, and how many waited. */
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

  /** A call begins to wait. `isFirst`: no other call is waiting. */
  noteQueued(isFirst: boolean, nowMs: number): void {
    if (isFirst && nowMs - this.#queuedAtMs > BREAK_MS) this.#queuedSinceMs = nowMs;
    this.#queuedAtMs = nowMs;
  }

  /** When a call's caller needs its answer, as far as is known. */
  limitMs(call: Call): number {
    const { estimateMs } = this.#parts.patience;
    if (estimateMs === undefined) return call.terms.deadline;
    return Math.min(call.terms.deadline, call.arrivedMs + estimateMs);
  }

  /** How long a call that arrives now would wait; 0 if unknown. */
  expectedWaitMs(nowMs: number): number {
    const { queue, router } = this.#parts;
    if (queue.size === 0 || !router.isAnyUsable(nowMs)) return 0;
    const perSecond = this.#drainPerSecond(nowMs);
    return perSecond === ENDLESS ? 0 : (this.#servable(1_000 / perSecond, nowMs) * 1_000) / perSecond;
  }

  /**
   * How long `call` may have to wait: the time that its caller has, or only a little if the demand
   * exceeds the capacity.
   */
  acceptedWaitMs(call: Call, nowMs: number): number {
    const { usual } = this.#parts;
    const leftMs = Math.max(0, this.limitMs(call) - nowMs - usual.serviceMs);
    return this.isOverloaded(nowMs) ? Math.min(leftMs, this.#overload.standingMs(this.#leisureMs)) : leftMs;
  }

  /**
   * Was `call` queued before the overload was known to last? The number of answers is the same in
   * any order. Either new calls are answered soon, or calls that have waited long, and whose
   * callers may have gone unnoticed, are answered later and later. If the callers' patience is
   * known, no call waits longer than that anyway.
   */
  isLeftOver(call: Call, nowMs: number): boolean {
    const waitedMs = nowMs - call.arrivedMs;
    if (waitedMs < LEFT_OVER.leastMs || call.visits !== undefined) return false;
    if (this.#parts.patience.estimateMs !== undefined) return false;
    return waitedMs >= LEFT_OVER.ratio * this.#overload.standingMs(this.#leisureMs) && this.isOverloaded(nowMs);
  }

  /**
   * How long the active station takes when no call waits there. Its usual time would include a
   * queue of its own.
   */
  get #leisureMs(): number {
    const { roles, usual } = this.#parts;
    const { leisureMs } = roles.active.crowding;
    return leisureMs > 0 ? leisureMs : usual.ms(roles.active);
  }

  /** Does the demand exceed the capacity permanently? */
  isOverloaded(nowMs: number): boolean {
    const { roles, usual } = this.#parts;
    const { begunAtMs } = roles.active.admission;
    return this.#overload.isLasting(this.#queuedSinceMs, begunAtMs, usual.ms(roles.active), nowMs);
  }

  /** Waiting calls that go in a second; `Infinity` if unknown. */
  #drainPerSecond(nowMs: number): number {
    const { active } = this.#parts.roles;
    const { admission } = active;
    if (admission.isTrial) return ENDLESS;
    const usualMs = this.#parts.usual.ms(active);
    const allowed = usualMs === 0 ? ENDLESS : (admission.mostConcurrent * 1_000) / usualMs;
    const measured = this.#overload.answeredPerSecond(nowMs);
    // If calls have waited for a second, the answers in that second show the station's full
    // capacity.
    const isFull = this.#overload.isFull(this.#queuedSinceMs, admission.begunAtMs, usualMs, nowMs);
    if (measured > 0 && isFull) return measured;
    return Math.max(measured, Math.min(admission.capacityPerSecond, allowed));
  }

  /**
   * How many waiting calls will be served if one goes every `everyMs`; the others run out of time
   * before.
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
