/**
 * Decides which station is active, as a pure machine. It is told what is known of each station
 * (eligible or not, proven or not, and the evidence) and decides: promote, keep the least bad, or
 * nothing. Decisions are data; the runtime carries them out (the shape of etcd raft's `Ready`).
 *
 * The rules:
 * - An active station that is ineligible is replaced at once by the first eligible station in order
 *   of priority.
 * - A station from which nothing is heard is never promoted. If no station is eligible, the least
 *   bad is kept, and the decision says so.
 * - Every promotion raises the epoch, and every command carries it. A station that has seen a newer
 *   epoch can refuse commands with an older one.
 * - A planned change (return to a station of higher priority, maintenance of the active station) is
 *   reported as due, and the dispatcher carries it out (`dispatch.ts`).
 * - A failback happens on request, or after a hold-down counted from *proven* health. The hold-down
 *   doubles with each recent failure of that station.
 *
 * This machine does not judge the evidence: heartbeats, calls and own stalls are weighed where they
 * are known. It is one file because the decisions and the facts behind them share one vocabulary.
 */
import { invariant } from "../invariant.ts";
import { checked, WAIT_MS } from "../options.ts";

/** One fact about a station, in a sentence with its numbers. */
export interface Evidence {
  readonly kind: "heartbeats" | "calls" | "breaker" | "probe" | "own-stall" | "maintenance" | "operator";
  readonly verdict: "eligible" | "ineligible" | "abstained";
  readonly detail: string;
}

/** What is known of a station at one instant. */
export interface Assessment {
  /** True if it may be active. */
  readonly eligible: boolean;
  /**
   * True if nothing is heard of it at all. This is worse than a station that is heard but whose
   * command path is in doubt.
   */
  readonly silent: boolean;
  /**
   * True if its health is proven: heartbeats arrive, and nothing counts against its command path.
   * Counts towards failback.
   */
  readonly proven: boolean;
  /**
   * True if it has been heard since the active station fell silent, or if the active station is not
   * silent. An observer that is cut off loses all stations at once. So a backup does not count as
   * eligible before one more of its heartbeats has shown that the observer is not cut off.
   */
  readonly confirmed: boolean;
  /**
   * True if a probe of its half-open circuit is out and nothing else counts against it. The end of
   * the probe then decides.
   */
  readonly isProbed: boolean;
  readonly evidence: readonly Evidence[];
}

/** Why a station was made active. */
export type PromotionCause = "failure" | PlannedCause;
/** Causes of a promotion that was planned, not forced by a failure. */
export type PlannedCause = "failback" | "switchover" | "maintenance" | "slowness";

/** A decision: `station` is active from now on. */
export interface Promotion {
  readonly type: "promote";
  readonly station: string;
  readonly from: string;
  readonly epoch: number;
  readonly atMs: number;
  readonly cause: PromotionCause;
  readonly evidence: readonly Evidence[];
}

/** A decision of the machine; `type` says which decision it is. */
export type FailoverDecision =
  | Promotion
  | {
      /**
       * `station` is to become active: it has been proven healthy for its hold-down, or the active
       * station goes into maintenance.
       */
      readonly type: "handover-due";
      readonly station: string;
      readonly cause: "failback" | "maintenance";
      readonly reason: string;
    }
  | {
      /**
       * No station is eligible. The active one stays, because a dead backup is no better. Reported
       * once each time this begins.
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
   * `manual`: failback only on request. `automatic`: failback after the hold-down. Default
   * `manual`: a second outage during an automatic failback would wake an operator.
   */
  readonly mode?: "manual" | "automatic" | undefined;
  /**
   * How long a better-placed station must have been proven healthy without a break. In ms, from 0.
   * Default 30,000: long enough to notice a machine that restarts in a loop.
   */
  readonly holdDownMs?: number | undefined;
  /**
   * Failures of a station within this time of each other double its hold-down. In ms, from 0.
   * Default 600,000: after ten minutes without a failure, earlier failures are forgotten.
   */
  readonly flapWindowMs?: number | undefined;
  /**
   * Maximum hold-down. In ms, from `holdDownMs`. Default 600,000, or `holdDownMs` if that is more:
   * as long as failures are remembered.
   */
  readonly maxHoldDownMs?: number | undefined;
}

interface Station {
  readonly name: string;
  assessment: Assessment;
  /** Since when it has been eligible and proven without interruption; undefined while it is not. */
  provenSinceMs: number | undefined;
  /**
   * When it was replaced for failing or failed a failback, within the flap window, oldest first.
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
/** The kind of evidence for each planned promotion. */
const KIND_OF: Readonly<Record<PlannedCause, Evidence["kind"]>> = {
  failback: "heartbeats",
  switchover: "operator",
  maintenance: "maintenance",
  slowness: "calls",
};
/**
 * Maximum distance of an epoch ahead of the last known one. A promotion raises the epoch by one, so
 * an epoch further ahead is impossible. Stations apply the same limit.
 */
export const MAX_EPOCHS_AHEAD = 1_000_000;
/**
 * The highest epoch: the gateway's header holds 15 digits. At a thousand promotions a second it
 * lasts for 31,000 years.
 */
const HIGHEST_EPOCH = 999_999_999_999_999;
/**
 * More failures than this within the flap window change nothing: the hold-down reaches its maximum
 * long before.
 */
const MOST_FAILURES_KEPT = 16;

/**
 * Decides which station is active, from what is known of each station. Each promotion raises the
 * epoch.
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
  #stations: readonly Station[];
  #automatic: boolean;
  #holdDownMs: number;
  #flapWindowMs: number;
  #maxHoldDownMs: number;
  #active: Station;
  #preferred: Station;
  #epoch: number;
  /** True once this process has sent anything under the current epoch. */
  #isEpochUsed = false;
  #keeping = false;

  /** `names`: in order of priority, the primary first. */
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

  /**
   * Follows the options of `other` from now on, and has its stations in its order. Stations of the
   * same name stay as they are, with their failures and the time for which they are proven; so do
   * the epoch and the active station, which must be among them. If failback returned to the first
   * station, or to one that is gone, it returns to the station that is first now.
   */
  useSettingsOf(other: FailoverMachine): void {
    const known = new Map(this.#stations.map((station) => [station.name, station]));
    const stations = other.#stations.map((station) => known.get(station.name) ?? station);
    invariant(stations.includes(this.#active), "the active station stays in the group");
    const followsFirst = this.#preferred === this.#stations[0] || !stations.includes(this.#preferred);
    this.#stations = stations;
    if (followsFirst) this.#preferred = stations[0] as Station;
    this.#automatic = other.#automatic;
    this.#holdDownMs = other.#holdDownMs;
    this.#flapWindowMs = other.#flapWindowMs;
    this.#maxHoldDownMs = other.#maxHoldDownMs;
  }

  get active(): string {
    return this.#active.name;
  }

  get epoch(): number {
    return this.#epoch;
  }

  /** The station to which failback returns: the primary, unless a switchover chose another. */
  get preferred(): string {
    return this.#preferred.name;
  }

  /** `name` is active, and failback returns to it. Only before anything was decided. */
  startWith(name: string): void {
    this.#active = this.#stationOf(name);
    this.#preferred = this.#active;
  }

  /** From now on failback returns to `name`: an operator ordered it. */
  prefer(name: string): void {
    this.#preferred = this.#stationOf(name);
  }

  /**
   * The epoch of an attempt that is sent now. From then on, a station that has seen this epoch may
   * have it from this process.
   */
  useEpoch(): number {
    this.#isEpochUsed = true;
    return this.#epoch;
  }

  /**
   * Can a station have seen `epoch` although no other process sent under it or under a newer one?
   * If `epoch` equals ours and this process has sent nothing under it, an earlier run of this
   * process sent under it. Commands of that run may still be under way, and could not be told apart
   * from those of this run.
   */
  isEpochKnown(epoch: number): boolean {
    return epoch < this.#epoch || (epoch === this.#epoch && this.#isEpochUsed);
  }

  /**
   * A station has seen `epoch`. If it is not known, our epoch is raised above it (`adopted`):
   * commands that an earlier run of this process sent under it are then stale like all others. An
   * impossible epoch is `refused`: if it were believed, one absurd report would use up all epochs,
   * for every gateway.
   */
  noteEpochSeen(epoch: number): "known" | "adopted" | "refused" {
    if (this.isEpochKnown(epoch)) return "known";
    const isPossible = Number.isSafeInteger(epoch) && epoch < HIGHEST_EPOCH && epoch <= this.#epoch + MAX_EPOCHS_AHEAD;
    if (!isPossible) return "refused";
    this.#setEpoch(epoch + 1);
    return "adopted";
  }

  /** Replaces the assessment of `name`. */
  assess(name: string, assessment: Assessment, nowMs: number): void {
    const station = this.#stationOf(name);
    station.assessment = assessment;
    if (!assessment.eligible || !assessment.proven) station.provenSinceMs = undefined;
    else station.provenSinceMs ??= nowMs;
  }

  /** The decision that is due by `nowMs`, if any. */
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
   * Why `name` cannot be made active now for `cause`, in a sentence; undefined if it can. A
   * failback needs proven health.
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
   * Makes `name` active as planned. Returns the promotion, or the reason of the refusal. After a
   * switchover, failback returns to `name`, so that the machine does not undo an operator's
   * decision.
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

  /** When `decide` could return something new without new input; `Infinity` if never. */
  nextWakeMs(): number {
    return this.#automatic && this.#active.assessment.eligible ? this.#failbackAtMs() : Number.POSITIVE_INFINITY;
  }

  /** How long `name` must be proven healthy before an automatic failback to it. */
  holdDownMs(name: string, nowMs: number): number {
    const lately = this.#stationOf(name).failedAtMs.filter((atMs) => nowMs - atMs <= this.#flapWindowMs).length;
    return Math.min(this.#maxHoldDownMs, this.#holdDownMs * 2 ** Math.max(0, lately - 1));
  }

  /** `name` was replaced for failing, or failed a failback: its hold-down grows. */
  noteFailed(name: string, nowMs: number): void {
    const station = this.#stationOf(name);
    station.failedAtMs = station.failedAtMs.filter((atMs) => nowMs - atMs <= this.#flapWindowMs);
    station.failedAtMs.push(nowMs);
    if (station.failedAtMs.length > MOST_FAILURES_KEPT) station.failedAtMs.shift();
  }

  /**
   * The station is replaced for being slow. Healthy heartbeats do not show that it is quick again.
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
    // The candidate's next heartbeat, or its silence, decides shortly.
    if (!next.assessment.confirmed) return undefined;
    // The probe decides shortly too; calls go to the other station meanwhile. If both circuits are
    // half-open, each probe would change the roles.
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
   * The first eligible station that is confirmed, else the first eligible one. If none is eligible
   * and the active station is silent: the first station that is heard, confirmed and not in
   * maintenance.
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

/** Is it in maintenance? Then an operator decides when it comes back. */
function isResting(assessment: Assessment): boolean {
  return assessment.evidence.some((piece) => piece.kind === "maintenance" && piece.verdict === "ineligible");
}
