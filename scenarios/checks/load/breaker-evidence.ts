/**
 * The evidence of a breaker, counted from outside over a sliding window: attempts that succeeded;
 * attempts that were lost or timed out; and commands that failed here and were served by another
 * station, which count once that station has served them. Refused connections and refusals for load
 * say nothing. Failures that could not be compared say nothing if they all come from one source
 * (`breaker.ts`). A probe's failure always counts.
 *
 * The check does not know how a breaker cuts its window into buckets. So each question is asked for
 * every possible cut: the window covers between nine tenths of its length and all of it. If the
 * check cannot see whether an end counted, it counts in the breaker's favor: a failure counts as
 * nothing when the circuit stays closed, and as a failure when it opens; a success the other way
 * round.
 */
import type { Attempt } from "../../fleet/observer.ts";
import { endOf } from "../calls/attempt-ends.ts";
import type { DocumentedGroup } from "../documented.ts";

/** What an end says. `doubtful`: nothing, or a failure. `perhaps`: nothing, or a success. */
export type Verdict = "success" | "failure" | "doubtful" | "perhaps";

const SHORTEST_RATE = 0.9;
/** Rounded instants. */
const ROUNDING_MS = 1e-6;

/**
 * The verdict that the breaker of a group's station should draw from the end of `attempt`;
 * undefined if it says nothing.
 */
export function verdictOn(attempt: Attempt, settings: DocumentedGroup, isProbe: boolean): Verdict | undefined {
  const end = endOf(attempt, settings);
  if (end === "served") return "success";
  if (end === "lost" || (isProbe && end === "failed")) return "failure";
  return undefined;
}

/** The same verdict, if it is uncertain whether it counts. */
export function unsure(verdict: Verdict): Verdict {
  return verdict === "success" || verdict === "perhaps" ? "perhaps" : "doubtful";
}

interface Entry {
  readonly atMs: number;
  readonly verdict: Verdict;
}

/** Sums over part of the window. */
interface Sums {
  calls: number;
  failures: number;
  doubtful: number;
  perhaps: number;
}

export class Evidence {
  readonly #group: DocumentedGroup;
  #entries: Entry[] = [];
  /** What has left the window, and what has left its shortest form. */
  #first = 0;
  #firstShort = 0;
  readonly #long: Sums = none();
  readonly #short: Sums = none();

  constructor(group: DocumentedGroup) {
    this.#group = group;
  }

  clear(): void {
    this.#entries = [];
    this.#first = this.#firstShort = 0;
    for (const sums of [this.#long, this.#short]) Object.assign(sums, none());
  }

  add(verdict: Verdict, atMs: number): void {
    this.#entries.push({ atMs, verdict });
    count(this.#long, verdict, 1);
    count(this.#short, verdict, 1);
    this.#trim(atMs);
  }

  /** How many attempts with a verdict have ended within the window. */
  ended(atMs: number): number {
    this.#trim(atMs);
    return this.#long.calls + this.#long.doubtful + this.#long.perhaps;
  }

  /**
   * Why the circuit has to be open after the last end, whatever its buckets, as a sentence;
   * undefined if it may be closed.
   */
  get due(): string | undefined {
    const { failureRateThreshold, minimumVolume, windowMs } = this.#group.breaker;
    const [short, long] = [this.#short, this.#long];
    const most = long.calls + long.doubtful + long.perhaps;
    if (short.calls < minimumVolume) return undefined;
    if (short.failures >= failureRateThreshold * most)
      return `${short.failures} of ${most} attempts failed within ${windowMs} ms, and at most ${failureRateThreshold} of ${minimumVolume} may`;
    return undefined;
  }

  /**
   * Why nothing justifies that the circuit opens at `atMs`, as a sentence; undefined if something
   * may.
   */
  unjustified(pending: readonly Verdict[], atMs: number): string | undefined {
    const { minimumVolume, failureRateThreshold, windowMs } = this.#group.breaker;
    this.#trim(atMs);
    const sums = none();
    for (const verdict of pending) count(sums, verdict, 1);
    if (this.#justifies(sums)) return undefined;
    const last = this.#entries.at(-1);
    // A success counts here only if it completes the minimum volume; any more would open the
    // circuit in the middle of successes.
    const exactly = pending.length === 0 && last?.atMs === atMs && last.verdict === "success";
    for (let place = this.#entries.length - 1; place >= this.#first; place--) {
      const entry = this.#entries[place] as Entry;
      count(sums, entry.verdict, 1);
      if (exactly && sums.calls > minimumVolume) break;
      if (entry.atMs <= atMs - SHORTEST_RATE * windowMs + ROUNDING_MS && this.#justifies(sums)) return undefined;
      if (place === this.#firstShort && this.#justifies(sums)) return undefined;
    }
    const { calls, failures, doubtful } = sums;
    const seen = `${failures} of ${calls} attempts failed, ${doubtful} ended in doubt within ${windowMs} ms`;
    return `${seen}; it takes ${minimumVolume} attempts, and ${failureRateThreshold} of them failed`;
  }

  #justifies({ calls, failures, doubtful, perhaps }: Sums): boolean {
    const { minimumVolume, failureRateThreshold } = this.#group.breaker;
    // Of the successes that may count, as many as complete the minimum volume.
    const all = calls + doubtful + Math.min(perhaps, Math.max(0, minimumVolume - calls - doubtful));
    if (all < minimumVolume || all === 0) return false;
    return (failures + doubtful) / all >= failureRateThreshold;
  }

  #trim(atMs: number): void {
    const { windowMs } = this.#group.breaker;
    while ((this.#entries[this.#first]?.atMs ?? Number.POSITIVE_INFINITY) < atMs - windowMs - ROUNDING_MS)
      count(this.#long, (this.#entries[this.#first++] as Entry).verdict, -1);
    const shortMs = SHORTEST_RATE * windowMs - ROUNDING_MS;
    while ((this.#entries[this.#firstShort]?.atMs ?? Number.POSITIVE_INFINITY) < atMs - shortMs)
      count(this.#short, (this.#entries[this.#firstShort++] as Entry).verdict, -1);
    if (this.#first < 256 || this.#first < this.#entries.length / 2) return;
    this.#entries = this.#entries.slice(this.#first);
    this.#firstShort -= this.#first;
    this.#first = 0;
  }
}

function none(): Sums {
  return { calls: 0, failures: 0, doubtful: 0, perhaps: 0 };
}

function count(sums: Sums, verdict: Verdict, by: 1 | -1): void {
  if (verdict === "doubtful" || verdict === "perhaps") {
    sums[verdict] += by;
    return;
  }
  sums.calls += by;
  if (verdict === "failure") sums.failures += by;
}
