/**
 * Everything known about one station: what its heartbeats say, what its calls show (`evidence.ts`),
 * how long it takes to answer, how much load it is given (`admission.ts`), its circuit and its
 * retry budget. Every assessment comes with the sentences that explain it.
 *
 * The code asks three questions about a station, from cheap to expensive:
 * - May a call go there now? (admission)
 * - Is it usable, and is it in doubt? (decides where one call goes)
 * - Is it eligible? (decides which station is active)
 *
 * It is one file because the three answers must agree with each other.
 */

import type { Liveness, LivenessChange } from "../detection/supervisor.ts";
import type { Backoff } from "../guard/backoff.ts";
import type { BreakerMachine } from "../guard/breaker.ts";
import type { RetryBudgetMachine } from "../guard/retry-budget.ts";
import type { Slots } from "../guard/slots.ts";
import type { Admission } from "./admission/admission.ts";
import { Crowding } from "./admission/crowding.ts";
import { Quotas } from "./admission/quotas.ts";
import type { Accidents } from "./evidence/accidents.ts";
import type { StationEvidence } from "./evidence/evidence.ts";
import type { Assessment, Evidence } from "./failover.ts";
import { GivenUp } from "./given-up.ts";
import { AnswerTimes } from "./learned/answer-times.ts";
import { Lull } from "./learned/lull.ts";
import { Slowness } from "./learned/slowness.ts";

/** Why a station was taken out of service on purpose, and until when. */
export interface Maintenance {
  readonly reason: string;
  /** Instant at which the maintenance ends by itself; `Infinity` if an operator ends it. */
  readonly untilMs: number;
}

/** The parts of a station. */
export interface StationParts {
  readonly name: string;
  readonly role: "primary" | "backup";
  /** Its place in the order of priority; the primary is 0. */
  readonly number: number;
  readonly evidence: StationEvidence;
  readonly admission: Admission;
  /** Counts calls in a row whose callers hung up after several times the answer time at leisure. */
  readonly left: Accidents;
  readonly breaker: BreakerMachine | undefined;
  readonly budget: RetryBudgetMachine | undefined;
  /**
   * Slots that are shared with other users; undefined if the station has its own limit
   * (`admission`).
   */
  readonly sharedSlots: Slots | undefined;
  readonly backoff: Backoff;
  /** Attempts that one call may make at this station, including the first. */
  readonly maxAttempts: number;
  readonly timeoutMs: number;
  readonly minTimeLeftMs: number;
  /** Maximum `Retry-After` of the station that a call waits for. */
  readonly maxRetryAfterMs: number;
  /** First cooldown: how long a station that was replaced for failing calls stays ineligible. */
  readonly cooldownMs: number;
  /**
   * True if a station that was replaced for failing needs a successful probe to count as healthy.
   */
  readonly needsProof: boolean;
  /** Extra text for the operator beside the heartbeats, such as the last answer to a probe. */
  readonly heartbeatNote: (() => string | undefined) | undefined;
}

/**
 * If a station fails again within `COOLDOWN_MEMORY` cooldowns, the next cooldown is twice as long,
 * up to `MAX_DOUBLINGS` times.
 */
const COOLDOWN_MEMORY = 6;
const MAX_DOUBLINGS = 4;
/**
 * A station in cooldown gets calls only if no other station is usable. If it serves this many of
 * them, its cooldown ends.
 */
const SERVES_AGAIN = 8;

export class Station {
  parts: StationParts;
  readonly name: string;
  readonly number: number;
  readonly evidence: StationEvidence;
  readonly admission: Admission;
  readonly answerTimes: AnswerTimes = new AnswerTimes();
  readonly crowding: Crowding = new Crowding();
  readonly lull: Lull = new Lull();
  readonly quotas: Quotas = new Quotas();
  readonly slowness: Slowness = new Slowness();
  readonly givenUp: GivenUp;
  /**
   * A call that takes longer than this is slow for the circuit; `Infinity` if there is no circuit
   * or no bound.
   */
  slowMs: number;
  /** Attempts that are out at this station; kept by `attempts-out.ts`. */
  inFlight = 0;
  /** Attempts sent to this station since the start. */
  sent: number = 0;
  maintenance: Maintenance | undefined = undefined;
  liveness: Liveness = "unknown";
  /** Since when it has been suspected or down; undefined while its heartbeats arrive. */
  silentSinceMs: number | undefined = undefined;
  /**
   * True if a probe must succeed, because the station was replaced for failing calls or failed a
   * probe.
   */
  needsProbe = false;
  /** Earliest instant of the next call that tests whether the station serves again. */
  nextTrialMs: number = Number.NEGATIVE_INFINITY;
  /** The last assessment. */
  assessment: Assessment | undefined = undefined;
  #livenessRule = "";
  #cooldownUntilMs: number = Number.NEGATIVE_INFINITY;
  #doublings = -1;
  #replacedFor = "";
  /** True if its cooldown began while it was idle, and not because it was replaced. */
  #wasSetAside = false;
  #servedInCooldown = 0;
  /** The value of {@link Station.#against} at the last assessment. */
  #assessedAgainst = 0;

  constructor(parts: StationParts) {
    this.parts = parts;
    this.name = parts.name;
    this.number = parts.number;
    this.givenUp = new GivenUp(parts.number);
    this.slowMs = parts.breaker?.slowCallDurationMs ?? Number.POSITIVE_INFINITY;
    this.evidence = parts.evidence;
    this.admission = parts.admission;
  }

  /**
   * Follows the settings of `other`, a new machine of the same station, from `nowMs` on. Its
   * evidence, admission, circuit, budget and slots stay, with what they have learned and with the
   * calls that are out.
   */
  useSettingsOf({ parts }: Station, nowMs: number): void {
    const { evidence, admission, left, breaker, budget, sharedSlots, number } = this.parts;
    evidence.useSettingsOf(parts.evidence);
    admission.useSettingsOf(parts.admission, nowMs);
    if (breaker !== undefined && parts.breaker !== undefined) breaker.useSettingsOf(parts.breaker, nowMs);
    if (budget !== undefined && parts.budget !== undefined) budget.useSettingsOf(parts.budget, nowMs);
    if (sharedSlots !== undefined && parts.sharedSlots !== undefined) sharedSlots.useSettingsOf(parts.sharedSlots);
    this.parts = { ...parts, evidence, admission, left, breaker, budget, sharedSlots, number };
    this.slowMs = breaker?.slowCallDurationMs ?? Number.POSITIVE_INFINITY;
    if (!parts.needsProof) this.needsProbe = false;
  }

  /** May a call go to this station now? Takes no permit. */
  admits(nowMs: number): boolean {
    const { sharedSlots } = this.parts;
    if (sharedSlots !== undefined && sharedSlots.running >= sharedSlots.maxConcurrent) return false;
    return !this.isInLull(nowMs) && this.admission.admits(nowMs);
  }

  /** Has the station answered nothing for a moment, while answers were due? */
  isInLull(nowMs: number): boolean {
    return this.lull.isOn(this.answerTimes.usualMs, nowMs);
  }

  /** When time alone could make {@link admits} true; `Infinity` if a call has to end first. */
  admitsAtMs(nowMs: number): number {
    const { sharedSlots } = this.parts;
    // There is no signal when another user of the slots releases one.
    if (sharedSlots !== undefined && sharedSlots.running >= sharedSlots.maxConcurrent) return nowMs + SLOT_RECHECK_MS;
    const opensMs = this.admission.nextMs(nowMs);
    const { usualMs } = this.answerTimes;
    return this.lull.isOn(usualMs, nowMs) ? Math.max(opensMs, this.lull.endsAtMs(usualMs)) : opensMs;
  }

  /**
   * May calls be sent to this station at all, as far as is known? The active station may be, until
   * something counts against it.
   */
  isUsable(isActive: boolean, nowMs: number): boolean {
    const { liveness } = this;
    const heard = liveness === "alive" || (isActive && liveness !== "down");
    if (!heard || this.maintenance !== undefined || nowMs < this.#cooldownUntilMs) return false;
    if (this.evidence.isFailing(nowMs)) return false;
    return !this.isCircuitOpen(nowMs);
  }

  /**
   * True if nothing counts against this station as the active one. It is then usable and not in
   * doubt. Most calls need no other answer, and this check is cheaper.
   */
  isWell(nowMs: number): boolean {
    if (!this.evidence.isClear || this.liveness === "down" || this.maintenance !== undefined) return false;
    return nowMs >= this.#cooldownUntilMs && this.parts.breaker?.isClosed !== false;
  }

  /** True if new calls should go to another station for the moment, if they can. */
  get isDoubted(): boolean {
    return this.evidence.isDoubted;
  }

  isCircuitOpen(nowMs: number): boolean {
    const { breaker } = this.parts;
    return breaker !== undefined && !breaker.isClosed && !breaker.peek(nowMs);
  }

  /**
   * The station has become active. It starts afresh with a few calls, or with as many as were in
   * flight at the previous station, which served `perMs` calls a ms. Its cooldown ends: earlier
   * failures count against promoting it, but are no reason to replace it once it is active.
   */
  promoted(inFlightBefore: number, nowMs: number, perMs = 0): void {
    this.#cooldownUntilMs = Math.min(this.#cooldownUntilMs, nowMs);
    this.admission.begin(inFlightBefore, nowMs, this.admission.borne, perMs);
    this.evidence.startAfresh(nowMs);
    this.crowding.restart(nowMs);
    this.nextTrialMs = nowMs;
  }

  /**
   * The station is no longer active. Starts its cooldown if calls were failing; requires a probe if
   * it was replaced for a failure (`failed`). Resets the call history, because an idle station has
   * no successes to outweigh it.
   */
  demoted(nowMs: number, failed: boolean): void {
    this.crowding.end();
    if (failed) this.needsProbe = this.parts.needsProof;
    const failing = this.evidence.failing(nowMs) ?? this.#circuitOpen(nowMs);
    this.evidence.startAfresh(nowMs);
    if (failing !== undefined) this.startCooldown(failing, nowMs);
  }

  /**
   * The station is idle, and the calls that it was given show that it fails. It starts its cooldown
   * and a new call history, as after a replacement: without calls, no success could outweigh the
   * failures.
   */
  setAsideIfFailing(nowMs: number): void {
    const failing = this.evidence.failing(nowMs);
    if (failing === undefined) return;
    this.evidence.startAfresh(nowMs);
    const wasReplaced = nowMs < this.#cooldownUntilMs && !this.#wasSetAside;
    this.startCooldown(failing, nowMs);
    this.#wasSetAside = !wasReplaced;
  }

  /**
   * The station failed calls. It is not promoted for a while, longer if this happens again soon.
   * During the cooldown it may be tried because no other station is usable; failures of these calls
   * do not extend the cooldown.
   */
  startCooldown(reason: string, nowMs: number): void {
    this.evidence.forgetService();
    if (nowMs < this.#cooldownUntilMs) return;
    const { cooldownMs } = this.parts;
    const again = nowMs <= this.#cooldownUntilMs + COOLDOWN_MEMORY * cooldownMs;
    this.#doublings = again ? Math.min(this.#doublings + 1, MAX_DOUBLINGS) : 0;
    this.#cooldownUntilMs = nowMs + this.#currentCooldownMs;
    this.#replacedFor = reason;
    this.#wasSetAside = false;
    this.#servedInCooldown = 0;
    // The passing of time does not repair the station: the next call sent to it tests first whether
    // it serves.
    this.admission.beginTrial(nowMs);
  }

  /** The station served a call while another one was active. True if that ends its cooldown. */
  servedInCooldown(nowMs: number): boolean {
    if (nowMs >= this.#cooldownUntilMs || ++this.#servedInCooldown < SERVES_AGAIN || !this.evidence.isClear)
      return false;
    this.#cooldownUntilMs = nowMs;
    return true;
  }

  /** A probe of the command path succeeded while the station was idle. */
  probeSucceeded(nowMs: number): void {
    this.needsProbe = false;
    this.#cooldownUntilMs = Math.min(this.#cooldownUntilMs, nowMs);
    this.evidence.startAfresh(nowMs);
  }

  probeFailed(): void {
    this.needsProbe = this.parts.needsProof;
  }

  /** Its liveness has changed. After recovery from down, earlier failures no longer count. */
  declared({ from, to, atMs, rule }: LivenessChange): void {
    this.liveness = to;
    this.#livenessRule = rule;
    if (to === "alive") this.silentSinceMs = undefined;
    else this.silentSinceMs ??= atMs;
    if (from !== "down" || to !== "alive") return;
    this.evidence.startAfresh(atMs);
    // It failed calls while idle because it was going down; that does not predict failures now.
    if (this.#wasSetAside) this.#cooldownUntilMs = Math.min(this.#cooldownUntilMs, atMs);
    this.parts.breaker?.reset(atMs);
    this.nextTrialMs = atMs;
  }

  /** Weighs everything known, with the sentences that explain it. Changes nothing. */
  assess(isActive: boolean, confirmed: boolean, distrustUntilMs: number, nowMs: number): Assessment {
    const { liveness } = this;
    const heard = liveness === "alive" || liveness === "suspected" || (isActive && liveness === "unknown");
    const evidence: Evidence[] = [this.#heartbeats(isActive, heard)];
    const against = (kind: Evidence["kind"], detail: string): void => {
      evidence.push({ kind, verdict: "ineligible", detail: `${this.name}: ${detail}` });
    };
    const failing = this.evidence.failing(nowMs);
    if (failing !== undefined) against("calls", failing);
    const open = this.#circuitOpen(nowMs);
    if (open !== undefined) against("breaker", open);
    if (nowMs < this.#cooldownUntilMs) {
      against("calls", `replaced because ${this.#replacedFor}; not promoted again for ${this.#currentCooldownMs} ms`);
    }
    if (this.maintenance !== undefined) against("maintenance", `in maintenance (${this.maintenance.reason})`);
    const eligible = evidence.every((piece) => piece.verdict !== "ineligible");
    if (this.needsProbe) {
      const detail = `${this.name}: no probe of its command path has succeeded since it was replaced`;
      evidence.push({ kind: "probe", verdict: "abstained", detail });
    }
    if (nowMs < distrustUntilMs) {
      const detail = `${this.name}: this process was stopped a moment ago; failures until then do not count`;
      evidence.push({ kind: "own-stall", verdict: "abstained", detail });
    }
    const proven = eligible && liveness === "alive" && !this.needsProbe;
    const isOther = evidence.some((piece) => piece.verdict === "ineligible" && piece.kind !== "breaker");
    const isProbed = open !== undefined && !isOther && this.#isProbed(nowMs);
    return { eligible, silent: !heard, proven, confirmed, isProbed, evidence };
  }

  /** Makes `assessment` the current one. */
  assessed(assessment: Assessment, nowMs: number): void {
    this.assessment = assessment;
    this.#assessedAgainst = this.#against(nowMs);
  }

  /** Does anything count against the station now, or did anything at the last assessment? */
  get isQuestioned(): boolean {
    return this.#assessedAgainst > 0 || this.evidence.isSuspect || this.parts.breaker?.isClosed === false;
  }

  /**
   * True if nothing counts against the station, neither now nor at the last assessment. This holds
   * after most answers.
   */
  get isUnsuspected(): boolean {
    return this.evidence.isClear && this.#assessedAgainst === 0 && this.parts.breaker?.isClosed !== false;
  }

  /**
   * Could calls since the last assessment have changed the result? Cheap, because it is asked after
   * every failure.
   */
  hasNews(nowMs: number): boolean {
    return this.#against(nowMs) !== this.#assessedAgainst;
  }

  /** When time alone could change the result of {@link assess}; `Infinity` if never. */
  nextWakeMs(nowMs: number): number {
    let nextMs = Number.POSITIVE_INFINITY;
    const provenMs = this.evidence.nextWakeMs;
    if (provenMs > nowMs) nextMs = provenMs;
    if (this.#cooldownUntilMs > nowMs) nextMs = Math.min(nextMs, this.#cooldownUntilMs);
    const restingUntilMs = this.maintenance?.untilMs ?? nowMs;
    if (restingUntilMs > nowMs) nextMs = Math.min(nextMs, restingUntilMs);
    const { breaker } = this.parts;
    const probeAtMs = breaker === undefined || breaker.isClosed ? nowMs : breaker.nextProbeAtMs(nowMs);
    return probeAtMs > nowMs ? Math.min(nextMs, probeAtMs) : nextMs;
  }

  get #currentCooldownMs(): number {
    return this.parts.cooldownMs * 2 ** Math.max(0, this.#doublings);
  }

  /**
   * What counts against the station, one bit each: its calls, its open circuit, and a circuit probe
   * that is out.
   */
  #against(nowMs: number): number {
    const ofCalls = this.evidence.isFailing(nowMs) ? 1 : 0;
    const ofCircuit = this.isCircuitOpen(nowMs) ? 2 : 0;
    return ofCalls | ofCircuit | (this.#isProbed(nowMs) ? 4 : 0);
  }

  /** Is its circuit half-open, with a probe out? */
  #isProbed(nowMs: number): boolean {
    const { breaker } = this.parts;
    return breaker !== undefined && !breaker.isClosed && !breaker.peek(nowMs) && breaker.state(nowMs) === "half-open";
  }

  #heartbeats(isActive: boolean, heard: boolean): Evidence {
    const note = this.parts.heartbeatNote?.();
    const why = [this.#livenessRule, note].filter((part) => part !== undefined && part !== "").join("; ");
    return {
      kind: "heartbeats",
      verdict: this.liveness === "alive" || (isActive && heard) ? "eligible" : "ineligible",
      detail: `${this.name}: heartbeats ${this.liveness}${why === "" ? "" : ` (${why})`}`,
    };
  }

  #circuitOpen(nowMs: number): string | undefined {
    const { breaker } = this.parts;
    if (breaker === undefined || !this.isCircuitOpen(nowMs)) return undefined;
    return `circuit open, next probe in ${Math.max(0, Math.round(breaker.nextProbeAtMs(nowMs) - nowMs))} ms`;
  }
}

const SLOT_RECHECK_MS = 10;
