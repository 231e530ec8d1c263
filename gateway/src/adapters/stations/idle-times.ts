/**
 * For how long connections to a station may be idle and still be good for a command that may be
 * sent once only. A station closes what has been idle for too long for it, and says so to nobody; a
 * command that goes out at that very moment is lost, and whether it ran nobody can tell. So such a
 * command takes no connection that has been idle for more than half of what others are known to
 * have survived. A new connection costs one round trip, and has been idle for no time.
 */

/**
 * Taken for known before anything is: the shortest default of servers in common use (gunicorn's).
 * Many keep 5 s, proxies a minute.
 */
const SURVIVED_AT_FIRST_MS = 2_000;
/**
 * A connection that the station closed is remembered for so long, unless it goes on closing them so
 * soon: it may have been a restart.
 */
const CLOSED_FOR_MS = 300_000;
/** Idle for up to so many times as long is closed as soon. */
const AS_SOON = 1.5;

export class IdleTimes {
  #survivedMs = SURVIVED_AT_FIRST_MS;
  #closedMs: number = Number.POSITIVE_INFINITY;
  #closedAtMs: number = Number.NEGATIVE_INFINITY;

  /** A connection was answered on, or closed from here, after it had been idle for `idleMs`. */
  noteSurvived(idleMs: number): void {
    if (idleMs > this.#survivedMs) this.#survivedMs = idleMs;
  }

  /** The station closed a connection that had been idle for `idleMs`. */
  noteClosed(idleMs: number, nowMs: number): void {
    const isRemembered = nowMs - this.#closedAtMs < CLOSED_FOR_MS;
    if (isRemembered && idleMs > AS_SOON * this.#closedMs) return;
    this.#closedMs = isRemembered ? Math.min(this.#closedMs, idleMs) : idleMs;
    this.#closedAtMs = nowMs;
  }

  /** Idle for no longer than this: not about to be closed. In ms, at least 0. */
  safeMs(nowMs: number): number {
    const closedMs = nowMs - this.#closedAtMs < CLOSED_FOR_MS ? this.#closedMs : Number.POSITIVE_INFINITY;
    return Math.min(this.#survivedMs, closedMs) / 2;
  }
}
