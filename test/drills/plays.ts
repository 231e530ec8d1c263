/**
 * What tests of the runner share: an experiment that is played step by step from its text, with the
 * order of what really happened in a file that programs write to.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "ground-station-failover";
import { systemClock } from "ground-station-failover";
import { loadConfiguration } from "../../gateway/src/drills/experiment/configuration.ts";
import type { Experiment, InjectorName } from "../../gateway/src/drills/experiment/experiment.ts";
import { readExperiment } from "../../gateway/src/drills/experiment/read.ts";
import type { Injector } from "../../gateway/src/drills/injection.ts";
import type { DrillParts } from "../../gateway/src/drills/run/drill-parts.ts";
import type { DrillRunOptions } from "../../gateway/src/drills/run/drill-run.ts";
import {
  nothingPlayed,
  type Played,
  playExperiment,
  type RunOrder,
} from "../../gateway/src/drills/run/experiment-run.ts";
import type { GuardrailSession, Guardrails, PlannedInjection, Stages } from "../../gateway/src/drills/run/hooks.ts";
import type { Play } from "../../gateway/src/drills/run/play.ts";
import { RunStop } from "../../gateway/src/drills/run/run-stop.ts";
import { Folder } from "../process/gsf-process.ts";

/** The experiment in `text` (YAML); throws with its problems. */
export function experimentIn(text: string): Experiment {
  const read = readExperiment(text, "experiment.yaml");
  if ("problems" in read) throw new Error(JSON.stringify(read.problems, undefined, 2));
  return read.experiment;
}

/** A file that activities append words to, so that a test sees what was played in which order. */
export class Diary implements Disposable {
  readonly #folder: Folder = new Folder();
  readonly path: string = this.#folder.file("diary", "");
  readonly folder: string = this.#folder.path;

  /** A provider (as YAML) of a program that writes `word` and ends with `status`. */
  writes(word: string, { status = 0, afterMs = 0 }: { status?: number; afterMs?: number } = {}): string {
    const script = `sleep ${afterMs / 1_000}; echo ${word} >> ${this.path}; exit ${status}`;
    return `{type: process, path: sh, arguments: ["-c", ${JSON.stringify(script)}]}`;
  }

  /** A probe that writes `word` each time, and misses its tolerance from look `missesFrom` on. */
  looks(word: string, missesFrom = Number.POSITIVE_INFINITY): string {
    const count = join(this.folder, `count-${word}`);
    const limit = Number.isFinite(missesFrom) ? missesFrom : 1_000_000;
    const script = `echo ${word} >> ${this.path}; echo x >> ${count}; [ $(wc -l < ${count}) -lt ${limit} ]`;
    const provider = `{type: process, path: sh, arguments: ["-c", ${JSON.stringify(script)}]}`;
    return `{type: probe, name: ${word}, tolerance: 0, provider: ${provider}}`;
  }

  get words(): readonly string[] {
    return readFileSync(this.path, "utf8").split("\n").slice(0, -1);
  }

  [Symbol.dispose](): void {
    this.#folder[Symbol.dispose]();
  }
}

/** What a test may set of a run. */
export interface PlayedWith {
  readonly order?: Partial<RunOrder>;
  readonly stop?: RunStop;
  readonly clock?: Clock;
  readonly inject?: Play["inject"];
  readonly lines?: string[];
}

/** Plays `experiment` in Chaos Toolkit's order, without guardrails and without a stage. */
export async function played(
  experiment: Experiment,
  { order = {}, stop = new RunStop(), clock = systemClock, inject, lines = [] }: PlayedWith = {},
): Promise<Played> {
  const loaded = loadConfiguration(experiment, process.env);
  let { values } = loaded;
  const play: Play = {
    ...{ experiment, dry: experiment.dry, clock, stop, environment: loaded.environment },
    get values() {
      return values;
    },
    assign: (names) => {
      values = { ...values, configuration: { ...values.configuration, ...names } };
    },
    now: () => new Date().toISOString(),
    guarded: (_inverse, send) => send(),
    inject: inject ?? (async () => null),
    tell: (line) => void lines.push(line),
  };
  const result = nothingPlayed();
  await playExperiment(
    play,
    {
      hypothesis: experiment.hypothesisStrategy,
      rollbacks: experiment.rollbackStrategy,
      watch: { pauseMs: 20, failFastPercent: undefined },
      idleMs: 0,
      afterMethod: async () => undefined,
      lift: async () => undefined,
      ...order,
    },
    result,
  );
  return result;
}

/** Stages that cannot be started: for experiments that have none. */
export const NO_STAGES: Stages = {
  problems: () => [],
  missing: async () => undefined,
  start: async () => {
    throw new Error("there is no stage in this test");
  },
};

/** Guardrails that allow everything and lift by `lift`: for tests of the runner alone. */
export function permissive(
  session: Partial<GuardrailSession> = {},
): Guardrails & { readonly begun: PlannedInjection[] } {
  const begun: PlannedInjection[] = [];
  return {
    begun,
    problems: () => [],
    halted: () => undefined,
    begin: async () => ({
      kind: "session",
      stopRequested: new AbortController().signal,
      beforeInjection: async (planned) => {
        begun.push(planned);
        return undefined;
      },
      afterInjection: async () => undefined,
      lift: async () => [],
      proveClean: async () => [],
      trips: () => [],
      end: async () => undefined,
      ...session,
    }),
  };
}

/** The options of a run without guardrails that refuse, and without a stage. */
export function runOptions(
  experiment: Experiment,
  store: string,
  rest: Partial<DrillRunOptions> & { readonly injectors?: readonly Injector[] } = {},
): DrillRunOptions {
  const { injectors = [], ...options } = rest;
  const parts: DrillParts = {
    injectors: new Map<InjectorName, Injector>(injectors.map((one) => [one.name, one])),
    guardrails: permissive(),
    stages: NO_STAGES,
  };
  return {
    ...{ experiment, store, parts, clock: systemClock, wallMs: () => Date.now(), environment: "local", seed: 7 },
    loaded: loadConfiguration(experiment, process.env),
    hypothesisStrategy: experiment.hypothesisStrategy,
    rollbackStrategy: experiment.rollbackStrategy,
    watch: { pauseMs: 20, failFastPercent: undefined },
    probeOnlyMs: undefined,
    stop: new RunStop(),
    tell: () => undefined,
    ...options,
  };
}
