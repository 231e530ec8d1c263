/**
 * Remembers calls that were given up at a station after a long time, so that they are recognised
 * when their callers send them again. A command that needs much work is late every time. When a
 * load ends, only this command and its repetitions remain, and the repetitions say nothing new
 * about the station.
 *
 * A call with a key is the same as another call with that key. A repeatable call without a key may
 * be the one that its source sent before, until that source is served again. Any other call is a
 * new one, because callers do not repeat it on their own.
 */
import type { CallTerms } from "./call-terms.ts";
import type { CallSource } from "./learned/call-sources.ts";

/**
 * Maximum number of calls remembered; this is more than are out at once at most stations. The
 * oldest is forgotten first.
 */
const MOST = 256;

/** What identifies a call: its key or its source; undefined if neither does. */
function identityOf({ idempotencyKey, isIdempotent, source }: CallTerms): string | CallSource | undefined {
  return idempotencyKey ?? (isIdempotent && source.isNamed ? source : undefined);
}

export class GivenUp {
  readonly #station: number;
  readonly #atMs: Map<string | CallSource, number> = new Map();

  /** `station`: the station's number. */
  constructor(station: number) {
    this.#station = station;
  }

  get size(): number {
    return this.#atMs.size;
  }

  /** A call was given up that had been out at the station for long. */
  note(call: CallTerms, nowMs: number): void {
    const identity = identityOf(call);
    if (identity === undefined) return;
    this.#atMs.delete(identity);
    this.#atMs.set(identity, nowMs);
    if (this.#atMs.size > MOST) for (const oldest of this.#atMs.keys()) return void this.#atMs.delete(oldest);
  }

  /** Was the same call given up at this station before this one was sent, at `startedMs`? */
  has(call: CallTerms, startedMs: number): boolean {
    if (this.#atMs.size === 0) return false;
    const identity = identityOf(call);
    const atMs = identity === undefined ? undefined : this.#atMs.get(identity);
    if (atMs === undefined || startedMs < atMs) return false;
    return typeof identity === "string" || !call.source.wasServedSince(this.#station, atMs);
  }
}
