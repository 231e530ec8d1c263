/**
 * Everything that has to be known before a run may begin: the values of all names, the stage, and
 * what each injection would hit. A dry run ends here; a run goes on from here. What was started is
 * stopped by the caller, with `stage.stop`.
 */
import type { Clock } from "ground-station-failover";
import type { LoadedConfiguration } from "../experiment/configuration.ts";
import type {
  Activity,
  DrillExtension,
  Experiment,
  InjectorProvider,
  Json,
  JsonObject,
  Values,
} from "../experiment/experiment.ts";
import { substituted } from "../experiment/substitute.ts";
import { ActivityFailed } from "./activity-failure.ts";
import type { DrillParts } from "./drill-parts.ts";
import type { PlannedInjection, Stage } from "./hooks.ts";
import { OwnInjections } from "./own-injections.ts";
import type { Play } from "./play.ts";
import { runProvider } from "./provider.ts";
import { stageSettings } from "./requirements.ts";
import type { RunStop } from "./run-stop.ts";

export interface PrepareOptions {
  readonly experiment: Experiment;
  readonly loaded: LoadedConfiguration;
  readonly parts: DrillParts;
  readonly stop: RunStop;
  readonly clock: Clock;
  readonly now: () => string;
  readonly seed: number;
  readonly runId: string;
  readonly tell: (line: string) => void;
  readonly onInForce: (name: string, atMs: number) => void;
}

/** Starts the stage of a drill; undefined: it has none. */
export async function startStage(
  options: PrepareOptions,
  drill: DrillExtension | undefined,
): Promise<Stage | undefined> {
  if (drill?.stage === undefined) return undefined;
  const { parts, loaded, seed, runId, stop, tell } = options;
  try {
    return await parts.stages.start(stageSettings(drill, loaded.values), { seed, runId, signal: stop.signal, tell });
  } catch (cause) {
    throw new ActivityFailed(`the stage cannot be started: ${(cause as Error).message}`, { cause });
  }
}

/** The values of the stage and of the dynamic configuration beside those that were loaded. */
export async function allValues(options: PrepareOptions, stage: Stage | undefined): Promise<Values> {
  const { loaded, stop, clock, tell } = options;
  const { environment } = loaded;
  let values: Values = { ...loaded.values, configuration: { ...loaded.values.configuration, ...stage?.values } };
  for (const { name, probe } of loaded.dynamic) {
    try {
      const provider = substituted(probe.provider as unknown as Json, values) as unknown as Activity["provider"];
      const output = await runProvider(
        provider,
        stop.signal,
        { values, clock, environment, assign: () => undefined, guarded: (_inverse, send) => send() },
        async () => null,
      );
      values = { ...values, configuration: { ...values.configuration, [name]: valueIn(output, provider.type) } };
    } catch (error) {
      tell(`configuration ${name}: its probe failed: ${(error as Error).message}`);
    }
  }
  return values;
}

/** Of a program what it printed, of a URL the body, else the whole output. */
function valueIn(output: Json, provider: Activity["provider"]["type"]): Json {
  const { status, stdout, stderr, body } = output as JsonObject;
  if (provider === "http") return body ?? null;
  if (provider !== "process") return output;
  if (status !== 0) throw new Error(`it ended with status ${status}: ${String(stderr).trim().slice(0, 200)}`);
  return String(stdout).trim();
}

export interface Prepared {
  readonly play: Play;
  readonly injections: OwnInjections;
  readonly planned: readonly PlannedInjection[];
}

/** Resolves what the injections of the method would hit. Rejects if one would hit nothing. */
export async function prepareRun(options: PrepareOptions, values: Values): Promise<Prepared> {
  const { experiment, loaded, parts, stop, clock, now, seed, tell, onInForce } = options;
  const injections = new OwnInjections({ injectors: parts.injectors, seed, values, stop, clock, tell, onInForce });
  const ofMethod = new Set(experiment.method);
  let current = values;
  const play: Play = {
    ...{ experiment, dry: experiment.dry, clock, now, stop, tell, environment: loaded.environment },
    get values() {
      return current;
    },
    assign: (names) => {
      current = { ...current, configuration: { ...current.configuration, ...names } };
    },
    guarded: (inverse, send) => injections.guarded(inverse, send),
    inject: (activity, provider, signal) => injections.inject(activity, provider, signal, ofMethod.has(activity)),
  };
  const planned = await injections.plan(
    experiment.method,
    ({ provider }) => substituted(provider as unknown as Json, values) as unknown as InjectorProvider,
  );
  return { play, injections, planned };
}
