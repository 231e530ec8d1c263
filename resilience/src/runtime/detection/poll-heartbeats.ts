/**
 * Heartbeats of nodes that send none: each is asked at a fixed rate, and an answer is its
 * heartbeat. A node that does not answer gives none; what follows from that is the detector's
 * business. One request at a node is out at a time, and a late answer counts for nothing.
 */
import {
  checked,
  checkFunction,
  checkNames,
  checkObject,
  DURATION_MS,
  type Names,
  refusal,
} from "../../core/options.ts";
import { type Clock, checkClock } from "../time/clock.ts";
import { systemClock } from "../time/system-clock.ts";
import { ClockedDetector, type FailureDetector } from "./detectors.ts";
import { checkDetector } from "./supervisor.ts";

/**
 * Asks a node whether it lives; `signal` is aborted when the answer is not waited for any more. It
 * lives if this resolves, but not with false, nor with something whose `ok` is false, such as the
 * answer of `fetch` with status 500.
 */
export type HeartbeatProbe = (signal: AbortSignal) => PromiseLike<unknown> | unknown;

/** Options of polling. */
export interface PollOptions {
  /**
   * Time from one request to the next at the same node. In ms, above 0 and below 2^31. Default
   * 1,000. Tell the detector the same as `expectedIntervalMs`.
   */
  readonly intervalMs?: number | undefined;
  /**
   * How long an answer is waited for. In ms, above 0 and below 2^31. Default `intervalMs`. While a
   * request is out, none follows.
   */
  readonly timeoutMs?: number | undefined;
  /**
   * Called when a probe was no heartbeat: with its error, or the answer that said no. Default:
   * nobody is told.
   */
  readonly onFailure?: ((node: string, reason: unknown) => void) | undefined;
  /** The clock that it waits on. Default: the detector's if it has one, otherwise the system's. */
  readonly clock?: Clock | undefined;
}

const NAMES: Names<PollOptions> = { intervalMs: true, timeoutMs: true, onFailure: true, clock: true };
const NO_OPTIONS: PollOptions = {};

/**
 * Asks each node again and again, and notes its answers as heartbeats, until disposed. Requests
 * that are out are then aborted.
 *
 * @example
 * ```ts
 * import { PhiAccrualDetector, pollHeartbeats } from "ground-station-failover";
 * import { VirtualClock } from "ground-station-failover/sim";
 *
 * const clock = new VirtualClock();
 * const detector = new PhiAccrualDetector({ clock, expectedIntervalMs: 1_000 });
 * const polling = pollHeartbeats(detector, { north: () => true, south: () => false });
 * await clock.advanceBy(30_000);
 * console.log(detector.isAlive("north", 8), detector.isAlive("south", 8)); // true false
 * polling[Symbol.dispose]();
 * ```
 */
export function pollHeartbeats(
  detector: FailureDetector,
  probes: Readonly<Record<string, HeartbeatProbe>>,
  options: PollOptions = NO_OPTIONS,
): Disposable {
  const part = "pollHeartbeats";
  checkDetector(part, detector);
  checkObject(part, probes, "probes");
  checkNames(part, options, NAMES);
  const { intervalMs = 1_000, timeoutMs = intervalMs, onFailure } = options;
  checkFunction(part, "onFailure", onFailure);
  checkClock(part, options.clock);
  const settings: Settings = {
    detector,
    clock: options.clock ?? (detector instanceof ClockedDetector ? detector.clock : systemClock),
    intervalMs: checked(part, "intervalMs", intervalMs, DURATION_MS),
    timeoutMs: checked(part, "timeoutMs", timeoutMs, DURATION_MS),
    onFailure,
  };
  for (const [node, probe] of Object.entries(probes))
    if (typeof probe !== "function") throw refusal(part, `probes.${node}`, probe, "a function that asks the node");
  const polled = Object.entries(probes).map(([node, probe]) => new PolledNode(node, probe, settings));
  for (const one of polled) one.ask();
  return {
    [Symbol.dispose]() {
      for (const one of polled) one.stop();
    },
  };
}

interface Settings {
  readonly detector: FailureDetector;
  readonly clock: Clock;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly onFailure: PollOptions["onFailure"];
}

/** A request that is out. */
interface Asked {
  readonly abort: AbortController;
  readonly timeout: Disposable;
}

class PolledNode {
  readonly #node: string;
  readonly #probe: HeartbeatProbe;
  readonly #settings: Settings;
  #next: Disposable | undefined;
  /** The request that is out. */
  #out: Asked | undefined;
  #isOver = false;

  constructor(node: string, probe: HeartbeatProbe, settings: Settings) {
    this.#node = node;
    this.#probe = probe;
    this.#settings = settings;
  }

  ask(): void {
    const { clock, intervalMs, timeoutMs } = this.#settings;
    const nowMs = clock.nowMs();
    this.#next = clock.at(nowMs + intervalMs, () => {
      this.#next = undefined;
      if (this.#out === undefined) this.ask();
    });
    const abort = new AbortController();
    const late = new Error(`${this.#node} did not answer within ${timeoutMs} ms`);
    const out: Asked = { abort, timeout: clock.at(nowMs + timeoutMs, () => this.#ended(out, false, late)) };
    this.#out = out;
    this.#asked(abort.signal).then(
      (answer) => this.#ended(out, isAlive(answer), answer),
      (error: unknown) => this.#ended(out, false, error),
    );
  }

  stop(): void {
    this.#isOver = true;
    this.#next?.[Symbol.dispose]();
    this.#out?.timeout[Symbol.dispose]();
    this.#out?.abort.abort();
    this.#out = undefined;
  }

  async #asked(signal: AbortSignal): Promise<unknown> {
    return await this.#probe(signal);
  }

  #ended(out: Asked, isHeartbeat: boolean, reason: unknown): void {
    if (this.#out !== out) return;
    this.#out = undefined;
    out.timeout[Symbol.dispose]();
    const { detector, onFailure } = this.#settings;
    if (isHeartbeat) detector.noteHeartbeat(this.#node);
    else out.abort.abort(reason);
    // The time for the next one came while this one was out.
    if (this.#next === undefined && !this.#isOver) this.ask();
    if (!isHeartbeat) onFailure?.(this.#node, reason);
  }
}

function isAlive(answer: unknown): boolean {
  if (typeof answer === "object" && answer !== null && "ok" in answer) return answer.ok !== false;
  return answer !== false;
}
