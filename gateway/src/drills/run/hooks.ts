/**
 * How guardrails and a stage take part in a run. The runner plays an experiment; a guardrail
 * session decides whether a fault may come, keeps the undo journal and lifts what was put in force;
 * a stage is the system that is started for a drill, and measures it. Both are interfaces, so that
 * a test or a program that embeds the runner can give its own. All instants are milliseconds of the
 * runner's clock (by default `systemClock.nowMs()`), which never jumps.
 */
import type { DrillExpectation, Experiment, JsonObject, Values } from "../experiment/experiment.ts";
import type { GuardrailTrip, PreparedInjection } from "../injection.ts";

/** One of our own injections, as it would be put in force. */
export interface PlannedInjection {
  /** The name of the activity that holds it. */
  readonly activity: string;
  readonly prepared: PreparedInjection;
  /**
   * True: the fault is one of a published experiment, whose rollbacks take it away. It is lifted
   * only if the run is stopped or dies. Default false.
   */
  readonly isOfExperiment?: boolean;
}

/** Everything that a run would do, before it does any of it. */
export interface Plan {
  /** Sorts by time; names the undo journal, the locks and the journal of this run. */
  readonly runId: string;
  readonly experiment: Experiment;
  /** The value of every `${name}`, those of the stage included. */
  readonly values: Values;
  readonly seed: number;
  /** SHA-256 of the experiment as written. */
  readonly specHash: string;
  /** What `--environment` says, for example "test" or "production". Default "local". */
  readonly environment: string;
  /** The store's directory. */
  readonly store: string;
  /** The injections of the method, in its order. Empty: nothing of ours is put in force. */
  readonly injections: readonly PlannedInjection[];
  /** Live numbers of the system under test; undefined: no stage was started. */
  readonly signals: (() => Promise<Signals>) | undefined;
  /** Where another process can read the same numbers as JSON; undefined: nowhere. */
  readonly signalsUrl: string | undefined;
  /** Looks at the hypothesis once, for the baseline. True if it holds or if there is none. */
  readonly steadyStateHolds: () => Promise<boolean>;
  /**
   * A dry run: only what can be checked without waiting is checked; no baseline, no lock, no
   * watchdog, nothing is written.
   */
  readonly isDry: boolean;
  /** Whether something has asked the run to stop. Default: `signal` tells it. */
  readonly isStopped?: () => boolean;
  /** Aborted when a person or a supervisor stops the run: `begin` should give up then. */
  readonly signal: AbortSignal;
  /** One line for the person who runs the drill, such as "baseline: 12 of 30 s". */
  readonly tell: (line: string) => void;
}

/** Live numbers by name, such as `acked_loss` or `error_ratio`. */
export type Signals = Readonly<Record<string, number>>;

/** Why a run may not begin. At least one reason. */
export interface Refusal {
  readonly kind: "refused";
  readonly reasons: ReadonlyArray<{ readonly rule: string; readonly observed: string }>;
}

export interface Guardrails {
  /**
   * Problems of the member `guardrails` of a drill, each a sentence that names the field. Called at
   * validation, and before a stage is started.
   */
  problems(settings: JsonObject): readonly string[];
  /**
   * Why no run of this store may begin now, whatever it would hit: the lever is engaged. Asked
   * before a stage is started, so that a halted machine does not start one in vain.
   */
  halted(store: string): Refusal | undefined;
  /**
   * Checks the preconditions, takes the locks and starts the watchdog. Called once per run, after
   * the stage is up and before the hypothesis. A refusal leaves nothing behind. Must not throw for
   * an operating condition.
   */
  begin(plan: Plan): Promise<Refusal | GuardrailSession>;
}

/** The guardrails of one run that has begun. `end` is called exactly once, whatever happens. */
export interface GuardrailSession {
  readonly kind: "session";
  /**
   * Aborted when the run has to stop: a stop condition, the global lever, the dead-man's switch.
   * The reason is a {@link GuardrailTrip}, whose `abortLatencyMs` is null as yet.
   */
  readonly stopRequested: AbortSignal;
  /**
   * Called before each injection, with targets and inverses as they are at that instant. Resolves
   * when the inverses are on the disk (written and fsynced). A trip as the result means that the
   * injection is not allowed: the runner puts nothing in force and ends the run as aborted.
   */
  beforeInjection(planned: PlannedInjection): Promise<GuardrailTrip | undefined>;
  /**
   * Called when `inject` has settled. `isInForce` false: `inject` failed, so the fault may be there
   * in part; its inverses still have to be played.
   */
  afterInjection(planned: PlannedInjection, isInForce: boolean): Promise<void>;
  /**
   * Plays the inverses of all injections of this run, last one first. May be called any number of
   * times, also while `beforeInjection` or `inject` is still under way. Resolves when everything
   * has been tried; the value says what could not be lifted. Never rejects.
   */
  lift(): Promise<readonly string[]>;
  /** Asks each injection what of it is still in place. Empty: proof of clean-up. Never rejects. */
  proveClean(): Promise<readonly string[]>;
  /** What tripped so far, with the abort's latency where it is known. */
  trips(): readonly GuardrailTrip[];
  /**
   * Releases the locks and ends the watchdog. The undo journal is kept if something could not be
   * lifted. Never rejects.
   */
  end(): Promise<void>;
}

export interface StageContext {
  readonly seed: number;
  /** Names the stage's files and processes. */
  readonly runId: string;
  /** Aborted when the run is stopped while the stage starts. */
  readonly signal: AbortSignal;
  /** One line for the person who runs the drill, such as "stage: station A is ready". */
  readonly tell: (line: string) => void;
}

export interface Stages {
  /**
   * Problems of the member `stage` of a drill, each a sentence that names the field. Called at
   * validation.
   */
  problems(settings: JsonObject): readonly string[];
  /** What is missing on this machine to start such a stage; undefined: nothing. */
  missing(settings: JsonObject): Promise<string | undefined>;
  /**
   * Starts the system under test and resolves when it is in its steady state. If it rejects or is
   * aborted, it has stopped what it had started.
   */
  start(settings: JsonObject, context: StageContext): Promise<Stage>;
}

/** What happened when: "fault", "detected", "recovered", "lifted", and whatever else is of use. */
export interface Mark {
  readonly atMs: number;
  readonly kind: string;
  readonly text: string;
}

/**
 * When the fault was in force. The fault that counts is the first injection of the method that is
 * no `load`; the first one if all are.
 */
export interface FaultWindow {
  /** The injector was asked to put the fault in force. A detection before is a false alarm. */
  readonly askedAtMs: number;
  /** The injector confirmed that the fault was in force (T0). */
  readonly faultAtMs: number;
  /** Everything was lifted (T1); undefined: still in force, the system has to ride through. */
  readonly liftedAtMs: number | undefined;
}

export interface Measured {
  /** Milliseconds from T0 to the first detection; null: not detected. */
  readonly mttdMs: number | null;
  /**
   * Milliseconds to the steady state, from T0 or from T1 as `expect.recoverFrom` says; null: not
   * recovered.
   */
  readonly mttrMs: number | null;
  /**
   * What was detected before T0, or at all where the expectation is "never"; undefined: nothing.
   */
  readonly falseAlarm: string | undefined;
  /** Other promises that were broken, each a sentence with the number and its limit. */
  readonly broken: readonly string[];
  /** What the stage saw, by time. */
  readonly marks: readonly Mark[];
}

/** A system under test that runs. `stop` is called exactly once, whatever happens. */
export interface Stage {
  /** Added to the configuration: URLs, process ids, the proxy's address. */
  readonly values: JsonObject;
  /** Where another process can read {@link signals} as JSON; undefined: nowhere. */
  readonly signalsUrl: string | undefined;
  /** Live numbers for stop conditions and expressions. */
  signals(): Promise<Signals>;
  /** Tells the stage what the runner did, such as "fault" and "lifted", at `atMs`. */
  mark(mark: Mark): void;
  /**
   * Measures detection and recovery. Waits until the steady state has returned or can no longer
   * return in time, at most a minute more than `expect` allows. Where `expect.recoverFrom` is
   * "fault" it is called while the fault is in force, else after the lift. Window undefined: a run
   * without a fault (`--probe-only`), where each detection is a false alarm.
   */
  measure(window: FaultWindow | undefined, expect: DrillExpectation, signal: AbortSignal): Promise<Measured>;
  /** Ends all its processes and removes its files. Never rejects. */
  stop(): Promise<void>;
}
