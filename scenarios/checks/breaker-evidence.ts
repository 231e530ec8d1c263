/**
 * What a breaker has to go by, counted from outside: how attempts at one station ended, over a sliding window. How a
 * breaker slices its window is its own business, so a question is asked of every cut that it may have made: its window
 * covers between nine tenths of its length and all of it. Two kinds of ends leave room for doubt from outside (whether
 * somebody starved meanwhile, who was first of two that gave up): those count against a breaker that stays closed as
 * nothing, and for one that opens as whatever it may have made of them.
 */
import { AttemptTimeoutError } from "ground-station-failover";
import type { Attempt } from "../fleet/observer.ts";
import type { DocumentedGroup } from "./documented.ts";

/** What the end of an attempt says. `doubtful`: nothing, or a failure. Undefined where it says nothing at all. */
export type Verdict = "success" | "slow-success" | "failure" | "slow-failure" | "timeout-failure" | "doubtful";

const SHORTEST_RATE = 0.9;
/** Not for an operator to set (docs/guide/guarding-a-call.md). */
const SLOW_RATE = 0.5;
/** Rounded instants. */
const ROUNDING_MS = 1e-6;
/** A timer that fires no later than this fires in time. */
const IN_TIME_MS = 1;

/** What the breaker of a group's station should make of `attempt`, which ended, or is to be taken for ended, at `localMs`. */
export function verdictOn(attempt: Attempt, { commands }: DocumentedGroup, localMs: number): Verdict | undefined {
  const { outcome, status = 0, lies } = attempt;
  const tookMs = localMs - attempt.localMs;
  const slow = tookMs > commands.timeoutMs / 2;
  if (outcome === "stale") return undefined;
  if (outcome === "aborted" || outcome === undefined) return abortedVerdict(attempt, commands.timeoutMs, tookMs);
  if (outcome !== "reply") return slow ? "slow-failure" : "failure";
  const failed = status >= 500 || status === 408 || status === 429 || (lies && commands.errorBody);
  if (failed) return slow ? "slow-failure" : "failure";
  return slow ? "slow-success" : "success";
}

/**
 * Its timeout ends it as a failure, its deadline only where it was slow and others starved, its caller not at all. When
 * several are due at one instant, the first can have the others given up for another reason: so what it was told counts.
 */
function abortedVerdict({ timeLeftMs, signal }: Attempt, timeoutMs: number, tookMs: number): Verdict | undefined {
  if (tookMs >= timeoutMs - ROUNDING_MS && timeLeftMs > timeoutMs) {
    const surely = signal.reason instanceof AttemptTimeoutError && tookMs <= timeoutMs + IN_TIME_MS;
    return surely ? "timeout-failure" : "doubtful";
  }
  return tookMs >= Math.min(timeLeftMs, timeoutMs) - ROUNDING_MS && tookMs > timeoutMs / 2 ? "doubtful" : undefined;
}

interface Entry {
  readonly atMs: number;
  readonly verdict: Verdict;
}

/** Sums over some of the window. */
interface Sums {
  calls: number;
  failures: number;
  slow: number;
  /** Of those, what was slow by any measure. */
  timeouts: number;
  doubtful: number;
}

export class Evidence {
  readonly #group: DocumentedGroup;
  #entries: Entry[] = [];
  /** What has left the window, and what has left its shortest form. */
  #first = 0;
  #firstShort = 0;
  readonly #long: Sums = { calls: 0, failures: 0, slow: 0, timeouts: 0, doubtful: 0 };
  readonly #short: Sums = { calls: 0, failures: 0, slow: 0, timeouts: 0, doubtful: 0 };

  constructor(group: DocumentedGroup) {
    this.#group = group;
  }

  clear(): void {
    this.#entries = [];
    this.#first = this.#firstShort = 0;
    for (const sums of [this.#long, this.#short])
      sums.calls = sums.failures = sums.slow = sums.timeouts = sums.doubtful = 0;
  }

  add(verdict: Verdict, atMs: number): void {
    this.#entries.push({ atMs, verdict });
    count(this.#long, verdict, 1);
    count(this.#short, verdict, 1);
    this.#trim(atMs);
  }

  /** How many attempts that say something have ended within the window. */
  ended(atMs: number): number {
    this.#trim(atMs);
    return this.#long.calls + this.#long.doubtful;
  }

  /** In a sentence why the circuit has to be open after the last end, whatever its slices; undefined where it may be closed. */
  get due(): string | undefined {
    const { failureRateThreshold, minimumVolume, windowMs } = this.#group.breaker;
    const [short, long] = [this.#short, this.#long];
    const most = long.calls + long.doubtful;
    if (short.calls < minimumVolume) return undefined;
    if (short.failures >= failureRateThreshold * most)
      return `${short.failures} of ${most} attempts failed within ${windowMs} ms, and at most ${failureRateThreshold} of ${minimumVolume} may`;
    if (short.timeouts >= SLOW_RATE * most)
      return `${short.timeouts} of ${most} attempts timed out within ${windowMs} ms, and at most ${SLOW_RATE} of ${minimumVolume} may be slow`;
    return undefined;
  }

  /** In a sentence why nothing justifies that the circuit opens at `atMs`; undefined where something may. */
  unjustified(pending: Verdict | undefined, atMs: number): string | undefined {
    const { minimumVolume, failureRateThreshold, windowMs } = this.#group.breaker;
    this.#trim(atMs);
    const sums: Sums = { calls: 0, failures: 0, slow: 0, timeouts: 0, doubtful: 0 };
    if (pending !== undefined) count(sums, pending, 1);
    if (this.#justifies(sums)) return undefined;
    const last = this.#entries.at(-1);
    // A success can only be what completes the floor; with any more it would open the circuit in the middle of successes.
    const exactly = pending === undefined && last?.atMs === atMs && last.verdict === "success";
    for (let place = this.#entries.length - 1; place >= this.#first; place--) {
      const entry = this.#entries[place] as Entry;
      count(sums, entry.verdict, 1);
      if (exactly && sums.calls > minimumVolume) break;
      if (entry.atMs <= atMs - SHORTEST_RATE * windowMs + ROUNDING_MS && this.#justifies(sums)) return undefined;
      if (place === this.#firstShort && this.#justifies(sums)) return undefined;
    }
    const { calls, failures, slow, doubtful } = sums;
    const seen = `${failures} of ${calls} attempts failed, ${slow} were slow, ${doubtful} ended in doubt within ${windowMs} ms`;
    return `${seen}; it takes ${minimumVolume} attempts, and ${failureRateThreshold} of them failed or ${SLOW_RATE} slow`;
  }

  #justifies({ calls, failures, slow, doubtful }: Sums): boolean {
    const { minimumVolume, failureRateThreshold } = this.#group.breaker;
    const all = calls + doubtful;
    if (all < minimumVolume || all === 0) return false;
    return (failures + doubtful) / all >= failureRateThreshold || (slow + doubtful) / all >= SLOW_RATE;
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

function count(sums: Sums, verdict: Verdict, by: 1 | -1): void {
  if (verdict === "doubtful") {
    sums.doubtful += by;
    return;
  }
  sums.calls += by;
  if (verdict.endsWith("failure")) sums.failures += by;
  if (verdict === "timeout-failure") sums.timeouts += by;
  if (verdict !== "failure" && verdict !== "success") sums.slow += by;
}
