/**
 * Calls that a station did not serve, and that were not sent to another one because they may not
 * run twice: whose fault was it? A new call tells. One that nobody has sent yet may go to any
 * station; if another one serves it, that speaks against this station as much as if it had served
 * the very call that failed here.
 *
 * It has to be a call of the same source, because another route may need less time or be served
 * where this one is refused, unless so many sources are in the same case that it is not the route.
 * Each call that was not served is compared once.
 */

/** So many in a row are worth a comparison: one or two are chance. */
const WORTH_COMPARING = 3;
/**
 * Of so many sources it does not matter which: one client may have several methods and routes that
 * always fail.
 */
export const MANY_SOURCES = 8;

export class Uncompared {
  readonly #sources: Set<object> = new Set();
  #count = 0;

  get size(): number {
    return this.#count;
  }

  /** The station did not serve a call of `source`. */
  note(source: object): void {
    this.#count++;
    if (this.#sources.size < MANY_SOURCES) this.#sources.add(source);
  }

  /** Is it worth finding out whether another station serves a new call of `source`? */
  isWorthComparing(source: object): boolean {
    return this.#count >= WORTH_COMPARING && this.#isAbout(source);
  }

  /**
   * Another station served a call of `source`: true where that speaks against this one, once for
   * each call.
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
