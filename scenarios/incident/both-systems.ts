/**
 * The incident's plan, and the two systems that run it: ours, and the legacy gateway of that day.
 * One seed gives both the same sources with the same patience, and the same stations, network and
 * fault. They differ in the gateway, and in the heartbeat interval of the stations, because the
 * gateway's owner sets that.
 */
import type { World } from "ground-station-failover/sim";
import { runOnce } from "ground-station-failover/sim";
import { reasonsOf } from "../expectations.ts";
import type { SystemUnderTest } from "../fleet/build.ts";
import { buildFleet } from "../fleet/build.ts";
import type { Fleet } from "../fleet/fleet.ts";
import { gatewayProgram } from "../fleet/gateway-node.ts";
import type { FleetPlan, WrittenConfiguration } from "../fleet/plan.ts";
import { endsAtMs, stationNode } from "../fleet/plan.ts";
import { configurationOf, planOf } from "../swarm/written.ts";
import { LEGACY_SETTINGS, legacyGateway } from "./legacy-gateway.ts";
import type { IncidentTimeline } from "./recorder.ts";
import { Recorder } from "./recorder.ts";

export const GROUP = "atlantic";
/** 11:23Z of that day. */
export const FAULT_AT_MS = 60_000;
const PRIMARY = stationNode(GROUP, "primary");

/**
 * Nine commands a minute, each one second of uplink at a station that handles one at a time: a
 * seventh of its capacity.
 */
const LOAD = {
  name: GROUP,
  commandsPerSecond: 0.15,
  sources: 4,
  keyedRatio: 1,
  readRatio: 0,
  /**
   * Its source waits this long, hangs up, and sends the command again under the same key, three
   * times.
   */
  patienceMs: 40_000,
  sourceRetries: 3,
  serviceMs: 1_000,
  lanes: 1,
};

const OUR_CONFIGURATION = configurationOf([
  { name: GROUP, capacityPerSecond: 1, commands: { timeout: "10s", deadline: "40s" } },
]);

/**
 * The settings of that day that ours can take: its detector. Ours has no counting breaker, always
 * has a retry budget and a ramp, and has a timeout of its own.
 */
const OUR_CONFIGURATION_THAT_DAY = configurationOf([
  {
    name: GROUP,
    capacityPerSecond: 1,
    commands: { timeout: "10s", deadline: "40s" },
    heartbeat: { kind: "udp", interval: LEGACY_SETTINGS.heartbeatMs },
    detector: {
      minDeviation: LEGACY_SETTINGS.timeoutMs * LEGACY_SETTINGS.timeoutsToDeclare,
      ceiling: LEGACY_SETTINGS.timeoutMs * LEGACY_SETTINGS.timeoutsToDeclare,
    },
  },
]);

/**
 * Only what the world needs to know of the legacy gateway: the heartbeats of its stations, and the
 * timeouts of its connections.
 */
const OLD_CONFIGURATION = configurationOf([
  {
    name: GROUP,
    heartbeat: { kind: "udp", interval: LEGACY_SETTINGS.heartbeatMs },
    commands: { timeout: 2 * LEGACY_SETTINGS.attemptTimeoutMs, deadline: 2 * LEGACY_SETTINGS.attemptTimeoutMs },
  },
]);

/** Commands are sent for long enough to see that ours is steady. */
const PLAN_CHAOS_MS = 90_000;
/** … and here for as long as the legacy system takes, so that both can be shown side by side. */
const SHOWN_CHAOS_MS = 600_000;
const OLD_CHAOS_MS = 800_000;

/** The primary's uplink dies and never comes back; no signal reports it. */
export function incidentPlan(): FleetPlan {
  return planLasting(PLAN_CHAOS_MS, OUR_CONFIGURATION);
}

function planLasting(chaosMs: number, configuration: WrittenConfiguration): FleetPlan {
  const cut = { kind: "link", atMs: FAULT_AT_MS, conditions: { cut: true } } as const;
  return planOf({
    configuration,
    groups: [LOAD],
    network: { delay: { kind: "exponential", minMs: 5, meanMs: 3 } },
    faults: [
      { ...cut, from: PRIMARY, to: "*" },
      { ...cut, from: "*", to: PRIMARY },
    ],
    lostForEver: [PRIMARY],
    phases: { warmUpMs: FAULT_AT_MS, chaosMs, drainMs: 10_000, verifyMs: 80_000 },
  });
}

/** The same for as long as the legacy system needs; its connections take minutes to end. */
function oldPlan(): FleetPlan {
  const plan = planLasting(OLD_CHAOS_MS, OLD_CONFIGURATION);
  return { ...plan, phases: { ...plan.phases, drainMs: 100_000, verifyMs: 250_000 } };
}

/** Records how our gateway goes through it. */
function recorderOfOurs(fleet: Fleet): Recorder {
  const recorder = new Recorder(fleet, FAULT_AT_MS, "backup");
  let failures = 0;
  fleet.observers.add(recorder.observer);
  fleet.observers.add({
    attemptEnded: ({ outcome }) => {
      if (outcome === "lost" || outcome === "never-sent") recorder.counted(++failures);
    },
    gatewayEvent: (event) => {
      if (event.type === "declaration" && event.to === "down") recorder.declared(event.rule);
      if (event.type === "promoted") {
        recorder.declared(reasonsOf(event));
        recorder.promoted(event.waiting + event.inFlight);
      }
      if (event.type === "breaker" && event.transition.to === "open") recorder.circuitOpened();
    },
  });
  return recorder;
}

/** The timelines of both systems, and of ours with that day's detector. */
export interface IncidentTimelines {
  readonly old: IncidentTimeline;
  readonly ours: IncidentTimeline;
  readonly oursMistuned: IncidentTimeline;
}

/**
 * Both systems from one seed, `ours` for as long as the plan of the scenario. Rejects if a world
 * breaks.
 */
export async function oldAndOurs(seed: number | string): Promise<Pick<IncidentTimelines, "old" | "ours">> {
  return { old: await oldTimeline(seed), ours: await ourTimeline(seed, incidentPlan) };
}

/** The same for as long as the legacy system takes. */
export async function allTimelines(seed: number | string): Promise<IncidentTimelines> {
  return {
    old: await oldTimeline(seed),
    ours: await ourTimeline(seed, () => planLasting(SHOWN_CHAOS_MS, OUR_CONFIGURATION)),
    oursMistuned: await ourTimeline(seed, () => planLasting(SHOWN_CHAOS_MS, OUR_CONFIGURATION_THAT_DAY)),
  };
}

function ourTimeline(seed: number | string, plan: () => FleetPlan): Promise<IncidentTimeline> {
  return timelineOf(seed, "ours", plan, (world, drawn) =>
    recorderOfOurs(buildFleet(world, drawn, { gateway: gatewayProgram, checks: () => [] })),
  );
}

function oldTimeline(seed: number | string): Promise<IncidentTimeline> {
  return timelineOf(seed, "old", oldPlan, (world, plan) => {
    let recorder: Recorder | undefined;
    const checks: SystemUnderTest["checks"] = (fleet) => {
      recorder = new Recorder(fleet, FAULT_AT_MS, "backup");
      return [recorder.observer];
    };
    buildFleet(world, plan, { checks, gateway: (fleet) => legacyGateway(fleet, recorder as Recorder) });
    return recorder as Recorder;
  });
}

async function timelineOf(
  seed: number | string,
  name: string,
  plan: () => FleetPlan,
  built: (world: World, plan: FleetPlan) => Recorder,
): Promise<IncidentTimeline> {
  let recorder: Recorder | undefined;
  const { violation } = await runOnce(
    {
      name,
      plan,
      untilMs: endsAtMs,
      build: (world, drawn) => {
        recorder = built(world, drawn);
      },
    },
    { seed, tieBreak: "asked" },
  );
  if (violation !== undefined) throw new Error(`${name}, seed ${seed}: ${violation.invariant}: ${violation.detail}`);
  return (recorder as Recorder).timeline();
}
