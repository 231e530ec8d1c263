/** All injectors of this program by name, for what checks, prepares and plays experiments. */
import type { InjectorName } from "../experiment/experiment.ts";
import type { OwnInjector } from "./action.ts";
import { config } from "./config.ts";
import { fault } from "./fault.ts";
import { load } from "./load.ts";
import { signal } from "./signal.ts";

export const injectors: ReadonlyMap<InjectorName, OwnInjector> = new Map(
  [fault, signal, config, load].map((injector) => [injector.name, injector]),
);
