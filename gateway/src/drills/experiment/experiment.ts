/**
 * An experiment in Chaos Toolkit's format, after validation. Texts may still hold `${name}`: a
 * value is filled in directly before it is used, because a dynamic configuration is known only
 * then. Source: chaostoolkit-lib and its specification pages.
 */

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [name: string]: Json;
}

/** The seven categories over which a program of drills rotates. */
export const CATEGORIES = [
  "infrastructure",
  "network",
  "dependency",
  "configuration",
  "time",
  "resource",
  "adversarial",
] as const;
export type Category = (typeof CATEGORIES)[number];

export interface HttpProvider {
  readonly type: "http";
  readonly url: string;
  readonly method?: string;
  readonly headers?: JsonObject;
  readonly arguments?: Json;
  /** Seconds, or [connect, read]. */
  readonly timeout?: Json;
  readonly verify_tls?: Json;
  readonly max_retries?: Json;
}

export interface ProcessProvider {
  readonly type: "process";
  readonly path: string;
  readonly arguments?: Json;
  /** Seconds. */
  readonly timeout?: Json;
}

/** A Python activity that ours can stand in for; validation has refused every other one by name. */
export interface PythonProvider {
  readonly type: "python";
  readonly module: string;
  readonly func: string;
  readonly arguments?: JsonObject;
  readonly secrets?: readonly string[];
}

/** The kinds of our own injectors (`../injection.ts`). */
export const INJECTORS = ["fault", "signal", "chaos", "config", "clock", "resource", "hostile", "load"] as const;
export type InjectorName = (typeof INJECTORS)[number];

/** One of our own injectors; its name says which. */
export interface InjectorProvider {
  readonly type: InjectorName;
  /** What it does, in the injector's own words. Checked by the injector. */
  readonly arguments: JsonObject;
}

export type Provider = HttpProvider | ProcessProvider | PythonProvider | InjectorProvider;

export interface Pauses {
  /** Seconds, or a text such as `${pause}`. */
  readonly before?: number | string;
  readonly after?: number | string;
}

export interface Activity {
  readonly type: "probe" | "action";
  readonly name: string;
  readonly provider: Provider;
  readonly background: boolean;
  readonly pauses: Pauses;
  readonly controls: readonly Control[];
  /** Only in a hypothesis. */
  readonly tolerance?: Json;
  /** What a dry run of this activity leaves out; absent: what the experiment says. */
  readonly dry?: DryStrategy;
  /** As written; the journal shows it. */
  readonly source: JsonObject;
}

export interface Control {
  readonly name: string;
  readonly provider: HttpProvider | ProcessProvider | PythonProvider;
  /** Absent: both before and after. */
  readonly scope?: "before" | "after";
  readonly automatic: boolean;
}

export interface Hypothesis {
  readonly title: string;
  readonly probes: readonly Activity[];
  readonly controls: readonly Control[];
}

export type RollbackStrategy = "default" | "always" | "never" | "deviated";
export type HypothesisStrategy =
  | "default"
  | "before-method-only"
  | "after-method-only"
  | "during-method-only"
  | "continuously"
  | "skip";
export type DryStrategy = "probes" | "actions" | "activities" | "pause";

/** The extension named "gsf": what makes an experiment a drill of the catalogue. */
export interface DrillExtension {
  /** Lower-case letters, digits and hyphens; the name of the journal, runbook and score. */
  readonly id: string;
  readonly category: Category;
  /** Weight in the score of its category, 1 to 10. Default 1. */
  readonly weight: number;
  /** Programs, privileges and platforms without which it is skipped with a reason. */
  readonly requires: readonly string[];
  /**
   * The system that is started for this drill (`../stage`); absent: the system is there already.
   */
  readonly stage: JsonObject | undefined;
  /** What detection and recovery are held to. Absent: measured and not judged. */
  readonly expect: DrillExpectation;
  /** Checked by `../guardrails`. */
  readonly guardrails: JsonObject;
}

export interface DrillExpectation {
  /**
   * Most milliseconds from the fault to the first detection; "never": a detection is a false alarm.
   */
  readonly detectWithinMs?: number | "never";
  /** Most milliseconds until the steady state holds again. */
  readonly recoverWithinMs?: number;
  /**
   * What recovery is measured from: "fault" (rides through the fault) or "lift" (the fault has to
   * go first). Default "fault".
   */
  readonly recoverFrom: "fault" | "lift";
}

export interface Experiment {
  readonly title: string;
  readonly description: string;
  readonly tags: readonly string[];
  readonly contributions: Readonly<Record<string, string>>;
  readonly configuration: JsonObject;
  readonly secrets: Readonly<Record<string, JsonObject>>;
  readonly controls: readonly Control[];
  /** Absent: an exploration, which is allowed. */
  readonly hypothesis: Hypothesis | undefined;
  readonly method: readonly Activity[];
  readonly rollbacks: readonly Activity[];
  readonly rollbackStrategy: RollbackStrategy;
  readonly hypothesisStrategy: HypothesisStrategy;
  readonly dry: DryStrategy | undefined;
  readonly drill: DrillExtension | undefined;
  /** As written; the journal shows it. */
  readonly source: JsonObject;
}

/** What `${name}` stands for. */
export interface Values {
  readonly configuration: JsonObject;
  readonly secrets: Readonly<Record<string, JsonObject>>;
}
