/**
 * How long an attempt may be out: until it is overdue, until it is worth a second attempt at
 * another station, and until its station must have begun to work on it. It depends on the station's
 * usual times (`answer-times.ts`) and on the time that the source needs (`call-sources.ts`). While
 * these are unknown, the slowest of the other stations is the measure, or the known patience of
 * callers.
 */

import type { Attempt, Call } from "../call.ts";
import type { Roles } from "../roles.ts";
import type { Station } from "../station.ts";
import type { AnswerTimes } from "./answer-times.ts";
import type { CallSource } from "./call-sources.ts";
import type { CallerPatience } from "./patience.ts";

/**
 * A call that its station has not begun within this time is taken back, if the station can be asked
 * and is told the deadline. The time is three times as long as all but one in a thousand of its
 * answers take, and at least a second, because clocks differ slightly.
 */
const LEASE_RATIO = 3;
const MIN_LEASE_MS = 1_000;
/**
 * Half of all answers take longer than the usual time, so a call needs slightly more time than
 * that.
 */
const SERVICE_MARGIN = 1.1;
/**
 * A station with too few known answers may take this many times longer than the slowest of the
 * others.
 */
export const STRANGER_RATIO = 2;
/**
 * If it is unknown how long a call may take (the first minute of a gateway, a new route), it is
 * worth a second attempt after this long. Its age proves nothing, because an endpoint may need five
 * seconds. It is evidence if another station answers first. Only in this way is a station found
 * that hangs from its first call on.
 */
const STRANGER_HEDGE_MS = 1_000;
/**
 * Alternatively, half of the time that callers are known to wait, while there is time for a second
 * attempt; but at least this.
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
   * The usual answer time of `station`. A station that has served no call yet is taken to be as
   * slow as the slowest of the others.
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

  /** How long a call still needs if the active station takes it now. */
  get serviceMs(): number {
    return this.ms(this.#roles.active) * SERVICE_MARGIN;
  }

  /** `station` answers nearly all calls of `source` in less than this; `Infinity` while unknown. */
  overdueAfterMs(station: Station, source: CallSource): number {
    const ownMs = this.#timesOf(station).overdueAfterMs();
    return source.isKnown && source.overdueAfterMs > ownMs ? source.overdueAfterMs : ownMs;
  }

  /**
   * The time within which calls of `source` have been answered so far. A station that has answered
   * none since it began to serve may take longer.
   */
  answeredByMs({ admission, evidence }: Station, source: CallSource): number {
    return source.answeredByMs * (evidence.lastServedMs < admission.begunAtMs ? STRANGER_RATIO : 1);
  }

  /**
   * When an attempt becomes overdue, or, once it is overdue, worth a second attempt; `Infinity`
   * after both.
   */
  lateAtMs(attempt: Attempt): number {
    if (attempt.isHedged) return ENDLESS;
    const usualMs = Math.max(attempt.call.source.overdueAfterMs, attempt.station.answerTimes.overdueAfterMs());
    const isUsual = usualMs < ENDLESS && !attempt.isOverdue;
    const lateMs = attempt.judgedFromMs + (isUsual ? usualMs : this.#lateAfterMs(attempt));
    return Math.max(lateMs, this.#roles.distrustUntilMs);
  }

  /**
   * How long an attempt may be out if the usual time of its station or its source is unknown, or if
   * it is overdue.
   */
  #lateAfterMs(attempt: Attempt): number {
    const { source } = attempt.call;
    const afterMs = this.#lateThereAfterMs(attempt);
    return source.isKnown ? Math.max(source.overdueAfterMs, afterMs) : afterMs;
  }

  /** The same by its station alone, without the time that its source needs. */
  #lateThereAfterMs({ station, call, isOverdue }: Attempt): number {
    const usual = this.#timesOf(station);
    const overdueAfterMs = usual.overdueAfterMs();
    const ratio = usual === station.answerTimes ? 1 : STRANGER_RATIO;
    if (call.terms.source.isKnown && overdueAfterMs < ENDLESS) {
      // A silent station will not answer: its overdue attempts go to another station at once.
      const isPatient = isOverdue && !station.evidence.isSilent;
      const afterMs = (isPatient ? usual.hedgeAfterMs() : overdueAfterMs) * ratio;
      // A call that may not be sent twice may need much work. The only measure for that is how long
      // its caller waits.
      return isOverdue && !call.isRepeatable ? Math.max(afterMs, this.strangerAfterMs) : afterMs;
    }
    const afterMs = Math.max(this.strangerAfterMs, this.ms(station) * STRANGER_RATIO);
    return overdueAfterMs < ENDLESS ? Math.max(afterMs, usual.hedgeAfterMs() * ratio) : afterMs;
  }

  /**
   * From when an overdue attempt shows that its station is silent. A station with few known answers
   * is measured by the others, and may be more than twice as slow as they are. So its silence
   * counts only after the time that its own answers took.
   */
  silentAtMs({ station, judgedFromMs }: Attempt, nowMs: number): number {
    const own = station.answerTimes;
    return own.overdueAfterMs() < ENDLESS ? nowMs : Math.max(nowMs, judgedFromMs + own.overdueAfterSoFarMs);
  }

  /** How long an attempt is out before it is worth a second one, if its usual time is unknown. */
  get strangerAfterMs(): number {
    const { estimateMs } = this.#patience;
    if (estimateMs === undefined) return STRANGER_HEDGE_MS;
    return Math.min(STRANGER_HEDGE_MS, Math.max(MIN_STRANGER_HEDGE_MS, estimateMs / 2));
  }

  /**
   * Is it known how long such an attempt may take? Otherwise its age does not count against its
   * station.
   */
  isKnown({ station, call }: Attempt): boolean {
    return call.terms.source.isKnown && this.#timesOf(station).overdueAfterMs() < ENDLESS;
  }

  /**
   * How long `station` may take to begin to work on `call`. If it has not begun by then, it has
   * stopped, and the call will have gone to another station. Endless if its answer times are
   * unknown.
   */
  leaseMs({ terms: { source } }: Call, station: Station): number {
    const own = station.answerTimes;
    const known = own.hedgeAfterMs() < ENDLESS ? own : this.#slowestKnown();
    return Math.max(MIN_LEASE_MS, LEASE_RATIO * Math.max(known.hedgeAfterMs(), source.overdueAfterMs));
  }

  /**
   * The station's own answer times, once enough are known; until then those of the slowest station
   * whose times are known.
   */
  #timesOf({ answerTimes }: Station): AnswerTimes {
    return answerTimes.overdueAfterMs() < ENDLESS ? answerTimes : this.#slowestKnown();
  }

  /**
   * Answer times of the slowest station whose times are known; those of the active station if none
   * are known.
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
