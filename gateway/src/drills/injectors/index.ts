/**
 * The door of the injectors: what hurts the system in a drill, one injector for each name of our
 * providers. Each has its actions with the zod schemas of their arguments.
 */
export type { Action, OwnInjector } from "./action.ts";
export { injectors } from "./all-injectors.ts";
