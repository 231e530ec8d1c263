/**
 * What a scenario is: a simulation of the fleet that can be read before it is run. Prose says what
 * happened once or is feared to happen, a timeline says what the plan does and when, and the
 * expected outcome stands in words beside the checks that hold it (the shape of etcd raft's
 * `testdata`: prose, picture, commands, expected). Its own checks come on top of the general ones
 * in `checks/`, under names of their own.
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
  /** What it is about. The first line alone says it in short. */
  readonly story: string;
  /** What the plan does, in order. */
  readonly timeline: readonly Moment[];
  /** What must come of it, a sentence each. */
  readonly expected: readonly string[];
  /**
   * Runs it from `seed` and tells what happened, where there is more to tell than whether all held.
   */
  present?(seed: number | string): Promise<string>;
}

/** What the file of a scenario writes down. */
export interface ScenarioDraft extends Omit<Scenario, "build" | "untilMs"> {
  plan(random: Random): FleetPlan;
  /** What is watched besides the general checks: observers that violate invariants of their own. */
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

/** Story, timeline and expected outcome, as somebody reads them in a terminal. */
export function scenarioText({ name, story, timeline, expected }: Scenario): string {
  const moments = timeline.map(({ atMs, what }) => `  ${(atMs / 1_000).toFixed(1).padStart(8)} s  ${what}`);
  return [name, "", story, "", ...moments, "", "expected:", ...expected.map((one) => `  - ${one}`)].join("\n");
}
