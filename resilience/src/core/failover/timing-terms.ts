/**
 * The words of the timing budget (`timing-budget.ts`): the faults after which a station is
 * replaced, the terms of the time that this takes, the settings that it depends on, and what is
 * assumed of the surroundings because no settings say it.
 */

/** The faults of an active station, by what shows them. */
export type TakeoverFault =
  /** Its heartbeats stop. */
  | "silence"
  /** It was never heard from since this process started. */
  | "never-heard"
  /** Its heartbeats go on, and it refuses connections. */
  | "refused"
  /** Its heartbeats go on, and it answers no command. */
  | "unanswered"
  /** Its heartbeats go on, and connections break, or attempts reach their timeout. */
  | "lost"
  /** It answers every command with an error that another station does not give. */
  | "failed"
  /** Its circuit opens because of the rate of failures. */
  | "circuit";

/** A term of a bound; {@link TakeoverBound.terms} has all six in this order. */
export type TimingTermName = "detect" | "sustain" | "decide" | "lease" | "promote" | "drain";

/** A setting that a bound depends on. */
export type TimingSetting =
  | "ceilingMs"
  | "sustainMs"
  | "gracePeriodMs"
  | "intervalMs"
  | "timeoutMs"
  | "failingForMs"
  | "minFailures"
  | "refusalsToDeclare"
  | "unansweredAfterMs"
  | "breakerWindowMs"
  | "leaseMs"
  | "keyStatusTimeoutMs"
  | "capacityPerSecond"
  | "maxWaitMs"
  | "budgetRatio";

/** What a part of a term depends on: a setting, an assumption, or the product itself. */
export type TimingSource = TimingSetting | keyof Surroundings | "fixed";

/** One part of a term. */
export interface TimingPart {
  readonly source: TimingSource;
  /** In ms; may be Infinity where the setting is. */
  readonly ms: number;
  /** What passes in this time, in words. */
  readonly what: string;
}

/** One term of a bound, with its parts. */
export interface TimingTerm {
  readonly term: TimingTermName;
  readonly ms: number;
  readonly parts: readonly TimingPart[];
}

/** The longest takeover after one kind of fault. */
export interface TakeoverBound {
  readonly fault: TakeoverFault;
  /** All six, in the order in which their time passes. */
  readonly terms: readonly TimingTerm[];
  /** Until another station has served a command that was sent after the fault. */
  readonly firstServedMs: number;
  /** Until what waited meanwhile has been served or refused, too; the sum of the terms. */
  readonly totalMs: number;
  /** Commands that are needed as evidence; 0 if the heartbeats show the fault. */
  readonly commands: number;
}

/** The settings that decide how long a takeover takes. All durations in ms. */
export interface TimingSettings {
  /** How often a station sends a heartbeat, or is asked for one. Above 0. */
  readonly intervalMs: number;
  /** How long an answer to a probe is waited for; undefined if heartbeats are pushed. */
  readonly timeoutMs?: number | undefined;
  /** Silence that is always declared. Above 0; Infinity if there is no such bound. */
  readonly ceilingMs: number;
  /** How long a level must hold before it counts. */
  readonly sustainMs: number;
  /** How long a station may stay unheard after the start. */
  readonly gracePeriodMs: number;
  /** Longest time without declarations after this process was paused. */
  readonly maxAbstentionMs: number;
  /** How often a station that is not alive is evaluated again. */
  readonly recheckMs: number;
  readonly failingForMs: number;
  readonly minFailures: number;
  readonly refusalsToDeclare: number;
  readonly unansweredAfterMs: number;
  /** Window of the circuit breaker; undefined if stations have none. */
  readonly breakerWindowMs?: number | undefined;
  /** Longest time until the right to decide is free; 0 if one process decides. */
  readonly leaseMs: number;
  /** How long a station is asked about the outcome of a key; 0 if it is not asked. */
  readonly keyStatusTimeoutMs: number;
  /** The least capacity that a backup declares; Infinity if one declares none. */
  readonly capacityPerSecond: number;
  /** Longest time that a call waits for a station. */
  readonly maxWaitMs: number;
  /** Extra attempts for each call, 0 … 1. */
  readonly budgetRatio: number;
}

/** What no settings say about the surroundings. The bounds hold while these hold. */
export interface Surroundings {
  /** A message between two machines takes at most this long. Default 250: a wide-area path. */
  readonly pathMs: number;
  /** So many heartbeats of a healthy backup are lost in a row at most. Default 2. */
  readonly lostInRow: number;
  /**
   * This process stands still for at most this long at a time, and three times in a row at most.
   * Default 100: a busy machine.
   */
  readonly stallMs: number;
  /** 99 of 100 answers take at most this long. Default 1,000. */
  readonly answerMs: number;
  /** Commands come at most this far apart. Default 500: two a second. */
  readonly callIntervalMs: number;
  /** Time beside that until several commands have come, because sources share them. Default 0. */
  readonly callDelayMs: number;
  /**
   * Usual load as a share of what a backup can take, 0 … 1. Default 0.5: a backup with room for
   * twice the usual load. Decides only how long it takes to serve what waited.
   */
  readonly loadRatio: number;
}
