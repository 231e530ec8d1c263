/**
 * Random numbers as an argument. A stream is fixed by its seed, and `fork(name)` gives an
 * independent stream that is fixed by seed and name. If one part of a program draws one number
 * more, the draws of all other parts stay the same. So a failing seed can be replayed after a
 * change, and a failing run can be shrunk.
 *
 * Generator: sfc32 (Chris Doty-Humphrey, PractRand): 128 bits of state and only 32-bit integer
 * operations, so that every JavaScript engine draws the same numbers. Not for secrets.
 */

import { refusal } from "./options.ts";

/** A stream of pseudo-random numbers. */
export interface Random {
  /** The next number, uniform in [0, 1), with 32 bits of resolution. */
  next(): number;
  /**
   * An independent stream fixed by this stream's seed and `name`; forking does not advance this
   * stream.
   */
  fork(name: string): Random;
}

/**
 * Creates a stream of pseudo-random numbers that `seed` determines: any string, or a finite number.
 * Throws `ConfigurationError` if `seed` is neither.
 *
 * @example
 * ```ts
 * import { seededRandom } from "ground-station-failover";
 *
 * const [one, other] = [seededRandom(7), seededRandom(7)];
 * console.log(one.next() === other.next()); // true
 * console.log(one.fork("jitter").next() === one.fork("faults").next()); // false
 * ```
 */
export function seededRandom(seed: number | string): Random {
  if (typeof seed === "string" || Number.isFinite(seed)) return new Sfc32(String(seed));
  throw refusal("seededRandom", "seed", seed, "a text or a finite number");
}

class Sfc32 implements Random {
  readonly #seed: string;
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: string) {
    this.#seed = seed;
    this.#a = hash32(seed, 0x9e3779b9);
    this.#b = hash32(seed, 0x243f6a88);
    this.#c = hash32(seed, 0xb7e15162);
    for (let round = 0; round < 12; round++) this.next();
  }

  next(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 4294967296;
  }

  fork(name: string): Random {
    return new Sfc32(`${this.#seed}/${name}`);
  }
}

/**
 * FNV-1a over UTF-16 code units with a chosen offset, then murmur3's finaliser, so that similar
 * seeds give very different states.
 */
function hash32(text: string, offset: number): number {
  let hash = offset | 0;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 16777619);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
