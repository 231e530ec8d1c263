/**
 * Calls that a station failed, and that were not sent to another station because they may not run
 * twice. A new call finds out whose fault it was. A call that has not been sent yet may go to any
 * station. If another station serves it, this counts against the first station as much as if the
 * failed call itself had been served elsewhere.
 *
 * The new call must be of the same source, because another route may need less time, or be served
 * while this one is refused. If very many sources have failed, the route cannot be the reason, and
 * any source will do. Each failed call is compared once.
 */

/** This many in a row are worth a comparison: one or two may be chance. */
const WORTH_COMPARING = 3;
/**
 * With this many sources, any source will do: one client may have several methods and routes that
 * always fail.
 */
export const MANY_SOURCES = 8;

export class Uncompared {
  readonly #sources: Set<object> = new Set();
  #count = 0;

  get size(): number {
    return this.#count;
  }

  /** The station failed a call of `source`. */
  note(source: object): void {
    this.#count++;
    if (this.#sources.size < MANY_SOURCES) this.#sources.add(source);
  }

  /** Is it worth testing whether another station serves a new call of `source`? */
  isWorthComparing(source: object): boolean {
    return this.#count >= WORTH_COMPARING && this.#isAbout(source);
  }

  /**
   * Another station served a call of `source`. True, once for each failed call, if that counts
   * against this station.
   */
  take(source: object): boolean {
    if (this.#count === 0 || !this.#isAbout(source)) return false;
    this.#count--;
    return true;
  }

  clear(): void {
    if (this.#sources.size === 0) return;
    this.#count = 0;
    this.#sources.clear();
  }

  #isAbout(source: object): boolean {
    return this.#sources.size >= MANY_SOURCES || this.#sources.has(source);
  }
}
