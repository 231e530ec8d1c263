/**
 * A scenario is a simulation of the fleet that can be read before it is run. Prose says what
 * happened once or may happen, a timeline says what the plan does and when, and the expected
 * outcome is written in words beside the checks for it (the shape of etcd raft's `testdata`: prose,
 * picture, commands, expected). A scenario's own checks are added to the general ones in `checks/`,
 * under names of their own.
 */
import type { Random } from "ground-station-failover";
import type { Simulation } from "ground-station-failover/sim";
import { buildFleet } from "./fleet/build.ts";
import type { Fleet } from "./fleet/fleet.ts";
import type { FleetObserver } from "./fleet/observer.ts";
import type { FleetPlan } from "./fleet/plan.ts";
import { endsAtMs } from "./fleet/plan.ts";

/** A line of a timeline: something begins at `atMs` of simulated time. */
interface Moment {
  readonly atMs: number;
  readonly what: string;
}

export interface Scenario extends Simulation<FleetPlan> {
  /** What it is about. The first line alone is the short form. */
  readonly story: string;
  /** What the plan does, in order. */
  readonly timeline: readonly Moment[];
  /** The expected outcome, one sentence each. */
  readonly expected: readonly string[];
  /**
   * Runs it from `seed` and describes what happened, if there is more to say than whether all
   * checks held.
   */
  present?(seed: number | string): Promise<string>;
}

/** The values that the file of a scenario defines. */
export interface ScenarioDraft extends Omit<Scenario, "build" | "untilMs"> {
  plan(random: Random): FleetPlan;
  /** The checks besides the general ones: observers with invariants of their own. */
  expect(fleet: Fleet): readonly FleetObserver[];
}

/** The scenario of `draft`, in the fleet's world. */
export function scenarioFrom({ expect, ...draft }: ScenarioDraft): Scenario {
  return {
    ...draft,
    untilMs: endsAtMs,
    faultsFromMs: ({ phases }) => phases.warmUpMs,
    build(world, plan) {
      const fleet = buildFleet(world, plan);
      for (const observer of expect(fleet)) fleet.observers.add(observer);
    },
  };
}

/** Story, timeline and expected outcome, formatted for a terminal. */
export function scenarioText({ name, story, timeline, expected }: Scenario): string {
  const moments = timeline.map(({ atMs, what }) => `  ${(atMs / 1_000).toFixed(1).padStart(8)} s  ${what}`);
  return [name, "", story, "", ...moments, "", "expected:", ...expected.map((one) => `  - ${one}`)].join("\n");
}
