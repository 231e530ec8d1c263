/**
 * Who is active, as a pure machine. It is told what is known of each station (eligible or not,
 * proven or not, and the evidence) and decides: promote, keep the least bad, or nothing. Decisions
 * are data; carrying them out is the runtime's business (the shape of etcd raft's `Ready`).
 *
 * The rules: an active station that is ineligible is replaced at once by the first eligible one in
 * order of priority. A station from which nothing is heard is never promoted; where nobody is
 * eligible the least bad is kept, and that is said. Every promotion raises the epoch, which every
 * command carries, so that a station which has seen a newer one can refuse what an older one still
 * sends. What is planned (going back to a better-placed station, leaving one that is taken into
 * maintenance) is said to be due, and the dispatcher carries it out (`dispatch.ts`). Going back
 * happens on request, or after a hold-down counted from *proven* health, which doubles with each
 * time that station failed lately.
 *
 * It does not know whether evidence is true: weighing beats, calls and own stalls is done where
 * they are known. It is one file because the decisions and what they decide on are one vocabulary.
 */
import { checked, WAIT_MS } from "../options.ts";

/** One thing that is known of a station, in a sentence with its numbers. */
export interface Evidence {
  readonly kind: "heartbeats" | "calls" | "breaker" | "probe" | "own-stall" | "maintenance" | "operator";
  readonly verdict: "eligible" | "ineligible" | "abstained";
  readonly detail: string;
}

/** What is known of a station at some instant. */
export interface Assessment {
  /** May it be active? */
  readonly eligible: boolean;
  /** Is nothing heard of it at all? Worse than being heard of with a doubtful command path. */
  readonly silent: boolean;
  /**
   * Is its health proven (beats arriving, and nothing held against its command path)? Counts
   * towards failback.
   */
  readonly proven: boolean;
  /**
   * Has it been heard from since the active station fell silent, if that is silent? An observer
   * that is cut off loses all stations at once; a backup is not taken for eligible before one more
   * beat of it has shown that this is not so.
   */
  readonly confirmed: boolean;
  /**
   * Is a probe of its half-open circuit out, and does nothing else speak against it? Then the end
   * of the probe decides.
   */
  readonly isProbed: boolean;
  readonly evidence: readonly Evidence[];
}

/** Why a station was made active. */
export type PromotionCause = "failure" | PlannedCause;
/** Causes of a promotion that was planned and not forced by a failure. */
export type PlannedCause = "failback" | "switchover" | "maintenance" | "slowness";

/** `station` is active from now on. */
export interface Promotion {
  readonly type: "promote";
  readonly station: string;
  readonly from: string;
  readonly epoch: number;
  readonly atMs: number;
  readonly cause: PromotionCause;
  readonly evidence: readonly Evidence[];
}

/** What the machine decided; `type` says which decision it is. */
export type FailoverDecision =
  | Promotion
  | {
      /**
       * `station` is to become active: it has proved well for its hold-down, or the active one goes
       * into maintenance.
       */
      readonly type: "handover-due";
      readonly station: string;
      readonly cause: "failback" | "maintenance";
      readonly reason: string;
    }
  | {
      /**
       * Nobody is eligible: the active station stays, because a dead backup is no better. Said once
       * each time it begins.
       */
      readonly type: "keep";
      readonly station: string;
      readonly epoch: number;
      readonly atMs: number;
      readonly evidence: readonly Evidence[];
    };

/** Options of the return to a better-placed station. */
export interface FailbackOptions {
  /**
   * `manual`: only on request. `automatic`: after the hold-down. Default `manual`: nobody is woken
   * by a second outage.
   */
  readonly mode?: "manual" | "automatic" | undefined;
  /**
   * How long a better-placed station must have been proven healthy without a break. In ms, from 0.
   * Default 30,000: long enough to notice a machine that restarts in a loop.
   */
  readonly holdDownMs?: number | undefined;
  /**
   * Failures of a station within this time each double its hold-down. In ms, from 0. Default
   * 600,000: ten minutes without a failure are a new start.
   */
  readonly flapWindowMs?: number | undefined;
  /**
   * The hold-down never grows beyond this. In ms, from `holdDownMs`. Default 600,000, or
   * `holdDownMs` where that is more: as long as failures are remembered.
   */
  readonly maxHoldDownMs?: number | undefined;
}

interface Station {
  readonly name: string;
  assessment: Assessment;
  /** Since when it has been eligible and proven without a break; undefined while it is not. */
  provenSinceMs: number | undefined;
  /**
   * When it was replaced for failing, or failed a failback, within the flap window, oldest first.
   */
  failedAtMs: number[];
}

const NOTHING_KNOWN: Assessment = {
  eligible: false,
  silent: true,
  proven: false,
  confirmed: true,
  isProbed: false,
  evidence: [],
};
/** What a planned promotion rests on. */
const KIND_OF: Readonly<Record<PlannedCause, Evidence["kind"]>> = {
  failback: "heartbeats",
  switchover: "operator",
  maintenance: "maintenance",
  slowness: "calls",
};
/**
 * An epoch is raised by one with each promotion: one that is further ahead than this cannot be one.
 * Stations hold to it, too.
 */
export const MAX_EPOCHS_AHEAD = 1_000_000;
/**
 * The highest of all: the gateway's header holds 15 digits. At a thousand promotions a second it
 * lasts for 31,000 years.
 */
const HIGHEST_EPOCH = 999_999_999_999_999;
/**
 * More failures than this within the flap window change nothing: the hold-down is at its maximum
 * long before.
 */
const MOST_FAILURES_KEPT = 16;

/**
 * Decides which station is active, from what is known of each, and raises the epoch with each
 * promotion.
 *
 * @example
 * ```ts
 * import { FailoverMachine } from "ground-station-failover/core";
 *
 * const machine = new FailoverMachine(["north", "south"], 1);
 * const well = { silent: false, proven: true, confirmed: true, isProbed: false, evidence: [] };
 * machine.assess("north", { ...well, eligible: false, silent: true, proven: false }, 1_000);
 * machine.assess("south", { ...well, eligible: true }, 1_000);
 * console.log(machine.decide(1_000)?.type); // promote
 * console.log(machine.active, machine.epoch); // south 2
 * ```
 */
export class FailoverMachine {
  readonly #stations: readonly Station[];
  readonly #automatic: boolean;
  readonly #holdDownMs: number;
  readonly #flapWindowMs: number;
  readonly #maxHoldDownMs: number;
  #active: Station;
  #preferred: Station;
  #epoch: number;
  /** Has anything been sent under it by this process? */
  #isEpochUsed = false;
  #keeping = false;

  /** `names` in order of priority, the primary first. */
  constructor(names: readonly [string, ...string[]], initialEpoch: number, options: FailbackOptions = {}) {
    const part = "PrimaryBackupFailover";
    this.#stations = names.map((name) => ({
      name,
      assessment: NOTHING_KNOWN,
      provenSinceMs: undefined,
      failedAtMs: [],
    }));
    this.#active = this.#stations[0] as Station;
    this.#preferred = this.#active;
    this.#epoch = checked(part, "initialEpoch", initialEpoch, { min: 0, max: Number.MAX_SAFE_INTEGER, integer: true });
    this.#automatic = options.mode === "automatic";
    this.#holdDownMs = checked(part, "failback.holdDownMs", options.holdDownMs ?? 30_000, WAIT_MS);
    this.#flapWindowMs = checked(part, "failback.flapWindowMs", options.flapWindowMs ?? 600_000, WAIT_MS);
    this.#maxHoldDownMs = checked(
      part,
      "failback.maxHoldDownMs",
      options.maxHoldDownMs ?? Math.max(600_000, this.#holdDownMs),
      { ...WAIT_MS, min: this.#holdDownMs },
    );
  }

  get active(): string {
    return this.#active.name;
  }

  get epoch(): number {
    return this.#epoch;
  }

  /** The station that failback would return to: the primary, unless a switchover chose another. */
  get preferred(): string {
    return this.#preferred.name;
  }

  /**
   * The epoch of an attempt that is sent now. A station that has seen it may have it from this
   * process from then on.
   */
  useEpoch(): number {
    this.#isEpochUsed = true;
    return this.#epoch;
  }

  /**
   * Can a station have seen `epoch` without any other process having sent under ours, or a newer
   * one? An epoch equal to ours, under which nothing was sent yet, is that of whoever this process
   * was before it was restarted: what that one sent under it may still be under way, and would not
   * be told from what this one sends.
   */
  isEpochKnown(epoch: number): boolean {
    return epoch < this.#epoch || (epoch === this.#epoch && this.#isEpochUsed);
  }

  /**
   * A station has seen `epoch`. Where it is not known, ours goes above it (`adopted`): what was
   * sent under that one, by whoever this process was before it was restarted, is as old as all the
   * rest from then on. One that cannot be is `refused`: believed, a single absurd report would use
   * up all the epochs that there are, for everybody.
   */
  noteEpochSeen(epoch: number): "known" | "adopted" | "refused" {
    if (this.isEpochKnown(epoch)) return "known";
    const isPossible = Number.isSafeInteger(epoch) && epoch < HIGHEST_EPOCH && epoch <= this.#epoch + MAX_EPOCHS_AHEAD;
    if (!isPossible) return "refused";
    this.#setEpoch(epoch + 1);
    return "adopted";
  }

  /** Replaces what is known of `name`. */
  assess(name: string, assessment: Assessment, nowMs: number): void {
    const station = this.#stationOf(name);
    station.assessment = assessment;
    if (!assessment.eligible || !assessment.proven) station.provenSinceMs = undefined;
    else station.provenSinceMs ??= nowMs;
  }

  /** What has to happen by `nowMs`, if anything. */
  decide(nowMs: number): FailoverDecision | undefined {
    if (!this.#active.assessment.eligible) return this.#replaceOrKeep(nowMs);
    this.#keeping = false;
    if (!this.#automatic || nowMs < this.#failbackAtMs()) return undefined;
    const { name, provenSinceMs } = this.#preferred;
    const healthyMs = Math.round(nowMs - (provenSinceMs ?? nowMs));
    const reason = `${name} has been proven healthy for ${healthyMs} ms (hold-down ${this.holdDownMs(name, nowMs)} ms)`;
    return { type: "handover-due", station: name, cause: "failback", reason };
  }

  /**
   * Why `name` cannot be made active now for `cause`, in a sentence; undefined where it can. Nobody
   * goes back unproven.
   */
  refusal(name: string, cause: PlannedCause): string | undefined {
    const station = this.#stationOf(name);
    if (station === this.#active) return `${name} is active already`;
    const isOwnIdea = cause === "failback" || cause === "slowness";
    if (station.assessment.eligible && isOwnIdea && !station.assessment.proven)
      return `${name} has to prove itself again before ${cause === "failback" ? "failback" : "it replaces another"}`;
    if (station.assessment.eligible) return undefined;
    const why = station.assessment.evidence
      .filter((piece) => piece.verdict === "ineligible")
      .map((piece) => piece.detail);
    return `${name} is not eligible to be active: ${why.length === 0 ? "nothing is known of it yet" : why.join("; ")}`;
  }

  /**
   * Makes `name` active as planned; returns the promotion, or why not. After a switchover, failback
   * returns to `name`, so that the machine does not undo what a person decided.
   */
  handOver(name: string, cause: PlannedCause, reason: string, nowMs: number): Promotion | string {
    const refusal = this.refusal(name, cause);
    if (refusal !== undefined) return refusal;
    const station = this.#stationOf(name);
    if (cause === "switchover") this.#preferred = station;
    if (cause === "slowness") this.#leaveSlow(this.#active, nowMs);
    const kind = KIND_OF[cause];
    return this.#promote(
      station,
      cause,
      [{ kind, verdict: "eligible", detail: reason }, ...station.assessment.evidence],
      nowMs,
    );
  }

  /**
   * When `decide` could have something new to say without being told anything new; `Infinity` where
   * never.
   */
  nextWakeMs(): number {
    return this.#automatic && this.#active.assessment.eligible ? this.#failbackAtMs() : Number.POSITIVE_INFINITY;
  }

  /** How long `name` must be proven healthy before an automatic failback to it. */
  holdDownMs(name: string, nowMs: number): number {
    const lately = this.#stationOf(name).failedAtMs.filter((atMs) => nowMs - atMs <= this.#flapWindowMs).length;
    return Math.min(this.#maxHoldDownMs, this.#holdDownMs * 2 ** Math.max(0, lately - 1));
  }

  /**
   * `name` was replaced for failing, or failed when it was to become active again: its hold-down
   * grows.
   */
  noteFailed(name: string, nowMs: number): void {
    const station = this.#stationOf(name);
    station.failedAtMs = station.failedAtMs.filter((atMs) => nowMs - atMs <= this.#flapWindowMs);
    station.failedAtMs.push(nowMs);
    if (station.failedAtMs.length > MOST_FAILURES_KEPT) station.failedAtMs.shift();
  }

  /**
   * It is replaced for being slow: that its heartbeats are well does not say that it is quick
   * again.
   */
  #leaveSlow(station: Station, nowMs: number): void {
    this.noteFailed(station.name, nowMs);
    station.provenSinceMs = undefined;
  }

  #replaceOrKeep(nowMs: number): FailoverDecision | undefined {
    const { name, assessment } = this.#active;
    const next = this.#replacement();
    if (next === undefined) {
      if (this.#keeping) return undefined;
      this.#keeping = true;
      const evidence = this.#stations.flatMap((station) => station.assessment.evidence);
      return { type: "keep", station: name, epoch: this.#epoch, atMs: nowMs, evidence };
    }
    // Its next beat, or its own silence, decides shortly.
    if (!next.assessment.confirmed) return undefined;
    // So does the probe: calls go to the other one meanwhile, and where both circuits are
    // half-open, each probe would change roles.
    if (assessment.isProbed) return undefined;
    const against = assessment.evidence.filter((piece) => piece.verdict === "ineligible");
    if (against.length > 0 && against.every((piece) => piece.kind === "maintenance")) {
      const reason = against.map((piece) => piece.detail).join("; ");
      return { type: "handover-due", station: next.name, cause: "maintenance", reason };
    }
    this.noteFailed(this.#active.name, nowMs);
    return this.#promote(next, "failure", [...assessment.evidence, ...next.assessment.evidence], nowMs);
  }

  /**
   * The first eligible station that is confirmed, else the first eligible one; where there is none
   * and the active one is silent, the first that is at least heard of and not out of service on
   * purpose.
   */
  #replacement(): Station | undefined {
    const eligible = this.#stations.filter((station) => station.assessment.eligible);
    if (eligible.length > 0 || !this.#active.assessment.silent) {
      return eligible.find((station) => station.assessment.confirmed) ?? eligible[0];
    }
    return this.#stations.find(
      ({ assessment }) => !assessment.silent && assessment.confirmed && !isResting(assessment),
    );
  }

  #failbackAtMs(): number {
    const station = this.#preferred;
    if (station === this.#active || station.provenSinceMs === undefined) return Number.POSITIVE_INFINITY;
    return station.provenSinceMs + this.holdDownMs(station.name, station.provenSinceMs);
  }

  #promote(station: Station, cause: PromotionCause, evidence: readonly Evidence[], nowMs: number): Promotion {
    const from = this.#active.name;
    this.#active = station;
    this.#setEpoch(this.#epoch + 1);
    this.#keeping = false;
    return { type: "promote", station: station.name, from, epoch: this.#epoch, atMs: nowMs, cause, evidence };
  }

  #setEpoch(epoch: number): void {
    this.#epoch = epoch;
    this.#isEpochUsed = false;
  }

  #stationOf(name: string): Station {
    const station = this.#stations.find((one) => one.name === name);
    if (station === undefined) throw new RangeError(`there is no station "${name}" here`);
    return station;
  }
}

/** Is it out of service on purpose? Then a person decides when it comes back. */
function isResting(assessment: Assessment): boolean {
  return assessment.evidence.some((piece) => piece.kind === "maintenance" && piece.verdict === "ineligible");
}
