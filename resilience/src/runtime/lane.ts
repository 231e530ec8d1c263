/**
 * All that the failover has of one station: its client, its ramp, what calls have shown of it, and what follows from
 * all evidence together. Weighing is done here, so that a verdict always comes with the sentences that explain it.
 */
import type { CommandPathOptions } from "../core/command-path.ts";
import { CommandPathMachine } from "../core/command-path.ts";
import type { Assessment, Evidence } from "../core/failover.ts";
import type { Judgement, Outcome } from "../core/outcome.ts";
import { judgeError } from "../core/outcome.ts";
import type { RampOptions } from "../core/ramp.ts";
import { RampMachine } from "../core/ramp.ts";
import type { Standing } from "../core/supervisor.ts";
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

/** How the client of a station is to be made; name, clock and chance are the failover's. */
export type StationClientOptions = Omit<ClientOptions<unknown>, "name" | "clock" | "random" | "onAttempt">;

export interface LaneOptions {
  readonly client: StationClientOptions;
  readonly ramp: RampOptions;
  readonly commandPath: CommandPathOptions;
  /** How long a station that was replaced for failing calls stays unfit. */
  readonly doubtMs: number;
  /** Whether somebody will prove a replaced station before it counts as healthy again. */
  readonly proofRequired: boolean;
}

/** A call that the lane has in flight. */
export interface InFlight {
  stationLost(): void;
}

export class Lane<S extends NamedStation> {
  readonly station: S;
  readonly role: "primary" | "backup";
  readonly client: ResilientClient;
  readonly ramp: RampMachine;
  readonly commandPath: CommandPathMachine;
  readonly inFlight: Set<InFlight> = new Set();
  maintenance: Maintenance | undefined = undefined;
  /** The sentence of the supervisor's last word on this station. */
  beatRule = "";
  /** Do not offer anything before this instant: its bulkhead has just refused. */
  notBeforeMs = 0;
  readonly #doubtMs: number;
  readonly #proofRequired: boolean;
  #doubtUntilMs = 0;
  #needsProof = false;
  #lastFailure = "";

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
    const classify = options.client.classify;
    this.client = new ResilientClient({
      ...options.client,
      name: station.name,
      clock,
      ...(random === undefined ? {} : { random }),
      classify: {
        ...(classify?.result === undefined
          ? {}
          : { result: (value: unknown) => classify.result?.(value) ?? "success" }),
        error: (error) => atOnce(classify?.error?.(error) ?? judgeError(error)),
      },
      onAttempt: (outcome, startedMs, endedMs) => this.commandPath.note(outcome, startedMs, endedMs),
    });
  }

  get name(): string {
    return this.station.name;
  }

  /** Would a call offered now be taken: breaker closed (or a probe free), and not refused a moment ago? */
  serves(nowMs: number): boolean {
    return nowMs >= this.notBeforeMs && this.client.breaker?.peek(nowMs) !== false;
  }

  /** When {@link serves} could turn true by time alone. */
  servesAtMs(nowMs: number): number {
    if (this.serves(nowMs)) return nowMs;
    if (nowMs < this.notBeforeMs) return this.notBeforeMs;
    return nowMs + Math.max(1, this.client.breaker?.refusal(nowMs).retryAfterMs ?? 0);
  }

  /** The station was replaced because of how calls went: it stays in doubt for a while, and unproven until shown well. */
  demoted(nowMs: number): void {
    const failing = this.commandPath.failing(nowMs) ?? this.#breakerOpen(nowMs);
    if (failing === undefined) return;
    this.#doubtUntilMs = nowMs + this.#doubtMs;
    this.#needsProof = this.#proofRequired;
    this.#lastFailure = failing;
    this.commandPath.clear();
  }

  /** Somebody tried the command path of this idle station, and it worked. */
  proved(): void {
    this.#needsProof = false;
    this.#doubtUntilMs = 0;
    this.commandPath.clear();
  }

  get needsProof(): boolean {
    return this.#needsProof;
  }

  /** Everything that is known, weighed. A station that is active and not heard of yet is given its grace period. */
  assess(standing: Standing, active: boolean, nowMs: number): Assessment {
    const evidence: Evidence[] = [];
    const heard = standing === "alive" || standing === "suspected";
    evidence.push({
      kind: "heartbeats",
      verdict: heard || (active && standing === "unknown") ? "fit" : "unfit",
      detail: `${this.name}: heartbeats ${standing}${this.beatRule === "" ? "" : ` (${this.beatRule})`}`,
    });
    const failing = this.commandPath.failing(nowMs);
    if (failing !== undefined) evidence.push({ kind: "calls", verdict: "unfit", detail: `${this.name}: ${failing}` });
    const open = this.#breakerOpen(nowMs);
    if (open !== undefined) evidence.push({ kind: "breaker", verdict: "unfit", detail: `${this.name}: ${open}` });
    if (nowMs < this.#doubtUntilMs) {
      evidence.push({
        kind: "calls",
        verdict: "unfit",
        detail: `${this.name}: replaced because ${this.#lastFailure}; in doubt for ${this.#doubtMs} ms`,
      });
    }
    if (this.maintenance !== undefined && nowMs < this.maintenance.untilMs) {
      evidence.push({
        kind: "maintenance",
        verdict: "unfit",
        detail: `${this.name}: in maintenance (${this.maintenance.reason})`,
      });
    }
    const fit = evidence.every((piece) => piece.verdict !== "unfit");
    const silent = !heard && !(active && standing === "unknown");
    return { fit, silent, proven: fit && standing === "alive" && !this.#needsProof, evidence };
  }

  /** When {@link assess} could say something else by time alone; `Infinity` where it could not. */
  nextWakeMs(nowMs: number): number {
    const instants = [this.commandPath.nextWakeMs, this.#doubtUntilMs, this.maintenance?.untilMs ?? 0];
    if (this.#breakerOpen(nowMs) !== undefined) instants.push(this.servesAtMs(nowMs));
    return Math.min(...instants.filter((atMs) => atMs > nowMs), Number.POSITIVE_INFINITY);
  }

  #breakerOpen(nowMs: number): string | undefined {
    const breaker = this.client.breaker;
    if (breaker?.state !== "open") return undefined;
    return `circuit open, next probe in ${Math.round(breaker.refusal(nowMs).retryAfterMs)} ms`;
  }
}

/** A call that was never sent costs its station nothing: where it goes next is the failover's decision, at once. */
function atOnce(judged: Outcome | Judgement): Outcome | Judgement {
  const outcome = typeof judged === "object" ? judged.outcome : judged;
  return outcome === "never-sent" ? { outcome, retry: false } : judged;
}
