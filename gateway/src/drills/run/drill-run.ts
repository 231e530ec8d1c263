/**
 * Plays one experiment from its values to its journal: stage, guardrails, method, lift, proof of
 * clean-up, verdict. Whatever happens, everything of ours that was put in force is lifted, the
 * guardrails are ended and the stage is stopped. A run that is stopped at any instant has a journal
 * too.
 */
import type { Clock } from "ground-station-failover";
import { UserError } from "../../adapters/process/exit-codes.ts";
import type { LoadedConfiguration } from "../experiment/configuration.ts";
import type {
  DrillExpectation,
  Experiment,
  HypothesisStrategy,
  Json,
  RollbackStrategy,
  Values,
} from "../experiment/experiment.ts";
import { redactor } from "../experiment/redact.ts";
import { specHash } from "../experiment/spec-hash.ts";
import type { DrillOutcome, GuardrailTrip, Journal } from "../injection.ts";
import { ActivityFailed } from "./activity-failure.ts";
import type { DrillParts } from "./drill-parts.ts";
import { recordOf } from "./drill-record.ts";
import { nothingPlayed, type Played, playExperiment } from "./experiment-run.ts";
import type { GuardrailSession, Mark, Measured, Refusal, Stage } from "./hooks.ts";
import { lookAtHypothesis, type WatchOptions } from "./hypothesis.ts";
import { journalOf, newRunId } from "./journal.ts";
import { allValues, type Prepared, type PrepareOptions, prepareRun, startStage } from "./prepared-run.ts";
import { missingFor } from "./requirements.ts";
import type { RunStop } from "./run-stop.ts";
import { judged, judgedForeign, type Verdict } from "./verdict.ts";

export interface DrillRunOptions {
  readonly experiment: Experiment;
  /** The values that are known before the run; without problems. */
  readonly loaded: LoadedConfiguration;
  readonly parts: DrillParts;
  readonly clock: Clock;
  /** Milliseconds since 1970. */
  readonly wallMs: () => number;
  readonly environment: string;
  /** The store's directory. */
  readonly store: string;
  readonly seed: number;
  readonly hypothesisStrategy: HypothesisStrategy;
  readonly rollbackStrategy: RollbackStrategy;
  readonly watch: WatchOptions;
  /** No fault: the hypothesis is looked at for so many milliseconds. Undefined: a usual run. */
  readonly probeOnlyMs: number | undefined;
  readonly stop: RunStop;
  readonly tell: (line: string) => void;
}

export interface DrillResult {
  readonly runId: string;
  readonly outcome: DrillOutcome;
  /** Undefined for "held". */
  readonly reason: string | undefined;
  readonly journal: Journal;
}

/** Plays the experiment. Rejects only for a fault of this program. */
export async function runDrill(options: DrillRunOptions): Promise<DrillResult> {
  return await new DrillRun(options).play();
}

const NO_EXPECTATION: DrillExpectation = { recoverFrom: "fault" };
/** Without a fault there is nothing to detect. */
const NO_FAULT: DrillExpectation = { detectWithinMs: "never", recoverFrom: "fault" };
/** How long the steady state may take to return once everything is lifted, in milliseconds. */
const RETURN_WITHIN_MS = 15_000;
const RETURN_PAUSE_MS = 500;

class DrillRun {
  readonly #options: DrillRunOptions;
  readonly #experiment: Experiment;
  readonly #runId: string;
  readonly #start: string;
  readonly #startMs: number;
  readonly #played: Played = nothingPlayed();
  readonly #marks: Mark[] = [];
  readonly #refusals: GuardrailTrip[] = [];
  readonly #redact: (json: Json) => Json;
  #values: Values;
  #stage: Stage | undefined;
  #prepared: Prepared | undefined;
  #session: GuardrailSession | undefined;
  #measured: Measured | undefined;
  #notMeasured: string | undefined;
  #liftedAtMs: number | undefined;
  #notLifted: readonly string[] = [];
  #remaining: readonly string[] = [];
  #holdsAgain: boolean | null = null;

  constructor(options: DrillRunOptions) {
    this.#options = options;
    const { experiment, probeOnlyMs } = options;
    this.#experiment = probeOnlyMs === undefined ? experiment : { ...experiment, method: [], rollbacks: [] };
    this.#runId = newRunId(options.wallMs());
    this.#start = this.#now();
    this.#startMs = options.clock.nowMs();
    this.#values = options.loaded.values;
    this.#redact = redactor(options.loaded.values.secrets);
  }

  async play(): Promise<DrillResult> {
    try {
      return this.#result(await this.#verdict());
    } finally {
      // After the journal is made: the stage's processes may take their time to end.
      await this.#stage?.stop();
    }
  }

  async #verdict(): Promise<Verdict> {
    const missing = await missingFor(this.#experiment, this.#values, this.#options.parts);
    if (missing !== undefined) return { outcome: "skipped", reason: missing };
    const halted = this.#options.parts.guardrails.halted(this.#options.store);
    if (halted !== undefined) return this.#refused(halted);
    const problem = await this.#prepare();
    const { reason } = this.#options.stop;
    if (problem !== undefined) return reason === undefined ? problem : this.#judge();
    const refused = reason === undefined ? await this.#begin() : undefined;
    // Guardrails that gave up because of a signal have not refused.
    if (refused !== undefined) return this.#options.stop.reason === undefined ? refused : this.#judge();
    if (this.#session !== undefined) await this.#playGuarded(this.#session);
    return this.#judge();
  }

  /** Starts the stage and prepares the injections. The result: why that is not possible. */
  async #prepare(): Promise<Verdict | undefined> {
    const { stop, clock, seed, parts, loaded } = this.#options;
    const options: PrepareOptions = {
      ...{ experiment: this.#experiment, loaded, runId: this.#runId, tell: this.#tell },
      ...{ parts, stop, clock, seed, now: () => this.#now() },
      onInForce: (name, atMs) => this.#mark("fault", name, atMs),
    };
    try {
      this.#stage = await startStage(options, this.#experiment.drill);
      this.#values = await allValues(options, this.#stage);
      this.#prepared = await prepareRun(options, this.#values);
      return undefined;
    } catch (error) {
      if (!(error instanceof UserError || error instanceof ActivityFailed || stop.reason !== undefined)) throw error;
      return { outcome: "invalid", reason: (error as Error).message };
    }
  }

  /** The guardrails decide whether the run may begin. The result: their refusal. */
  async #begin(): Promise<Verdict | undefined> {
    const { environment, store, seed, stop } = this.#options;
    const { play, planned } = this.#prepared as Prepared;
    const stage = this.#stage;
    const begun = await this.#options.parts.guardrails.begin({
      ...{ runId: this.#runId, experiment: this.#experiment, values: this.#values, seed, environment, store },
      specHash: specHash(this.#options.experiment.source),
      injections: planned,
      signals: stage === undefined ? undefined : () => stage.signals(),
      signalsUrl: stage?.signalsUrl,
      steadyStateHolds: async () => (await this.#quietLook())?.steady_state_met ?? true,
      ...{ isDry: false, signal: stop.signal, isStopped: () => stop.reason !== undefined, tell: this.#tell },
    });
    if (begun.kind === "refused") return this.#refused(begun);
    this.#session = begun;
    this.#prepared?.injections.guardWith(begun);
    stop.onStop(() => void this.#liftNow(begun));
    const trip = (): void => stop.request({ kind: "aborted", trip: begun.stopRequested.reason as GuardrailTrip });
    if (begun.stopRequested.aborted) trip();
    else begun.stopRequested.addEventListener("abort", trip, { once: true });
    this.#tell(`guardrails passed, ${play.experiment.method.length} activities`);
    return undefined;
  }

  #refused({ reasons }: Refusal): Verdict {
    for (const { rule, observed } of reasons)
      this.#refusals.push({ rule, observed, at: this.#now(), abortLatencyMs: null });
    const all = reasons.map(({ rule, observed }) => `${rule}: ${observed}`).join("; ");
    return { outcome: "aborted", reason: `refused by the guardrails: ${all}` };
  }

  async #playGuarded(session: GuardrailSession): Promise<void> {
    const { stop, hypothesisStrategy, rollbackStrategy, watch, probeOnlyMs } = this.#options;
    const { play } = this.#prepared as Prepared;
    try {
      const order = {
        hypothesis: probeOnlyMs === undefined ? hypothesisStrategy : ("continuously" as const),
        rollbacks: rollbackStrategy,
        ...{ watch, idleMs: probeOnlyMs ?? 0 },
        afterMethod: () => this.#measure(session),
        lift: () => this.#lift(session),
      };
      await playExperiment(play, order, this.#played);
      stop.begin("clean-up");
      await this.#proveClean(session);
    } finally {
      this.#prepared?.injections.end();
      // Once more, for the case that a fault of this program ended the run.
      await session.lift();
      await session.end();
    }
  }

  async #measure(session: GuardrailSession): Promise<void> {
    const { stop, probeOnlyMs } = this.#options;
    const expect = this.#experiment.drill?.expect;
    if (expect === undefined) return;
    if (expect.recoverFrom === "lift") await this.#lift(session);
    const window = this.#prepared?.injections.window(this.#liftedAtMs);
    if (this.#stage === undefined || (window === undefined && probeOnlyMs === undefined)) return;
    try {
      this.#measured = await this.#stage.measure(window, expect, stop.signal);
    } catch (error) {
      if (!stop.signal.aborted) this.#notMeasured = (error as Error).message;
    }
  }

  /** The lift of a run that goes on: each fault is asked a last time whether it was felt. */
  async #lift(session: GuardrailSession): Promise<void> {
    if (this.#options.stop.reason === undefined) await this.#prepared?.injections.beforeLift();
    await this.#liftNow(session);
  }

  async #liftNow(session: GuardrailSession): Promise<void> {
    this.#notLifted = await session.lift();
    if (this.#liftedAtMs !== undefined || this.#prepared?.injections.window(undefined) === undefined) return;
    this.#liftedAtMs = this.#options.clock.nowMs();
    this.#mark("lifted", "everything was lifted", this.#liftedAtMs);
    this.#tell("lifted: everything that was put in force");
  }

  async #proveClean(session: GuardrailSession): Promise<void> {
    const injections = this.#prepared?.injections;
    const unsettled = injections?.unsettled ?? 0;
    this.#remaining = [
      ...this.#notLifted,
      ...(await session.proveClean()),
      ...(unsettled === 0 ? [] : [`${unsettled} injections did not end after the stop`]),
    ];
    const wasHurt = (injections?.prepared.length ?? 0) > 0;
    if (wasHurt && this.#options.stop.reason?.kind !== "interrupted") this.#holdsAgain = await this.#returns();
  }

  /**
   * Whether the steady state holds again; null: there is none, or the run was stopped meanwhile.
   */
  async #returns(): Promise<boolean | null> {
    const { clock, stop } = this.#options;
    const untilMs = clock.nowMs() + Math.max(RETURN_WITHIN_MS, this.#experiment.drill?.expect.recoverWithinMs ?? 0);
    for (;;) {
      const look = await this.#quietLook();
      if (look === null || stop.signal.aborted) return null;
      if (look.steady_state_met === true) return true;
      if (clock.nowMs() >= untilMs) return false;
      await clock.sleepUntil(clock.nowMs() + RETURN_PAUSE_MS, stop.signal).catch(() => undefined);
    }
  }

  async #quietLook(): Promise<Awaited<ReturnType<typeof lookAtHypothesis>>> {
    return await lookAtHypothesis({ ...(this.#prepared as Prepared).play, tell: () => undefined });
  }

  #judge(): Verdict {
    const { stop, experiment, probeOnlyMs } = this.#options;
    const facts = {
      ...{ stop: stop.reason, remaining: this.#remaining, holdsAgain: this.#holdsAgain, measured: this.#measured },
      heldBefore: this.#played.before?.steady_state_met ?? null,
      heldAfter: this.#played.after?.steady_state_met ?? null,
      missedLooks:
        probeOnlyMs === undefined ? 0 : this.#played.during.filter(({ look }) => !look.steady_state_met).length,
      notMeasured: this.#notMeasured,
      felt: this.#prepared?.injections.felt() ?? {},
      expect: probeOnlyMs === undefined ? (experiment.drill?.expect ?? NO_EXPECTATION) : NO_FAULT,
    };
    return experiment.drill === undefined ? judgedForeign(facts) : judged(facts);
  }

  #result(verdict: Verdict): DrillResult {
    const { experiment, clock, stop, seed, environment } = this.#options;
    const prepared = this.#prepared;
    const record = recordOf(experiment, {
      ...{ runId: this.#runId, seed, environment, verdict, measured: this.#measured },
      planned: prepared?.planned.map((planned) => planned.prepared) ?? [],
      hit: prepared?.injections.prepared ?? [],
      felt: prepared?.injections.felt() ?? {},
      trips: [...this.#refusals, ...(this.#session?.trips() ?? [])],
      marks: this.#marks,
      wallAt: (atMs) => new Date(this.#options.wallMs() - (clock.nowMs() - atMs)).toISOString(),
    });
    const journal = journalOf(
      {
        ...{ experiment, played: this.#played, stop: stop.reason, outcome: verdict.outcome, record },
        wasBegun: this.#session !== undefined,
        ...{ start: this.#start, end: this.#now(), duration: (clock.nowMs() - this.#startMs) / 1_000 },
      },
      this.#values,
    );
    const reason = verdict.reason === undefined ? undefined : this.#shown(verdict.reason);
    return { runId: this.#runId, outcome: verdict.outcome, reason, journal };
  }

  #mark(kind: string, text: string, atMs: number): void {
    const mark = { kind, text, atMs };
    if (this.#marks.length < MAX_MARKS) this.#marks.push(mark);
    this.#stage?.mark(mark);
  }

  #now(): string {
    return new Date(this.#options.wallMs()).toISOString();
  }

  #shown(line: string): string {
    return String(this.#redact(line));
  }

  readonly #tell = (line: string): void => this.#options.tell(this.#shown(line));
}

const MAX_MARKS = 1_000;
