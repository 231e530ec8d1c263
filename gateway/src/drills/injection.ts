/**
 * The contract between what plays an experiment and what hurts the system. An injection is prepared
 * first: it says what it would hit, and how to undo it, as data. The inverse is on the disk before
 * the fault is in force, so that another process can lift the fault when this one has died.
 */
import type { Category, InjectorName, Json, JsonObject, Values } from "./experiment/experiment.ts";

/**
 * How to lift a fault, as data: another process plays it, perhaps much later, perhaps twice.
 * Playing an inverse twice, or when the fault is gone already, does nothing and is no error.
 */
export type Inverse =
  | {
      /**
       * An HTTP request; a 2xx or 404 answer is success, and so is nothing that listens on
       * loopback: the process that held the fault is gone.
       */
      readonly kind: "http";
      readonly method: string;
      readonly url: string;
      readonly body?: Json;
    }
  | {
      /** Sends a signal, if the process is still the one that it was (same start time). */
      readonly kind: "signal";
      readonly pid: number;
      readonly startTime: string;
      readonly signal: string;
    }
  | {
      /**
       * Puts the bytes of a file back, from a copy; `copy` absent: deletes the file. A copy that is
       * named and does not exist: the file was not changed yet, so nothing is to be done.
       */
      readonly kind: "file";
      readonly path: string;
      readonly copy?: string;
    }
  | {
      /** Runs a program, without a shell. */
      readonly kind: "process";
      readonly path: string;
      readonly arguments: readonly string[];
    };

/** Something that an injection would hit. */
export interface Target {
  /** For example "process", "proxy", "station", "file". */
  readonly kind: string;
  /** Its name in the system: what `never:` and the blast radius compare. */
  readonly name: string;
  /** Whether the target serves commands; the last healthy station is never taken. */
  readonly isStation: boolean;
  /** Share of the target's connections that are hit, 0 to 1. */
  readonly share: number;
}

export interface PreparedInjection {
  readonly targets: readonly Target[];
  /** One line that a person reads in a dry run: the command, as exact as possible. */
  readonly shown: string;
  /** Played in this order. Empty: nothing stays behind (a load that ends by itself). */
  readonly inverses: readonly Inverse[];
  /** The dead-man's switch: the watchdog lifts the fault after this time, in any case. */
  readonly expiresAfterMs: number;
  /** Puts the fault in force; resolves when it is. The value is the activity's output. */
  inject(): Promise<Json>;
  /** The vacuity check: proof that the fault was felt; undefined: it was not. */
  felt(): Promise<string | undefined>;
  /** What of this injection is still in place, for the proof of clean-up. Empty: nothing. */
  remaining(): Promise<readonly string[]>;
}

export interface InjectionContext {
  readonly values: Values;
  /** The number that random magnitudes are drawn from; it is in the journal. */
  readonly seed: number;
  readonly signal: AbortSignal;
}

export interface Injector {
  readonly name: InjectorName;
  /**
   * The problems of the arguments, each a sentence that names the field. They may hold `${name}`.
   */
  problems(args: JsonObject): readonly string[];
  /** Why it cannot run on this machine, for these arguments; undefined: it can. */
  missing(args: JsonObject): Promise<string | undefined>;
  /** `args`: with all values filled in. Throws a `UserError` if nothing can be hit. */
  prepare(args: JsonObject, context: InjectionContext): Promise<PreparedInjection>;
}

export type DrillOutcome = "held" | "deviated" | "aborted" | "interrupted" | "invalid" | "dirty" | "skipped";

export interface GuardrailTrip {
  readonly rule: string;
  /** RFC 3339, UTC. */
  readonly at: string;
  readonly observed: string;
  /**
   * From the instant at which the rule was seen broken to the instant at which all faults were
   * lifted.
   */
  readonly abortLatencyMs: number | null;
}

/** The member `gsf` of a journal: what a drill adds to Chaos Toolkit's own members. */
export interface DrillRecord {
  /** Sorts by time; also the journal's file name. */
  readonly runId: string;
  readonly id: string;
  readonly category: Category;
  readonly weight: number;
  /** SHA-256 of the experiment as written. */
  readonly specHash: string;
  readonly seed: number;
  readonly environment: string;
  readonly outcome: DrillOutcome;
  /** Why it was skipped, aborted, invalid or dirty. */
  readonly reason?: string;
  readonly targets: readonly Target[];
  /** Proof that each fault was felt, by the activity's name. */
  readonly felt: Readonly<Record<string, string | null>>;
  /** Milliseconds from the fault to the first detection; null: not detected. */
  readonly mttdMs: number | null;
  /**
   * Milliseconds to the steady state, measured as `expect.recoverFrom` says; null: not recovered.
   */
  readonly mttrMs: number | null;
  readonly detectWithinMs?: number | "never";
  readonly recoverWithinMs?: number;
  readonly trips: readonly GuardrailTrip[];
  /** What happened when: "fault", "detected", "recovered", "lifted" and whatever else was noted. */
  readonly marks: ReadonlyArray<{ readonly at: string; readonly kind: string; readonly text: string }>;
}

/** The result of one activity, with Chaos Toolkit's names. */
export interface ActivityRun {
  readonly activity: JsonObject;
  readonly status: "succeeded" | "failed";
  readonly output: Json;
  readonly start: string;
  readonly end: string;
  /** Seconds, without pauses. */
  readonly duration: number;
  readonly exception?: readonly string[];
  readonly tolerance_met?: boolean;
}

/** One look at the hypothesis, with Chaos Toolkit's names. */
export interface HypothesisRun {
  readonly steady_state_met: boolean | null;
  readonly probes: readonly ActivityRun[];
}

/** A journal, with Chaos Toolkit's names, and ours in `gsf`. */
export interface Journal {
  readonly "chaoslib-version": string;
  readonly platform: string;
  readonly node: string;
  readonly experiment: JsonObject;
  readonly start: string;
  readonly end: string;
  /** Seconds. */
  readonly duration: number;
  readonly status: "completed" | "failed" | "aborted" | "interrupted";
  readonly deviated: boolean;
  readonly steady_states: {
    readonly before: HypothesisRun | null;
    readonly after: HypothesisRun | null;
    readonly during: readonly HypothesisRun[];
  };
  readonly run: readonly ActivityRun[];
  readonly rollbacks: readonly ActivityRun[];
  /** Absent if the experiment has no extension "gsf". */
  readonly gsf?: DrillRecord;
}
