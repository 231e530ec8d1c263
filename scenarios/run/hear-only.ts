/**
 * A simulation in which only some invariants count. A run ends at its first violation, so an
 * invariant that fails early and often hides those that fail late. Errors that the engine itself
 * finds (an uncaught error, time that does not move) always count.
 */
import type { FaultPlan, Simulation } from "ground-station-failover/sim";

/** After these a run cannot go on. */
const FATAL: ReadonlySet<string> = new Set([
  "bounded-backlog",
  "uncaught-error",
  "no-real-world",
  "processes-share-nothing",
  "time-passes",
]);

/**
 * `simulation`, whose violations go to `hear` first; if it returns true, the violation counts and
 * ends the run.
 */
export function hearing<Plan extends FaultPlan, Given extends Simulation<Plan>>(
  simulation: Given & Simulation<Plan>,
  hear: (invariant: string, detail: string) => boolean,
): Given {
  return {
    ...simulation,
    build(world, plan) {
      const violate = world.violate.bind(world);
      world.violate = (invariant: string, detail: string): void => {
        if (hear(invariant, detail) || FATAL.has(invariant)) violate(invariant, detail);
      };
      return simulation.build(world, plan);
    },
  };
}

/** `simulation` with only these invariants; if none is named, all of them. */
export function onlyOf<Plan extends FaultPlan, Given extends Simulation<Plan>>(
  simulation: Given & Simulation<Plan>,
  only: readonly string[],
): Given {
  return only.length === 0 ? simulation : hearing<Plan, Given>(simulation, (invariant) => only.includes(invariant));
}
