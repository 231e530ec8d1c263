/** All injectors of this program by name, for what checks, prepares and plays experiments. */
import type { InjectorName } from "../experiment/experiment.ts";
import type { OwnInjector } from "./action.ts";
import { chaos } from "./chaos.ts";
import { clock } from "./clock.ts";
import { config } from "./config.ts";
import { fault } from "./fault.ts";
import { hostile } from "./hostile.ts";
import { load } from "./load.ts";
import { resource } from "./resource.ts";
import { signal } from "./signal.ts";

export const injectors: ReadonlyMap<InjectorName, OwnInjector> = new Map(
  [fault, signal, chaos, config, clock, resource, hostile, load].map((injector) => [injector.name, injector]),
);
