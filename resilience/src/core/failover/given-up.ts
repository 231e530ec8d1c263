/**
 * Which calls were given up at a station after it had taken long over them, so that the same ones
 * are known when their callers send them again. A command that is much work is late every time:
 * when the load ends, it and its repetitions are all that is left, and they say nothing of the
 * station that the first of them did not.
 *
 * A call with a key is the same as another with that key. Without one, a call that may be repeated
 * may be the one that its source sent before, until that source is served again. Any other call is
 * a new one: nobody repeats it unasked.
 */
import type { CallTerms } from "./call-terms.ts";
import type { CallSource } from "./learned/call-sources.ts";

/**
 * So many are remembered: more than are out at once at most stations. The oldest is forgotten
 * first.
 */
const MOST = 256;

/** What tells a call from others: its key, or its source; undefined where nothing does. */
function identityOf({ idempotencyKey, isIdempotent, source }: CallTerms): string | CallSource | undefined {
  return idempotencyKey ?? (isIdempotent && source.isNamed ? source : undefined);
}

export class GivenUp {
  readonly #station: number;
  readonly #atMs: Map<string | CallSource, number> = new Map();

  /** `station`: its number. */
  constructor(station: number) {
    this.#station = station;
  }

  get size(): number {
    return this.#atMs.size;
  }

  /** A call was given up that had been out there for long. */
  note(call: CallTerms, nowMs: number): void {
    const identity = identityOf(call);
    if (identity === undefined) return;
    this.#atMs.delete(identity);
    this.#atMs.set(identity, nowMs);
    if (this.#atMs.size > MOST) for (const oldest of this.#atMs.keys()) return void this.#atMs.delete(oldest);
  }

  /** Was the same call, sent there at `startedMs`, given up there before that? */
  has(call: CallTerms, startedMs: number): boolean {
    if (this.#atMs.size === 0) return false;
    const identity = identityOf(call);
    const atMs = identity === undefined ? undefined : this.#atMs.get(identity);
    if (atMs === undefined || startedMs < atMs) return false;
    return typeof identity === "string" || !call.source.wasServedSince(this.#station, atMs);
  }
}
