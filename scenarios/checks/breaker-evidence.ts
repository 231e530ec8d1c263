/**
 * What a breaker has to go by, counted from outside: how attempts at one station ended, over a sliding window. A failover
 * feeds it with successes, and with failures that are the station's: commands that were lost or timed out there, and
 * answers that say failure where another station served the same command, or where several sources have them. Which of
 * the failing answers those are cannot be seen from outside, so they are doubtful: they count against a breaker that
 * stays closed as nothing, and for one that opens as failures. A refused connection says nothing to a breaker.
 *
 * How a breaker slices its window is its own business, so a question is asked of every cut that it may have made: its
 * window covers between nine tenths of its length and all of it; and a failing answer counts when the other station has
 * answered, which is up to {@link COMPARED_WITHIN_MS} later.
 */
import { AttemptTimeoutError } from "ground-station-failover";
import type { Attempt } from "../fleet/observer.ts";
import type { DocumentedGroup } from "./documented.ts";

/** What the end of an attempt says. `doubtful`: nothing, or a failure. Undefined where it says nothing at all. */
export type Verdict = "success" | "failure" | "doubtful";

const SHORTEST_RATE = 0.9;
/** A failing answer is compared with what another station made of the command, when that is known. */
const COMPARED_WITHIN_MS = 2_000;
/** Rounded instants. */
const ROUNDING_MS = 1e-6;

/**
 * What the breaker of a group's station should make of `attempt`, which ended, or is to be taken for ended, at `localMs`.
 * `distrusts`: the gateway had been stopped shortly before, and counts no failures.
 */
export function verdictOn(
  attempt: Attempt,
  { commands }: DocumentedGroup,
  localMs: number,
  distrusts: boolean,
): Verdict | undefined {
  const { outcome, status = 0, lies } = attempt;
  if (outcome === "stale" || outcome === "never-sent") return undefined;
  if (outcome === "aborted" || outcome === undefined) return abortedVerdict(attempt, commands.timeoutMs, localMs);
  if (outcome === "lost") return distrusts ? "doubtful" : "failure";
  const failed = status >= 500 || status === 408 || status === 429 || (lies && commands.errorBody);
  return failed ? "doubtful" : "success";
}

/** Its timeout ends it as a failure, its caller not at all. An upload's time begins later, and a late timer reads first. */
function abortedVerdict({ localMs: beganMs, signal }: Attempt, timeoutMs: number, localMs: number): Verdict | undefined {
  if (localMs - beganMs < timeoutMs - ROUNDING_MS) return undefined;
  return signal.aborted && !(signal.reason instanceof AttemptTimeoutError) ? undefined : "doubtful";
}

interface Entry {
  readonly atMs: number;
  readonly verdict: Verdict;
}

/** Sums over some of the window. */
interface Sums {
  calls: number;
  failures: number;
  doubtful: number;
}

export class Evidence {
  readonly #group: DocumentedGroup;
  #entries: Entry[] = [];
  /** What has left the window, and what has left its shortest form. */
  #first = 0;
  #firstShort = 0;
  readonly #long: Sums = { calls: 0, failures: 0, doubtful: 0 };
  readonly #short: Sums = { calls: 0, failures: 0, doubtful: 0 };

  constructor(group: DocumentedGroup) {
    this.#group = group;
  }

  clear(): void {
    this.#entries = [];
    this.#first = this.#firstShort = 0;
    for (const sums of [this.#long, this.#short]) sums.calls = sums.failures = sums.doubtful = 0;
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
    if (short.calls < minimumVolume || short.failures < failureRateThreshold * most) return undefined;
    return `${short.failures} of ${most} attempts failed within ${windowMs} ms, and at most ${failureRateThreshold} of ${minimumVolume} may`;
  }

  /** In a sentence why nothing justifies that the circuit opens at `atMs`; undefined where something may. */
  unjustified(pending: Verdict | undefined, atMs: number): string | undefined {
    const { minimumVolume, failureRateThreshold, windowMs } = this.#group.breaker;
    this.#trim(atMs);
    const sums: Sums = { calls: 0, failures: 0, doubtful: 0 };
    if (pending !== undefined) count(sums, pending, 1);
    if (this.#justifies(sums)) return undefined;
    for (let place = this.#entries.length - 1; place >= this.#first; place--) {
      count(sums, (this.#entries[place] as Entry).verdict, 1);
      if (this.#justifies(sums)) return undefined;
    }
    const { calls, failures, doubtful } = sums;
    const seen = `${failures} of ${calls} attempts failed, ${doubtful} ended in doubt within ${windowMs} ms`;
    return `${seen}; it takes ${minimumVolume} attempts, and ${failureRateThreshold} of them failed`;
  }

  /** Whatever of the doubtful ones it counted. */
  #justifies({ calls, failures, doubtful }: Sums): boolean {
    const { minimumVolume, failureRateThreshold } = this.#group.breaker;
    const all = calls + doubtful;
    return all >= minimumVolume && (failures + doubtful) / all >= failureRateThreshold;
  }

  #trim(atMs: number): void {
    const { windowMs } = this.#group.breaker;
    const longMs = windowMs + COMPARED_WITHIN_MS + ROUNDING_MS;
    while ((this.#entries[this.#first]?.atMs ?? Number.POSITIVE_INFINITY) < atMs - longMs)
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
  if (verdict === "failure") sums.failures += by;
}
