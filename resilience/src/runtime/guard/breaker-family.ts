/**
 * Circuit breakers by key: one for each host, tenant or station that turns up, in bounded memory.
 * One breaker for all of them would refuse the healthy ones because of a sick one. Where there are
 * too many keys, breakers that nobody has used for longest are forgotten, but never one that is not
 * closed: it would let calls pass to a service that is known to be down.
 */
import { brand } from "../../core/brand.ts";
import { COUNT, checked, checkNames, type Names, optionsOf, refusal } from "../../core/options.ts";
import { CircuitBreaker, type CircuitBreakerOptions } from "./breaker.ts";

/** Options of a family of circuit breakers: those of each, and how many are kept. */
export interface BreakerFamilyOptions extends CircuitBreakerOptions {
  /**
   * How many breakers are kept; a whole number from 1, below 2^31. Default 1,000, which take about
   * 1.5 MB. If all of them are open, a further key gets one that is not kept.
   */
  readonly maxKeys?: number | undefined;
}

const MAX_KEYS: Names<Pick<BreakerFamilyOptions, "maxKeys">> = { maxKeys: true };
/** How many breakers are looked at for one that may go; with more, a key would cost too much. */
const MAX_LOOKS = 64;

/**
 * Circuit breakers with the same options, one for each key.
 *
 * @example
 * ```ts
 * import { BreakerFamily } from "ground-station-failover";
 *
 * const hosts = new BreakerFamily({ minimumVolume: 1 });
 * hosts.of("north.example").noteFailure();
 * console.log(hosts.of("north.example").state, hosts.of("south.example").state); // open closed
 * ```
 */
export class BreakerFamily {
  static {
    brand(BreakerFamily, "BreakerFamily");
  }

  readonly maxKeys: number;
  readonly #options: CircuitBreakerOptions;
  /** The one that was used longest ago comes first. */
  readonly #kept: Map<string, CircuitBreaker> = new Map();
  #evicted = 0;
  #unkept = 0;

  constructor(options: BreakerFamilyOptions = {}) {
    const { maxKeys = 1_000, ...rules } = optionsOf("BreakerFamily", options);
    checkNames("BreakerFamily", { maxKeys }, MAX_KEYS);
    this.maxKeys = checked("BreakerFamily", "maxKeys", maxKeys, COUNT);
    // Wrong options are refused now, and not at the first key.
    new CircuitBreaker(rules);
    this.#options = rules;
  }

  /**
   * How many breakers are kept and open, how many were forgotten, and how often one was made that
   * could not be kept.
   */
  get status(): { readonly keys: number; readonly open: number; readonly evicted: number; readonly unkept: number } {
    let open = 0;
    for (const { state } of this.#kept.values()) if (state !== "closed") open++;
    return { keys: this.#kept.size, open, evicted: this.#evicted, unkept: this.#unkept };
  }

  /** The breaker of `key`, a text; a new one has the name of the family and the key. */
  of(key: string): CircuitBreaker {
    if (typeof key !== "string") throw refusal("BreakerFamily", "key", key, "a text");
    const known = this.#kept.get(key);
    if (known !== undefined) {
      this.#kept.delete(key);
      this.#kept.set(key, known);
      return known;
    }
    const { name = "circuit" } = this.#options;
    const breaker = new CircuitBreaker({ ...this.#options, name: `${name} ${key}` });
    if (this.#kept.size < this.maxKeys || this.#makeRoom()) this.#kept.set(key, breaker);
    else this.#unkept++;
    return breaker;
  }

  /** The breakers that are kept, with their keys. */
  entries(): IterableIterator<[key: string, breaker: CircuitBreaker]> {
    return this.#kept.entries();
  }

  /** Forgets one that knows nothing bad. */
  #makeRoom(): boolean {
    let looks = 0;
    for (const [key, breaker] of this.#kept) {
      // One that ramps is closed as well, and would let everything pass at once.
      const { admitted, forced } = breaker.status;
      if (admitted === 1 && forced === undefined) {
        this.#evicted++;
        return this.#kept.delete(key);
      }
      // Those that are open go to the end, so that the next one is found sooner.
      this.#kept.delete(key);
      this.#kept.set(key, breaker);
      if (++looks >= Math.min(MAX_LOOKS, this.#kept.size)) return false;
    }
    return false;
  }
}
