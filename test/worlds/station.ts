/**
 * A station and the spacecraft behind it, for tests on the virtual clock. Every attempt that comes
 * to the door is written down with its instant, key and epoch, so that what callers are told can be
 * compared with what really happened. The spacecraft executes a key once, counts how often it was
 * asked to, and refuses older epochs.
 */
import { StaleEpochError } from "ground-station-failover";
import type { VirtualClock } from "ground-station-failover/sim";

/**
 * `errors`: answers 500. `lying-200`: answers 200 with an error in the body. `slow`: answers after
 * `slowMs`. `reset`: executes, then the connection breaks before the answer. `throw`: rejects with
 * an error that says nothing.
 */
export type Fault = "none" | "refuse" | "hang" | "errors" | "lying-200" | "slow" | "reset" | "throw";

export interface Answer {
  readonly status: number;
  readonly body: { readonly error?: string; readonly by?: string };
}

/** One attempt as the door saw it. */
export interface Attempt {
  readonly atMs: number;
  readonly key: string;
  readonly epoch: number;
  readonly keyed: boolean;
  /** The connection was refused: the station itself never saw it. */
  readonly refused: boolean;
}

export class Spacecraft {
  /** How often each key took effect. */
  readonly executed: Map<string, number> = new Map();
  /** How often each key arrived. */
  readonly arrivals: Map<string, number> = new Map();
  /** Keys that were refused because of their epoch. */
  readonly refused: Set<string> = new Set();
  newestEpoch = 0;

  execute(key: string, keyed: boolean, epoch: number): void {
    if (epoch < this.newestEpoch) {
      this.refused.add(key);
      throw new StaleEpochError(`epoch ${epoch} is older than ${this.newestEpoch}`, { seenEpoch: this.newestEpoch });
    }
    this.newestEpoch = epoch;
    this.arrivals.set(key, (this.arrivals.get(key) ?? 0) + 1);
    if (keyed && this.executed.has(key)) return;
    this.executed.set(key, (this.executed.get(key) ?? 0) + 1);
  }
}

export class Station {
  readonly name: string;
  readonly clock: VirtualClock;
  readonly spacecraft: Spacecraft;
  /** Attempts that came to the door, oldest first. */
  readonly door: Attempt[] = [];
  fault: Fault = "none";
  beats = true;
  answerMs = 5;
  slowMs = 5_000;
  /** Keys that fail here whatever the station's state. */
  readonly poison: Set<string> = new Set();
  /** Decides for each attempt whether the fault strikes; default: always. */
  strikes: () => boolean = () => true;
  /** Attempts being worked on, and the most there ever were. */
  busy = 0;
  busiest = 0;

  constructor(name: string, clock: VirtualClock, spacecraft: Spacecraft) {
    this.name = name;
    this.clock = clock;
    this.spacecraft = spacecraft;
  }

  async send(key: string, epoch: number, signal: AbortSignal, keyed = true): Promise<Answer> {
    const fault = this.fault !== "none" && this.strikes() ? this.fault : "none";
    this.door.push({ atMs: this.clock.nowMs(), key, epoch, keyed, refused: fault === "refuse" });
    if (fault === "refuse") throw Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });
    this.busy++;
    this.busiest = Math.max(this.busiest, this.busy);
    try {
      return await this.#answer(fault, key, keyed, epoch, signal);
    } finally {
      this.busy--;
    }
  }

  async #answer(fault: Fault, key: string, keyed: boolean, epoch: number, signal: AbortSignal): Promise<Answer> {
    if (fault === "hang") await this.clock.sleepUntil(1e12, signal);
    await this.clock.sleepUntil(this.clock.nowMs() + (fault === "slow" ? this.slowMs : this.answerMs), signal);
    if (fault === "throw") throw new Error("something broke");
    if (fault === "errors" || this.poison.has(key)) return { status: 500, body: {} };
    if (fault === "lying-200") return { status: 200, body: { error: "uplink lost" } };
    this.spacecraft.execute(key, keyed, epoch);
    if (fault === "reset") throw Object.assign(new Error("socket hang up"), { code: "ECONNRESET" });
    return { status: 200, body: { by: this.name } };
  }
}

/** Does the answer say that the command was executed? */
export function isWell(answer: Answer): boolean {
  return answer.status === 200 && answer.body.error === undefined;
}

/** Instants are sums of many steps: two that are a second apart may differ from it by this much. */
const ROUNDING_MS = 1e-6;

/** The most attempts in any exact second, by a sliding window over the instants. */
export function mostInAnySecond(instants: readonly number[]): number {
  let most = 0;
  let first = 0;
  for (let last = 0; last < instants.length; last++) {
    while ((instants[last] as number) - (instants[first] as number) >= 1_000 - ROUNDING_MS) first++;
    most = Math.max(most, last - first + 1);
  }
  return most;
}
