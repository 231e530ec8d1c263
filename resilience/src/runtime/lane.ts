/**
 * All that the failover has of one station: its client, its ramp, what calls have shown of it, and what follows from
 * all evidence together. Weighing is done here, so that a verdict always comes with the sentences that explain it.
 */
import type { CommandPathOptions } from "../core/command-path.ts";
import { CommandPathMachine } from "../core/command-path.ts";
import { LocalRejection, StaleEpochError } from "../core/errors.ts";
import type { Assessment, Evidence } from "../core/failover.ts";
import type { Judgement, Outcome } from "../core/outcome.ts";
import { judgeError } from "../core/outcome.ts";
import type { RampOptions } from "../core/ramp.ts";
import { RampMachine } from "../core/ramp.ts";
import type { Declaration, Standing } from "../core/supervisor.ts";
import { CircuitBreaker } from "./breaker.ts";
import type { ClientOptions } from "./client.ts";
import { ResilientClient } from "./client.ts";
import type { Clock } from "./clock.ts";

/** A station is whatever you need to reach it, with a name of its own. */
export interface NamedStation {
  readonly name: string;
}

/** Why a station is out of service on purpose, and until when. */
export interface Maintenance {
  readonly reason: string;
  /** Instant at which it ends by itself; `Infinity` for when it is ended by hand. */
  readonly untilMs: number;
}

/**
 * How the client of a station is to be made; name, clock and chance are the failover's. One default differs: a breaker
 * made from options stays open for 5,000 ms, because here an open circuit is a reason to go elsewhere, and where there
 * is no elsewhere a short outage should not become a long one.
 */
export type StationClientOptions = Omit<ClientOptions<unknown>, "name" | "clock" | "random" | "onAttempt">;

export interface LaneOptions {
  readonly client: StationClientOptions;
  readonly ramp: RampOptions;
  readonly commandPath: CommandPathOptions;
  /** How long a station that was replaced for failing calls stays unfit at first. */
  readonly doubtMs: number;
  /** Whether somebody will prove a replaced station before it counts as healthy again. */
  readonly proofRequired: boolean;
}

/** A call that the lane has in flight. */
export interface InFlight {
  stationLost(): void;
}

/** How long a station's circuit stays open where nothing else is said. */
const OPEN_DURATION_MS = 5_000;
/** A station that fails again within this many times its doubt after it is doubted for twice as long, so many times. */
const DOUBT_MEMORY = 6;
const MOST_DOUBLINGS = 4;
/** A station that nobody would call fit is tried this often, in case it is well after all. */
const TRIAL_INTERVAL_MS = 250;

export class Lane<S extends NamedStation> {
  readonly station: S;
  readonly role: "primary" | "backup";
  readonly client: ResilientClient;
  readonly ramp: RampMachine;
  readonly commandPath: CommandPathMachine;
  readonly inFlight: Set<InFlight> = new Set();
  maintenance: Maintenance | undefined = undefined;
  /** Failures until then are our own doing: this process stood still, and answers wait unread. */
  distrustUntilMs = 0;
  /** Since when it has been suspected of silence, or worse; undefined while it is heard. */
  silentSinceMs: number | undefined = undefined;
  /** Told when a failed attempt could have changed the verdict; its call may go on for long, with another attempt. */
  callsSpoke: (() => void) | undefined = undefined;
  /** The last verdict. */
  assessment: Assessment | undefined = undefined;
  /** The sentence of the supervisor's last word on this station. */
  #beatRule = "";
  #notBeforeMs = 0;
  readonly #doubtMs: number;
  readonly #proofRequired: boolean;
  #doubtUntilMs = Number.NEGATIVE_INFINITY;
  /** How often its doubt was doubled, because it failed again soon after. */
  #doublings = -1;
  /** Has it to show that its command path works, because it was replaced for that, or failed a probe? */
  needsProof = false;
  #lastFailure = "";
  /** What the last verdict rested on, as far as calls go. */
  #weighedFailing = false;
  #weighedWakeMs = Number.POSITIVE_INFINITY;

  constructor(
    station: S,
    role: "primary" | "backup",
    options: LaneOptions,
    clock: Clock,
    random: ClientOptions["random"],
  ) {
    this.station = station;
    this.role = role;
    this.ramp = new RampMachine(options.ramp);
    this.commandPath = new CommandPathMachine(options.commandPath);
    this.#doubtMs = options.doubtMs;
    this.#proofRequired = options.proofRequired;
    const { classify, breaker } = options.client;
    this.client = new ResilientClient({
      ...options.client,
      ...(breaker === false || breaker instanceof CircuitBreaker
        ? {}
        : { breaker: { openDurationMs: OPEN_DURATION_MS, ...breaker } }),
      name: station.name,
      clock,
      ...(random === undefined ? {} : { random }),
      classify: {
        ...(classify?.result === undefined
          ? {}
          : { result: (value: unknown) => atOnce(classify.result?.(value) ?? "success") }),
        error: (error) => (isOurs(error) ? "ignored" : atOnce(classify?.error?.(error) ?? judgeError(error))),
      },
      onAttempt: (outcome, startedMs, endedMs) => {
        const failed = outcome !== "success";
        if (failed && endedMs < this.distrustUntilMs) return;
        this.commandPath.note(outcome, startedMs, endedMs);
        if (failed && this.callsChangedVerdict(endedMs)) this.callsSpoke?.();
      },
    });
  }

  get name(): string {
    return this.station.name;
  }

  /** Would a call offered now be taken: circuit closed (or a probe free), a slot or a place in its queue, no pause? */
  serves(nowMs: number): boolean {
    if (nowMs < this.#notBeforeMs || this.client.breaker?.peek(nowMs) === false) return false;
    const slots = this.client.bulkhead?.slots;
    return slots === undefined || slots.running < slots.maxConcurrent || slots.waiting < slots.maxQueue;
  }

  /** When {@link serves} could turn true by time alone, or because somebody else who shares its bulkhead leaves it. */
  servesAtMs(nowMs: number): number {
    if (this.serves(nowMs)) return nowMs;
    if (nowMs < this.#notBeforeMs) return this.#notBeforeMs;
    const { breaker } = this.client;
    const closedMs = breaker?.peek(nowMs) === false ? breaker.refusal(nowMs).retryAfterMs : 0;
    return nowMs + Math.max(PAUSE_MS, closedMs);
  }

  /** Its bulkhead has just refused: offer nothing for a moment. */
  pause(nowMs: number): void {
    this.#notBeforeMs = nowMs + PAUSE_MS;
  }

  /** A call failed here. One that is kept for want of a better one is tried again, but not by everybody at once. */
  callFailed(nowMs: number): void {
    if (this.assessment?.fit === false) this.#notBeforeMs = nowMs + TRIAL_INTERVAL_MS;
  }

  /** Is it active for want of a better one, with nothing to show that it serves? */
  get onTrial(): boolean {
    if (this.assessment?.fit !== false || !this.assessment.silent) return false;
    return this.commandPath.unproven;
  }

  /** Few get through, and nothing has succeeded since something failed: what comes next depends on the next answer. */
  get hangsOnNextAnswer(): boolean {
    const limited = this.ramp.ramping || (this.client.breaker?.state ?? "closed") !== "closed";
    return limited && this.commandPath.unproven;
  }

  /** Nobody is fit, and this one is kept: one call at a time finds out whether it does serve, unless it plainly does. */
  kept(): void {
    if (this.commandPath.unproven) this.ramp.begin(1);
  }

  /** It is active from now on: it starts afresh, and with a few calls. */
  promoted(nowMs: number): void {
    this.ramp.begin();
    this.commandPath.startAfresh(nowMs);
    this.#notBeforeMs = 0;
  }

  /** It is idle from now on: in doubt for a while where calls failed, unproven where that is why (`failed`). The rest is forgotten: no call could outweigh it. */
  demoted(nowMs: number, failed: boolean): void {
    if (failed) this.needsProof = this.#proofRequired;
    const failing = this.commandPath.failing(nowMs) ?? this.#breakerOpen(nowMs);
    this.commandPath.startAfresh(nowMs);
    if (failing === undefined) return;
    const again = nowMs <= this.#doubtUntilMs + DOUBT_MEMORY * this.#doubtMs;
    this.#doublings = again ? Math.min(this.#doublings + 1, MOST_DOUBLINGS) : 0;
    this.#doubtUntilMs = nowMs + this.#currentDoubtMs;
    this.#lastFailure = failing;
  }

  get #currentDoubtMs(): number {
    return this.#doubtMs * 2 ** Math.max(0, this.#doublings);
  }

  /** Somebody tried the command path of this idle station, and it worked. */
  proved(nowMs: number): void {
    this.needsProof = false;
    this.#doubtUntilMs = Math.min(this.#doubtUntilMs, nowMs);
    this.commandPath.startAfresh(nowMs);
  }

  /** Somebody tried the command path of this idle station, and it did not work. */
  disproved(): void {
    this.needsProof = this.#proofRequired;
  }

  /** The supervisor has spoken. A station that was down and is heard again has a life in which nothing failed yet. */
  declared(declaration: Declaration): void {
    const { from, to, atMs, rule } = declaration;
    this.#beatRule = rule;
    if (to === "alive") this.silentSinceMs = undefined;
    else this.silentSinceMs ??= atMs;
    if (from === "down" && to === "alive") this.commandPath.startAfresh(atMs);
  }

  /** Could its calls have anything to say that was not weighed yet? */
  get inQuestion(): boolean {
    return this.commandPath.inDoubt || this.#weighedFailing || this.#weighedWakeMs < Number.POSITIVE_INFINITY;
  }

  /** Could the verdict on its calls be another one than at the last weighing? Cheap: asked after every failure. */
  callsChangedVerdict(nowMs: number): boolean {
    const { commandPath } = this;
    return commandPath.isFailing(nowMs) !== this.#weighedFailing || commandPath.nextWakeMs !== this.#weighedWakeMs;
  }

  /**
   * Everything that is known, weighed. The active station is fit until something is held against it (one not heard of
   * yet is given its grace period); another one only while it is plainly alive. `confirmed`: see {@link Assessment}.
   * Changes nothing.
   */
  assess(standing: Standing, active: boolean, confirmed: boolean, nowMs: number): Assessment {
    const evidence: Evidence[] = [];
    const against = (kind: Evidence["kind"], detail: string): void => {
      evidence.push({ kind, verdict: "unfit", detail: `${this.name}: ${detail}` });
    };
    const heard = standing === "alive" || standing === "suspected" || (active && standing === "unknown");
    evidence.push({
      kind: "heartbeats",
      verdict: standing === "alive" || (active && heard) ? "fit" : "unfit",
      detail: `${this.name}: heartbeats ${standing}${this.#beatRule === "" ? "" : ` (${this.#beatRule})`}`,
    });
    const failing = this.commandPath.failing(nowMs);
    if (failing !== undefined) against("calls", failing);
    const open = this.#breakerOpen(nowMs);
    if (open !== undefined) against("breaker", open);
    if (nowMs < this.#doubtUntilMs) {
      against("calls", `replaced because ${this.#lastFailure}; in doubt for ${this.#currentDoubtMs} ms`);
    }
    if (this.maintenance !== undefined) against("maintenance", `in maintenance (${this.maintenance.reason})`);
    const fit = evidence.every((piece) => piece.verdict !== "unfit");
    if (this.needsProof) {
      const detail = `${this.name}: its command path has not been proven since it was replaced`;
      evidence.push({ kind: "probe", verdict: "abstained", detail });
    }
    const abstained = `${this.name}: this process stood still a moment ago; failures until then do not count`;
    if (nowMs < this.distrustUntilMs) evidence.push({ kind: "own-stall", verdict: "abstained", detail: abstained });
    const proven = fit && standing === "alive" && !this.needsProof;
    return { fit, silent: !heard, proven, confirmed, evidence };
  }

  /** Takes `assessment` for the verdict from now on. */
  weighed(assessment: Assessment, nowMs: number): void {
    this.assessment = assessment;
    this.#weighedFailing = this.commandPath.isFailing(nowMs);
    this.#weighedWakeMs = this.commandPath.nextWakeMs;
  }

  /** When {@link assess} could say something else by time alone; `Infinity` where it could not. */
  nextWakeMs(nowMs: number): number {
    const instants = [this.commandPath.nextWakeMs, this.#doubtUntilMs, this.maintenance?.untilMs ?? 0];
    const { breaker } = this.client;
    if (breaker?.state === "open") instants.push(nowMs + Math.max(1, breaker.refusal(nowMs).retryAfterMs));
    return Math.min(...instants.filter((atMs) => atMs > nowMs), Number.POSITIVE_INFINITY);
  }

  #breakerOpen(nowMs: number): string | undefined {
    const breaker = this.client.breaker;
    if (breaker?.state !== "open") return undefined;
    return `circuit open, next probe in ${Math.round(breaker.refusal(nowMs).retryAfterMs)} ms`;
  }
}

/** How long a station is left alone after its bulkhead had no room, where nothing tells when it has. */
const PAUSE_MS = 10;

/** Neither our own refusals nor a station's refusal of an old epoch say that it is ill, whatever a classifier makes of them. */
function isOurs(error: unknown): boolean {
  return error instanceof LocalRejection || error instanceof StaleEpochError;
}

/** A call that was never sent costs its station nothing: where it goes next is the failover's decision. */
function atOnce(judged: Outcome | Judgement): Outcome | Judgement {
  const outcome = typeof judged === "object" ? judged.outcome : judged;
  return outcome === "never-sent" ? { outcome, retry: false } : judged;
}
