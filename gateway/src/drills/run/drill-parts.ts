/** The parts that a run is put together from; a program that embeds the runner may give others. */
import type { InjectorName } from "../experiment/experiment.ts";
import type { Injector } from "../injection.ts";
import type { Guardrails, Stages } from "./hooks.ts";

export interface DrillParts {
  readonly injectors: ReadonlyMap<InjectorName, Injector>;
  readonly guardrails: Guardrails;
  readonly stages: Stages;
}
