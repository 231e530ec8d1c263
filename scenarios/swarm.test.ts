/**
 * The swarm's plans: plain data, fair to the system (a core that can serve is left, nothing touches
 * what is called calm, a healthy world is one), configurations that are accepted or refused as they
 * should be, and runs that repeat exactly.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Random } from "ground-station-failover";
import { seededRandom } from "ground-station-failover";
import { runOnce } from "ground-station-failover/sim";
import { parseConfiguration } from "../gateway/src/config/config.ts";
import { ConfigurationProblems } from "../gateway/src/config/problems.ts";
import type { GatewaySettings } from "../gateway/src/fleet/settings.ts";
import type { FleetFault, FleetPlan } from "./fleet/plan.ts";
import { endsAtMs, GATEWAY, healedAtMs, isWide, stationNode, verifyFromMs } from "./fleet/plan.ts";
import { QUIET_MARGIN_MS } from "./fleet/source-node.ts";
import { MISTAKE_NAMES, withMistakes } from "./swarm/broken.ts";
import { configurationOf } from "./swarm/written.ts";
import { drawKind, swarm } from "./swarm.ts";

const SEEDS = 300;

function planRandom(seed: number): Random {
  return seededRandom(seed).fork("plan");
}

function eachPlan(look: (plan: FleetPlan, seed: number) => void): void {
  for (let seed = 1; seed <= SEEDS; seed++) look(swarm.plan(planRandom(seed)), seed);
}

function parsed(text: string): GatewaySettings {
  const environment = { GSF_HEARTBEAT_SECRET: "a secret of more than sixteen bytes" };
  return parseConfiguration(text, "plan", { environment, readFile: () => "" }).settings;
}

function nodesIn(fault: FleetFault): string[] {
  if ("node" in fault) return [fault.node];
  if ("from" in fault) return [fault.from, fault.to];
  if (fault.kind === "shortage") return [GATEWAY];
  return "station" in fault ? [stationNode(fault.group, fault.station)] : [`${fault.group}/`];
}

test("a plan survives JSON, and its seed draws it again", () => {
  eachPlan((plan, seed) => {
    assert.deepEqual(JSON.parse(JSON.stringify(plan)), plan, `seed ${seed}`);
    assert.deepEqual(swarm.plan(planRandom(seed)), plan, `seed ${seed}`);
  });
});

test("configurations are accepted, broken ones are refused", () => {
  let broken = 0;
  eachPlan(({ configuration, brokenConfigurations }, seed) => {
    assert.doesNotThrow(() => parsed(JSON.stringify(configuration)), `seed ${seed}`);
    for (const text of brokenConfigurations) {
      broken++;
      assert.throws(() => parsed(text), ConfigurationProblems, `seed ${seed}: ${text}`);
    }
  });
  assert.ok(broken > SEEDS / 2);
});

test("every mistake of the table is refused, alone and after another", () => {
  const heartbeat = { kind: "http", path: "/healthz" } as const;
  const good = configurationOf([
    { name: "atlantic", stations: 3 },
    { name: "baltic", heartbeat },
  ]);
  assert.doesNotThrow(() => parsed(JSON.stringify(good)));
  for (const [place, mistake] of MISTAKE_NAMES.entries()) {
    for (let seed = 0; seed < 6; seed++) {
      const other = MISTAKE_NAMES[(place + seed) % MISTAKE_NAMES.length] as string;
      for (const names of [[mistake], [other, mistake]]) {
        const text = withMistakes(seededRandom(seed), good, names);
        assert.throws(() => parsed(text), ConfigurationProblems, `${names.join(", ")}, seed ${seed}: ${text}`);
      }
    }
  }
});

test("every group keeps a station, every spacecraft and source its machine, and chaos ends", () => {
  eachPlan((plan, seed) => {
    for (const { name, stations } of plan.configuration.groups) {
      const left = stations.filter((station) => !plan.lostForEver.includes(stationNode(name, station.name)));
      assert.ok(left.length > 0, `seed ${seed}: nobody is left of ${name}`);
    }
    const groups = new Set(plan.groups.map(({ name }) => name));
    for (const fault of plan.faults) {
      assert.ok(
        fault.atMs >= plan.phases.warmUpMs && fault.atMs < healedAtMs(plan),
        `seed ${seed}: ${JSON.stringify(fault)}`,
      );
      if (!("node" in fault)) continue;
      const [group, machine] = fault.node.split("/") as [string, string | undefined];
      assert.ok(fault.node === GATEWAY || groups.has(group), `seed ${seed}: ${fault.node}`);
      assert.ok(!/^(craft|source)/.test(machine ?? ""), `seed ${seed}: ${JSON.stringify(fault)}`);
    }
  });
});

test("sources go on for seconds after the healing, whatever deadline is written: or nothing is verified", () => {
  eachPlan((plan, seed) => {
    const deadlines = parsed(JSON.stringify(plan.configuration)).groups.map(({ commands }) => commands.deadlineMs);
    const forMs = endsAtMs(plan) - verifyFromMs(plan) - Math.max(...deadlines) - QUIET_MARGIN_MS;
    // On an ordinary day nothing is to be healed.
    const leastMs = drawKind(planRandom(seed)) === "ordinary" ? 1_000 : 5_000;
    assert.ok(forMs >= leastMs, `seed ${seed}: ${forMs} ms`);
  });
});

test("nothing touches a calm group, nor the gateway beside one", () => {
  let calm = 0;
  eachPlan((plan, seed) => {
    const calmGroups = plan.groups.filter((group) => group.calm);
    if (calmGroups.length === 0) return;
    calm++;
    for (const fault of plan.faults) {
      const where = `seed ${seed}: ${JSON.stringify(fault)}`;
      assert.ok(!("node" in fault && fault.node === GATEWAY), where);
      for (const { name } of calmGroups) assert.ok(!nodesIn(fault).some((node) => node.startsWith(`${name}/`)), where);
    }
  });
  assert.ok(calm > SEEDS / 10);
});

test("two seeds in five are of the wide world; of the others one in five loses one primary, and few suffer more", () => {
  const narrow = { storm: 0, pressure: 0, "calm-neighbour": 0, loss: 0, relapse: 0, healthy: 0 };
  const counts = { ...narrow, overload: 0, ordinary: 0 };
  const besides = { stalls: 0, halfWell: 0, twins: 0 };
  eachPlan(({ faults, lostForEver, configuration }, seed) => {
    const kind = drawKind(planRandom(seed));
    counts[kind]++;
    const endless = faults.filter((fault) => !("forMs" in fault));
    if (kind === "healthy") {
      const [twin, ...losses] = faults;
      assert.ok(twin === undefined || twin.kind === "twin", `seed ${seed}`);
      assert.deepEqual(lostForEver, losses.flatMap(nodesIn), `seed ${seed}`);
      if (twin !== undefined) besides.twins++;
    }
    if (kind === "loss") {
      const [first] = configuration.groups;
      const stalls = faults.filter((fault) => fault.kind === "pause" && fault.node === GATEWAY);
      besides.stalls += stalls.length;
      assert.deepEqual([faults.length - stalls.length, endless.length], [1, 1], `seed ${seed}`);
      assert.deepEqual(lostForEver, [`${first?.name}/${first?.stations[0]?.name}`], `seed ${seed}`);
    }
    if (kind === "relapse") {
      // Between the outage and the loss, the primary may be half well.
      const halfWell = faults.slice(1, -1);
      besides.halfWell += halfWell.length;
      assert.deepEqual([faults.length - halfWell.length, endless.length], [2, 1], `seed ${seed}`);
      assert.ok(halfWell.length <= 1 && halfWell.every((fault) => fault.kind === "service"), `seed ${seed}`);
    }
  });
  const tenths = (part: number, of: number): number => Math.round((part / of) * 10);
  const { overload, ordinary, loss, relapse, healthy } = counts;
  assert.deepEqual([tenths(overload, SEEDS), tenths(ordinary, SEEDS)], [2, 2], JSON.stringify(counts));
  const others = SEEDS - overload - ordinary;
  assert.deepEqual(
    [tenths(loss, others), tenths(relapse, others), tenths(healthy, others)],
    [2, 1, 1],
    JSON.stringify(counts),
  );
  assert.ok(besides.stalls < loss / 3, `${besides.stalls} of ${loss}`);
  assert.ok(besides.twins > 0 && besides.twins < healthy / 2, `${besides.twins} of ${healthy}`);
  assert.ok(besides.halfWell > 0 && besides.halfWell < relapse / 2, `${besides.halfWell} of ${relapse}`);
});

test("most operators of the wide world write the least that there is", () => {
  let [wide, least] = [0, 0];
  eachPlan(({ groups, configuration }) => {
    if (!groups.some(isWide)) return;
    wide++;
    const sections = configuration.groups.flatMap((group) => Object.keys(group));
    if (sections.every((name) => ["name", "listen", "stations", "heartbeat"].includes(name))) least++;
  });
  assert.ok(wide > SEEDS / 3 && least > 0.6 * wide, `${least} of ${wide}`);
});

test("simpler plans are accepted, and lead to an end", () => {
  for (let seed = 1; seed <= 6; seed++) {
    let plan = swarm.plan(planRandom(seed));
    for (let steps = 0; ; steps++) {
      assert.ok(steps < 1_000, `seed ${seed}: there is always a simpler one`);
      const candidates = [...(swarm.simplify?.(plan) ?? [])];
      for (const { configuration } of candidates)
        assert.doesNotThrow(() => parsed(JSON.stringify(configuration)), `seed ${seed}`);
      const [simpler] = candidates;
      if (simpler === undefined) break;
      plan = simpler;
    }
    assert.deepEqual([plan.groups.length, plan.network, plan.clockRates], [1, {}, {}], `seed ${seed}`);
  }
});

test("the same seed is the same run, and so is its plan read from a file", async () => {
  for (const seed of [1, 2]) {
    const first = await runOnce(swarm, { seed });
    const again = await runOnce(swarm, { seed, plan: JSON.parse(JSON.stringify(first.plan)) as FleetPlan });
    assert.deepEqual([again.hash, again.steps], [first.hash, first.steps], `seed ${seed}`);
  }
});
