/**
 * What every step of a run has at hand: the experiment, the values of its names, the clock, and how
 * a person is told. One object is made for each run and passed on; it holds no decision.
 */
import type { Clock } from "ground-station-failover";
import type {
  Activity,
  DryStrategy,
  Experiment,
  InjectorProvider,
  Json,
  JsonObject,
  Values,
} from "../experiment/experiment.ts";
import type { Inverse } from "../injection.ts";
import type { RunStop } from "./run-stop.ts";

export interface Play {
  readonly experiment: Experiment;
  /** The values as they are now: an activity may add names for those after it. */
  readonly values: Values;
  readonly assign: (names: JsonObject) => void;
  readonly dry: DryStrategy | undefined;
  /** The environment for the experiment's processes. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  /** RFC 3339, UTC. */
  readonly now: () => string;
  readonly stop: RunStop;
  /** Puts one of our own injections in force, through the guardrails. Resolves when it is. */
  readonly inject: (activity: Activity, provider: InjectorProvider, signal: AbortSignal) => Promise<Json>;
  /** Sends a request of the experiment that puts a fault in force, known to the guardrails. */
  readonly guarded: <Answer>(inverse: Inverse, send: () => Promise<Answer>) => Promise<Answer>;
  /** One line for a person; secrets are taken out on the way. */
  readonly tell: (line: string) => void;
}
