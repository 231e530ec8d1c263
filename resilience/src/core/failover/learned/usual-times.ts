/**
 * How long an attempt may take: until it is overdue, until it is worth a second one elsewhere, and
 * until its station may begin with it at all. By what its station usually takes (`answer-times.ts`)
 * and by what its source needs (`call-sources.ts`); where that is not known yet, by the slowest of
 * the others, or by how long callers are known to wait.
 */

import type { Attempt, Call } from "../call.ts";
import type { Roles } from "../roles.ts";
import type { Station } from "../station.ts";
import type { AnswerTimes } from "./answer-times.ts";
import type { CallSource } from "./call-sources.ts";
import type { CallerPatience } from "./patience.ts";

/**
 * What a station has not begun within this time is taken back (where it can be asked, and the
 * deadline is told to it): three times as long as all but one in a thousand of its answers take,
 * and at least a second, for clocks that are not quite equal.
 */
const LEASE_RATIO = 3;
const MIN_LEASE_MS = 1_000;
/** Half of all answers take longer than usual: a call needs a little more time than that. */
const SERVICE_MARGIN = 1.1;
/**
 * A station of which too few answers are known may take so many times longer than the slowest of
 * the others.
 */
export const STRANGER_RATIO = 2;
/**
 * Where nobody knows how long a call may take (the first minute of a gateway, a new route), it is
 * worth a second attempt after this long. It proves nothing by its age: an endpoint may need five
 * seconds. That another station answers it first does, and a station that hangs from the first call
 * on is found out in this way only.
 */
const STRANGER_HEDGE_MS = 1_000;
/**
 * … or after half of the time that callers are known to wait, while there is time for the second
 * one; not sooner than this.
 */
const MIN_STRANGER_HEDGE_MS = 100;
const ENDLESS = Number.POSITIVE_INFINITY;

export class UsualTimes {
  readonly #roles: Roles;
  readonly #patience: CallerPatience;

  constructor(roles: Roles, patience: CallerPatience) {
    this.#roles = roles;
    this.#patience = patience;
  }

  /**
   * How long `station` usually takes; one that has served nobody yet is taken to be as quick as the
   * others.
   */
  ms(station: Station): number {
    const { usualMs } = station.answerTimes;
    return usualMs === 0 ? this.#slowestUsualMs() : usualMs;
  }

  #slowestUsualMs(): number {
    let slowestMs = 0;
    for (const { answerTimes } of this.#roles.stations) slowestMs = Math.max(slowestMs, answerTimes.usualMs);
    return slowestMs;
  }

  /** How long a call needs from now on, if the active station takes it. */
  get serviceMs(): number {
    return this.ms(this.#roles.active) * SERVICE_MARGIN;
  }

  /**
   * Nearly all calls of `source` are answered by `station` in less than this; `Infinity` while
   * nobody knows.
   */
  overdueAfterMs(station: Station, source: CallSource): number {
    const ownMs = this.#timesOf(station).overdueAfterMs();
    return source.isKnown && source.overdueAfterMs > ownMs ? source.overdueAfterMs : ownMs;
  }

  /**
   * By when calls of `source` were answered so far; one that has answered none yet since it began
   * to serve may take longer.
   */
  answeredByMs({ admission, evidence }: Station, source: CallSource): number {
    return source.answeredByMs * (evidence.lastServedMs < admission.begunAtMs ? STRANGER_RATIO : 1);
  }

  /**
   * When an attempt becomes overdue, or, once it is, worth a second one; `Infinity` once it is
   * both.
   */
  lateAtMs(attempt: Attempt): number {
    if (attempt.isHedged) return ENDLESS;
    const usualMs = Math.max(attempt.call.source.overdueAfterMs, attempt.station.answerTimes.overdueAfterMs());
    const isUsual = usualMs < ENDLESS && !attempt.isOverdue;
    const lateMs = attempt.judgedFromMs + (isUsual ? usualMs : this.#lateAfterMs(attempt));
    return Math.max(lateMs, this.#roles.distrustUntilMs);
  }

  /**
   * How long an attempt may be out where that is not known of its station or its source, or where
   * it is overdue.
   */
  #lateAfterMs(attempt: Attempt): number {
    const { source } = attempt.call;
    const afterMs = this.#lateThereAfterMs(attempt);
    return source.isKnown ? Math.max(source.overdueAfterMs, afterMs) : afterMs;
  }

  /** … by its station alone, whatever its source needs. */
  #lateThereAfterMs({ station, call, isOverdue }: Attempt): number {
    const usual = this.#timesOf(station);
    const overdueAfterMs = usual.overdueAfterMs();
    const ratio = usual === station.answerTimes ? 1 : STRANGER_RATIO;
    if (call.terms.source.isKnown && overdueAfterMs < ENDLESS) {
      // Nothing is to be hoped for from a station that is silent: what is overdue there goes
      // elsewhere at once.
      const isPatient = isOverdue && !station.evidence.isSilent;
      const afterMs = (isPatient ? usual.hedgeAfterMs() : overdueAfterMs) * ratio;
      // What can have no second attempt may be much work; whether it is can only be told by how
      // long its caller waits.
      return isOverdue && !call.isRepeatable ? Math.max(afterMs, this.strangerAfterMs) : afterMs;
    }
    const afterMs = Math.max(this.strangerAfterMs, this.ms(station) * STRANGER_RATIO);
    return overdueAfterMs < ENDLESS ? Math.max(afterMs, usual.hedgeAfterMs() * ratio) : afterMs;
  }

  /**
   * From when an overdue attempt shows that its station is silent. One of which few answers are
   * known is measured by the others, and may be slower than twice of that: as long as its own
   * answers took, it may yet answer.
   */
  silentAtMs({ station, judgedFromMs }: Attempt, nowMs: number): number {
    const own = station.answerTimes;
    return own.overdueAfterMs() < ENDLESS ? nowMs : Math.max(nowMs, judgedFromMs + own.overdueAfterSoFarMs);
  }

  /**
   * How long an attempt is out before it is worth a second one, where nobody knows how long it may
   * take.
   */
  get strangerAfterMs(): number {
    const { estimateMs } = this.#patience;
    if (estimateMs === undefined) return STRANGER_HEDGE_MS;
    return Math.min(STRANGER_HEDGE_MS, Math.max(MIN_STRANGER_HEDGE_MS, estimateMs / 2));
  }

  /**
   * Is it known how long an attempt of this kind may take? Otherwise its age is not held against
   * its station.
   */
  isKnown({ station, call }: Attempt): boolean {
    return call.terms.source.isKnown && this.#timesOf(station).overdueAfterMs() < ENDLESS;
  }

  /**
   * How long `station` may take to begin to work on `call`: so long that it stands still if it has
   * not, and the call will have gone elsewhere. Endless where nobody knows how long its answers
   * take.
   */
  leaseMs({ terms: { source } }: Call, station: Station): number {
    const own = station.answerTimes;
    const known = own.hedgeAfterMs() < ENDLESS ? own : this.#slowestKnown();
    return Math.max(MIN_LEASE_MS, LEASE_RATIO * Math.max(known.hedgeAfterMs(), source.overdueAfterMs));
  }

  /**
   * Its own answer times, once enough of them are known; before, those of the slowest of which they
   * are.
   */
  #timesOf({ answerTimes }: Station): AnswerTimes {
    return answerTimes.overdueAfterMs() < ENDLESS ? answerTimes : this.#slowestKnown();
  }

  /**
   * Answer times of the slowest station of which they are known; the active one's where they are
   * known of none.
   */
  #slowestKnown(): AnswerTimes {
    let slowest = this.#roles.active.answerTimes;
    for (const { answerTimes } of this.#roles.stations) {
      const isSlower = !(slowest.overdueAfterMs() < ENDLESS) || answerTimes.overdueAfterMs() > slowest.overdueAfterMs();
      if (answerTimes.overdueAfterMs() < ENDLESS && isSlower) slowest = answerTimes;
    }
    return slowest;
  }
}
