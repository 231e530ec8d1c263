/**
 * The shape of an explanation: chapters of steps in the order of time, each with its numbers and
 * the settings that govern it, and what can happen next. The same data is printed for people
 * (`gsf explain`) and sent to programs (`--json`, the control listener). Instants are in
 * milliseconds since 1970.
 */

/** A setting that governs a step. */
export interface GoverningSetting {
  /** As in the configuration file: `groups[0].detector.threshold`. */
  readonly field: string;
  /** The value in force, as it would be written. */
  readonly value: string;
  /** The file in which it is written; undefined if it is not, and the default is in force. */
  readonly file: string | undefined;
  readonly line: number | undefined;
  /** The default in words; undefined if there is none. */
  readonly default: string | undefined;
}

export interface ExplainedStep {
  readonly unixMs: number | undefined;
  /** What happened, with its numbers and the rule. */
  readonly sentence: string;
  /** Facts behind it, a sentence each. */
  readonly because: readonly string[];
  /** The event that told it, with all its fields; undefined if no event did. */
  readonly event: unknown;
  readonly settings: readonly GoverningSetting[];
}

/** What can happen next, and when; `unixMs` undefined if no time is known. */
export interface NextStep {
  readonly sentence: string;
  readonly unixMs: number | undefined;
}

/** What a chapter is about. */
type ChapterKind = "switch" | "breaker" | "request" | "now" | "requests";

export interface Chapter {
  readonly kind: ChapterKind;
  readonly title: string;
  readonly steps: readonly ExplainedStep[];
  readonly next: readonly NextStep[];
  /** The main figures, for programs. */
  readonly numbers: Readonly<Record<string, number | string | boolean | null>>;
}

export interface Explanation {
  readonly group: string;
  readonly unixMs: number;
  readonly active: string;
  readonly epoch: number;
  /** The request that was asked about; undefined if none was. */
  readonly request: string | undefined;
  /** False if nothing is remembered of that request. */
  readonly found: boolean;
  readonly chapters: readonly Chapter[];
}

export function step(
  sentence: string,
  { unixMs, because = [], event, settings = [] }: Partial<Omit<ExplainedStep, "sentence">> = {},
): ExplainedStep {
  return { unixMs, sentence, because, event, settings };
}

/** `1.2 s` or `340 ms`. */
export function lasted(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${Math.round(ms / 100) / 10} s`;
}
