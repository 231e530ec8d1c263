/**
 * All that is known of one station, and what follows from it: what its heartbeats say, what its
 * calls show (`evidence.ts`), how long it takes to answer, how much it is given (`admission.ts`),
 * its circuit and retry budget. An assessment always comes with the sentences that explain it.
 *
 * Three questions are asked of it, from cheap to dear. *May a call go there now?* (admission.) *Is
 * it usable, and is it in doubt?* (decides where one call goes.) *Is it eligible?* (decides who is
 * active.)
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

/** Why a station is out of service on purpose, and until when. */
export interface Maintenance {
  readonly reason: string;
  /** Instant at which it ends by itself; `Infinity` for when it is ended by hand. */
  readonly untilMs: number;
}

/** What a station consists of. */
export interface StationParts {
  readonly name: string;
  readonly role: "primary" | "backup";
  /** Its place in the order of priority, the primary's is 0. */
  readonly number: number;
  readonly evidence: StationEvidence;
  readonly admission: Admission;
  /**
   * Calls that were out for several times as long as at leisure when their callers left, in a row.
   */
  readonly left: Accidents;
  readonly breaker: BreakerMachine | undefined;
  readonly budget: RetryBudgetMachine | undefined;
  /**
   * Slots that others take from as well; undefined where the station has its own bound
   * (`admission`).
   */
  readonly sharedSlots: Slots | undefined;
  readonly backoff: Backoff;
  /** Attempts that one call may make there, the first included. */
  readonly maxAttempts: number;
  readonly timeoutMs: number;
  readonly minTimeLeftMs: number;
  /** The longest hint of the station that a call waits for. */
  readonly maxRetryAfterMs: number;
  /** How long a station that was replaced for failing calls stays ineligible at first. */
  readonly cooldownMs: number;
  /** Must a probe succeed before a station that was replaced for failing counts as healthy? */
  readonly needsProof: boolean;
  /** What the operator should read beside its heartbeats, such as its last answer to a probe. */
  readonly heartbeatNote: (() => string | undefined) | undefined;
}

/**
 * A station that fails again within this many times its cooldown is replaced for twice as long, so
 * many times.
 */
const COOLDOWN_MEMORY = 6;
const MAX_DOUBLINGS = 4;
/**
 * One that serves so many calls in its cooldown, sent there because nobody else was usable, serves
 * again.
 */
const SERVES_AGAIN = 8;

export class Station {
  readonly parts: StationParts;
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
  /** A call that takes longer is slow for its circuit; `Infinity` where none is. */
  readonly slowMs: number;
  /** Attempts that are out there; kept by `attempts-out.ts`. */
  inFlight = 0;
  /** Attempts that were sent there since the start. */
  sent: number = 0;
  maintenance: Maintenance | undefined = undefined;
  liveness: Liveness = "unknown";
  /** Since when it has been suspected of silence, or worse; undefined while it is heard. */
  silentSinceMs: number | undefined = undefined;
  /** Must a probe succeed, because it was replaced for failing calls, or failed a probe? */
  needsProbe = false;
  /** The next call that finds out whether it serves again may go from this instant on. */
  nextTrialMs: number = Number.NEGATIVE_INFINITY;
  /** The last assessment. */
  assessment: Assessment | undefined = undefined;
  #livenessRule = "";
  #cooldownUntilMs: number = Number.NEGATIVE_INFINITY;
  #doublings = -1;
  #replacedFor = "";
  /** Its cooldown began while it was idle, and not because it was replaced. */
  #wasSetAside = false;
  #servedInCooldown = 0;
  /** What spoke against it when it was assessed, as {@link Station.#against} has it. */
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

  /** May a call go there now? Takes no permit. */
  admits(nowMs: number): boolean {
    const { sharedSlots } = this.parts;
    if (sharedSlots !== undefined && sharedSlots.running >= sharedSlots.maxConcurrent) return false;
    if (this.lull.isOn(this.answerTimes.usualMs, nowMs)) return false;
    return this.admission.admits(nowMs);
  }

  /** When time alone could make {@link admits} true; `Infinity` where a call has to end first. */
  admitsAtMs(nowMs: number): number {
    const { sharedSlots } = this.parts;
    // Nobody tells when another user of the slots leaves one.
    if (sharedSlots !== undefined && sharedSlots.running >= sharedSlots.maxConcurrent) return nowMs + SLOT_RECHECK_MS;
    const opensMs = this.admission.nextMs(nowMs);
    const { usualMs } = this.answerTimes;
    return this.lull.isOn(usualMs, nowMs) ? Math.max(opensMs, this.lull.endsAtMs(usualMs)) : opensMs;
  }

  /**
   * May calls be sent there at all, as far as is known? The active one is, until something is held
   * against it.
   */
  isUsable(isActive: boolean, nowMs: number): boolean {
    const { liveness } = this;
    const heard = liveness === "alive" || (isActive && liveness !== "down");
    if (!heard || this.maintenance !== undefined || nowMs < this.#cooldownUntilMs) return false;
    if (this.evidence.isFailing(nowMs)) return false;
    return !this.isCircuitOpen(nowMs);
  }

  /**
   * Is nothing held against it, as the active one? Then it is usable and not in doubt. Most calls
   * need no other answer, and this one is cheaper.
   */
  isWell(nowMs: number): boolean {
    if (!this.evidence.isClear || this.liveness === "down" || this.maintenance !== undefined) return false;
    return nowMs >= this.#cooldownUntilMs && this.parts.breaker?.isClosed !== false;
  }

  /** Should new calls go elsewhere for the moment, if they can? */
  get isDoubted(): boolean {
    return this.evidence.isDoubted;
  }

  isCircuitOpen(nowMs: number): boolean {
    const { breaker } = this.parts;
    return breaker !== undefined && !breaker.isClosed && !breaker.peek(nowMs);
  }

  /**
   * It has become active: it starts afresh, and with a few calls, or as many as were in flight at
   * the one before, which served `perMs` calls a ms. A cooldown is over: what it failed before
   * speaks against making it active, and not, once it is, for replacing it.
   */
  promoted(inFlightBefore: number, nowMs: number, perMs = 0): void {
    this.#cooldownUntilMs = Math.min(this.#cooldownUntilMs, nowMs);
    this.admission.begin(inFlightBefore, nowMs, this.admission.borne, perMs);
    this.evidence.startAfresh(nowMs);
    this.crowding.restart(nowMs);
    this.nextTrialMs = nowMs;
  }

  /**
   * It is no longer active. Starts its cooldown if calls were failing; requires a probe if it was
   * replaced for a failure (`failed`). What calls showed is forgotten: an idle station has no
   * success to outweigh it.
   */
  demoted(nowMs: number, failed: boolean): void {
    this.crowding.end();
    if (failed) this.needsProbe = this.parts.needsProof;
    const failing = this.evidence.failing(nowMs) ?? this.#circuitOpen(nowMs);
    this.evidence.startAfresh(nowMs);
    if (failing !== undefined) this.startCooldown(failing, nowMs);
  }

  /**
   * It is idle, and the calls that it was given show that it fails. As after a replacement, it
   * starts its cooldown and begins anew: without calls, no success could ever outweigh what they
   * showed.
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
   * It failed calls: it is not promoted again for a while, longer each time that this happens soon
   * again. What it fails during that while, because nobody else is usable and it is tried, is
   * nothing new.
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
    // Time alone does not mend it: what is sent there after that finds out first whether it serves.
    this.admission.beginTrial(nowMs);
  }

  /** It served a call while another station was active. True if that ends its cooldown. */
  servedInCooldown(nowMs: number): boolean {
    if (nowMs >= this.#cooldownUntilMs || ++this.#servedInCooldown < SERVES_AGAIN || !this.evidence.isClear)
      return false;
    this.#cooldownUntilMs = nowMs;
    return true;
  }

  /** A probe of its command path succeeded, while it was idle. */
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
    // While it was idle calls failed because it was going down: that does not say that it will fail
    // now.
    if (this.#wasSetAside) this.#cooldownUntilMs = Math.min(this.#cooldownUntilMs, atMs);
    this.parts.breaker?.reset(atMs);
    this.nextTrialMs = atMs;
  }

  /** Everything that is known, weighed, with the sentences that explain it. Changes nothing. */
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

  /** Takes `assessment` for the verdict from now on. */
  assessed(assessment: Assessment, nowMs: number): void {
    this.assessment = assessment;
    this.#assessedAgainst = this.#against(nowMs);
  }

  /** Is anything held against it, or was something when it was assessed? */
  get isQuestioned(): boolean {
    return this.#assessedAgainst > 0 || this.evidence.isSuspect || this.parts.breaker?.isClosed === false;
  }

  /**
   * Is neither anything held against it, nor was something when it was assessed? Most answers leave
   * it so.
   */
  get isUnsuspected(): boolean {
    return this.evidence.isClear && this.#assessedAgainst === 0 && this.parts.breaker?.isClosed !== false;
  }

  /**
   * Could the assessment be another one than the last, by what calls have shown since? Cheap: asked
   * after every failure.
   */
  hasNews(nowMs: number): boolean {
    return this.#against(nowMs) !== this.#assessedAgainst;
  }

  /** When {@link assess} could say something else by time alone; `Infinity` where it could not. */
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
   * What speaks against it, one bit each: its calls, its circuit, and that a probe of that is out.
   */
  #against(nowMs: number): number {
    const ofCalls = this.evidence.isFailing(nowMs) ? 1 : 0;
    const ofCircuit = this.isCircuitOpen(nowMs) ? 2 : 0;
    return ofCalls | ofCircuit | (this.#isProbed(nowMs) ? 4 : 0);
  }

  /** Is its circuit half-open, and a probe out? */
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
