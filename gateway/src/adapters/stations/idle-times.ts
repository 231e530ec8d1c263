/**
 * How long a connection to a station may be idle and still be safe for a command that may be sent
 * only once. A station closes a connection that was idle for too long, without a notice. A command
 * that is sent at that moment is lost, and it cannot be known whether it ran. Therefore such a
 * command never uses a connection that was idle for more than half of the longest idle time known
 * to be safe. A new connection costs one round trip and has no idle time.
 */

/**
 * Assumed before anything is known: the shortest default of common servers (gunicorn's). Many keep
 * 5 s, proxies a minute.
 */
const SURVIVED_AT_FIRST_MS = 2_000;
/**
 * How long a close by the station is remembered. It is forgotten if it does not happen again at
 * such an idle time, because it may have been a restart.
 */
const CLOSED_FOR_MS = 300_000;
/** A close after up to 1.5 times the remembered idle time confirms that time. */
const AS_SOON = 1.5;

export class IdleTimes {
  #survivedMs = SURVIVED_AT_FIRST_MS;
  #closedMs: number = Number.POSITIVE_INFINITY;
  #closedAtMs: number = Number.NEGATIVE_INFINITY;

  /**
   * After `idleMs` of idling, a connection still delivered an answer, or was closed by the gateway.
   */
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

  /**
   * A connection that was idle for no longer than this is not about to be closed. In ms, at least
   * 0.
   */
  safeMs(nowMs: number): number {
    const closedMs = nowMs - this.#closedAtMs < CLOSED_FOR_MS ? this.#closedMs : Number.POSITIVE_INFINITY;
    return Math.min(this.#survivedMs, closedMs) / 2;
  }
}
