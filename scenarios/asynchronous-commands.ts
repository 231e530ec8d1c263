/**
 * Asynchronous commands through everything that can happen to a gateway and its disk: `kill -9` and
 * power losses at any instant, a disk that is slow, full or failing, stations that die, hang,
 * refuse and are cut off, promotions in between. A caller is told 202 for some of its commands, and
 * holds the gateway to that (`asynchronous/checks.ts`).
 *
 *   caller ──► gateway ──► stations ──► spacecraft, which remembers keys
 *                 │
 *               records on a disk that loses, keeps and tears
 *
 * Expected: an accepted command is executed once, or reported as expired or cancelled; nothing
 * accepted is lost; live commands go first.
 */
import type { Random } from "ground-station-failover";
import type { DiskFaults, World } from "ground-station-failover/sim";
import { between, chance, inject, pick, wholeBetween } from "ground-station-failover/sim";
import { asyncCallerProgram, type CallerLedger, QUIET_MS } from "./asynchronous/caller-program.ts";
import { asyncChecks } from "./asynchronous/checks.ts";
import { asyncGatewayProgram } from "./asynchronous/gateway-program.ts";
import { Fleet } from "./fleet/fleet.ts";
import { LOOK_EVERY_MS } from "./fleet/observer.ts";
import type { FleetFault, FleetPlan, GroupPlan } from "./fleet/plan.ts";
import { ADVERSARY, endsAtMs, GATEWAY, healedAtMs, sourceNode, spacecraftNode, stationNode } from "./fleet/plan.ts";
import { spacecraftProgram } from "./fleet/spacecraft-node.ts";
import { stationProgram } from "./fleet/station-node.ts";
import type { Scenario } from "./scenario.ts";
import { configurationOf, planOf } from "./swarm/written.ts";

const WARM_UP_MS = 5_000;
const GROUP = "atlantic";
const STATIONS = ["primary", "backup"] as const;

export const asynchronousCommands: Scenario = {
  name: "asynchronous-commands",
  story:
    "Asynchronous commands, while the gateway is killed, its disk fails and stations die: nothing accepted is lost.",
  timeline: [{ atMs: WARM_UP_MS, what: "kills, power losses, disk and station faults, as drawn" }],
  expected: [
    "async-executed-once: no command takes effect twice",
    "async-acknowledged-is-kept: what was answered 202 is known ever after",
    "async-states-are-true: done is executed; cancelled and expired are not, unless the outcome is unknown",
    "async-ends: at the end every accepted command has ended",
    "async-within-bounds: no more are on their way than the bounds say",
    "async-not-after-expiry: nothing is given to a station after its time",
    "live-goes-first: while the backlog is worked off, live commands are answered within 2.5 s",
  ],
  plan: drawPlan,
  build,
  untilMs: endsAtMs,
  faultsFromMs: ({ phases }) => phases.warmUpMs,
};

function drawPlan(random: Random): FleetPlan {
  const draws = random.fork("async");
  const chaosMs = Math.round(between(draws, 10_000, 30_000));
  const phases = { warmUpMs: WARM_UP_MS, chaosMs, drainMs: 60_000, verifyMs: QUIET_MS };
  const base = configurationOf([
    {
      name: GROUP,
      heartbeat: { kind: "http", path: "/healthz", interval: "500ms" },
      ...(chance(draws, 0.7) ? { capacityPerSecond: wholeBetween(draws, 20, 60) } : {}),
    },
  ]);
  const [group] = base.groups as [(typeof base.groups)[number]];
  const asynchronous = { maxInFlight: wholeBetween(draws, 2, 8) };
  return planOf({
    configuration: { ...base, groups: [{ ...group, async: asynchronous }] },
    phases,
    faults: drawFaults(random.fork("faults"), WARM_UP_MS, WARM_UP_MS + chaosMs),
    groups: [{ name: GROUP, serviceMs: wholeBetween(draws, 5, 60), lanes: 4 }],
  });
}

function drawFaults(random: Random, fromMs: number, healedMs: number): FleetFault[] {
  const faults: FleetFault[] = [];
  const atMs = (): number => Math.round(between(random, fromMs, healedMs - 1_000));
  const lasts = (at: number, leastMs: number, mostMs: number): number =>
    Math.round(Math.min(between(random, leastMs, mostMs), healedMs - at));
  for (let kills = wholeBetween(random, 1, 5); kills > 0; kills--) {
    const at = atMs();
    faults.push({
      kind: "crash",
      node: GATEWAY,
      how: pick(random, ["kill", "power"]),
      atMs: at,
      forMs: lasts(at, 50, 3_000),
    });
  }
  for (let disks = wholeBetween(random, 0, 2); disks > 0; disks--) {
    const at = atMs();
    const conditions = pick<Partial<DiskFaults>>(random, [
      { freeBytes: 0 },
      { freeBytes: 3_000 },
      { syncErrorRate: 0.05 },
      { writeErrorRate: 0.05 },
      { latency: { kind: "exponential", minMs: 100, meanMs: 200 } },
      { stalled: true },
    ]);
    faults.push({ kind: "disk", node: GATEWAY, atMs: at, forMs: lasts(at, 500, 5_000), conditions });
  }
  for (let losses = wholeBetween(random, 0, 3); losses > 0; losses--) {
    const at = atMs();
    const station = pick(random, STATIONS);
    const forMs = lasts(at, 500, 15_000);
    const kind = wholeBetween(random, 0, 3);
    if (kind === 0) faults.push({ kind: "crash", node: stationNode(GROUP, station), how: "kill", atMs: at, forMs });
    else if (kind === 1) faults.push({ kind: "pause", node: stationNode(GROUP, station), atMs: at, forMs });
    else if (kind === 2) {
      const conditions = { lossRate: 1 };
      faults.push({ kind: "link", from: GATEWAY, to: stationNode(GROUP, station), atMs: at, forMs, conditions });
    } else {
      const mode = pick(random, ["errors-after", "hang-after", "busy", "errors"] as const);
      faults.push({ kind: "service", group: GROUP, station, atMs: at, forMs, mode, rate: 0.5 });
    }
  }
  // A store that has failed is opened again when somebody starts the gateway again.
  return [...faults, { kind: "crash", node: GATEWAY, how: "kill", atMs: Math.round(healedMs - 200), forMs: 100 }];
}

function build(world: World, plan: FleetPlan): void {
  const fleet = new Fleet(world, plan);
  const ledger: CallerLedger = { notes: [], live: [] };
  fleet.observers.add(asyncChecks(fleet, ledger));
  world.network.setDefaults(plan.network);
  const [settings] = fleet.settings.groups as [(typeof fleet.settings.groups)[number]];
  const group = plan.groups[0] as GroupPlan;
  const nodes = [
    world.node(ADVERSARY, (env) => {
      fleet.adversary = env;
    }),
    world.node(spacecraftNode(GROUP), spacecraftProgram(fleet, GROUP)),
    ...settings.stations.map((station) =>
      world.node(stationNode(GROUP, station.name), stationProgram(fleet, settings, station, group)),
    ),
    world.node(GATEWAY, asyncGatewayProgram(fleet)),
    world.node(sourceNode(GROUP, 0), asyncCallerProgram(fleet, ledger, 250)),
  ];
  for (const node of nodes) node.start();
  inject(world, fleet.faults.ofTheEngine());
  fleet.faults.schedule();
  const tick = (): void => {
    fleet.observers.tell("tick");
    world.at(world.nowMs + LOOK_EVERY_MS, tick);
  };
  world.at(LOOK_EVERY_MS, tick);
  world.at(healedAtMs(plan), () => world.trace.note(world.nowMs, "world", "healed", ""));
  world.at(endsAtMs(plan), () => fleet.observers.tell("ended"));
}
