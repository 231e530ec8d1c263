import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../../core/random.ts";
import { World } from "../kernel/world.ts";
import type { Fault, LinkFault } from "./fault.ts";
import type { FaultFamily } from "./fault-families.ts";
import { drawFaults, FAULT_FAMILIES, type SwarmOptions } from "./fault-swarm.ts";
import { inject } from "./inject.ts";

const NODES = ["a", "b", "c", "d"];
const DAY = { nodes: NODES, fromMs: 1_000, untilMs: 61_000 };
const SEEDS = Array.from({ length: 300 }, (_, seed) => seed);

function drawn(seed: number | string, options: Partial<SwarmOptions> = {}): Fault[] {
  return drawFaults(seededRandom(seed), { ...DAY, ...options });
}

/** What only `family` gives. */
function only(seed: number | string, family: FaultFamily, options: Partial<SwarmOptions> = {}): Fault[] {
  return drawn(seed, { families: [], pinned: [family], ...options });
}

test("[S1] the same stream and options give the same list, and another seed another one", () => {
  assert.deepEqual(drawn(1), drawn(1));
  assert.notDeepEqual(drawn(1), drawn(2));
  assert.deepEqual(JSON.parse(JSON.stringify(drawn(1))), drawn(1), "plain data");
});

test("each family is off in about four seeds of ten, on its own", () => {
  for (const family of FAULT_FAMILIES) {
    const off = SEEDS.filter((seed) => drawn(seed, { families: [family] }).length === 0).length / SEEDS.length;
    assert.ok(off > 0.3 && off < 0.5, `${family} is off in ${off} of the seeds 0 to ${SEEDS.length - 1}`);
  }
});

test("leaving out a family leaves the faults of the others as they were", () => {
  for (const seed of SEEDS.slice(0, 30)) {
    const families = FAULT_FAMILIES.filter((family) => family !== "kill");
    const without = drawn(seed, { families });
    const notKilled = drawn(seed).filter((fault) => fault.kind !== "crash" || fault.how !== "kill");
    assert.deepEqual(without, notKilled, `seed ${seed}`);
  }
});

test("pinned families are on in every seed, with the same faults as where chance has them on", () => {
  for (const seed of SEEDS) {
    const pinned = only(seed, "kill");
    assert.ok(pinned.length > 0, `seed ${seed}`);
    const byChance = drawn(seed, { families: ["kill"] });
    if (byChance.length > 0) assert.deepEqual(byChance, pinned, `seed ${seed}`);
  }
});

test("every fault begins and ends within its time, or never ends, and is one that a world takes", async () => {
  const world = new World({ seed: 1 });
  for (const name of NODES) world.node(name, () => undefined);
  let forever = 0;
  let total = 0;
  for (const seed of SEEDS.slice(0, 100)) {
    const faults = drawn(seed);
    inject(world, faults);
    for (const fault of faults) {
      total++;
      const told = `seed ${seed}: ${JSON.stringify(fault)}`;
      assert.ok(fault.atMs >= 1_000 && fault.atMs <= 61_000, told);
      if (fault.kind === "wall-step") continue;
      if (fault.forMs === null) forever++;
      else assert.ok(fault.forMs !== undefined && fault.atMs + fault.forMs <= 61_000.002, told);
    }
  }
  assert.ok(forever / total > 0.02 && forever / total < 0.08, `${forever} of ${total} last for ever`);
  await world.run(70_000);
  assert.deepEqual(world.violations, []);
});

test("strengths go from harmless to absurd", () => {
  const rates = SEEDS.map((seed) => (only(seed, "loss")[0] as LinkFault).conditions.lossRate as number);
  assert.ok(rates.some((rate) => rate < 0.003) && rates.some((rate) => rate > 0.3));
  assert.ok(rates.every((rate) => rate >= 0.001 && rate <= 1));
  const counts = SEEDS.map((seed) => only(seed, "pause").length);
  assert.ok(Math.min(...counts) === 1 && Math.max(...counts) >= 15);
  const longest = SEEDS.map((seed) => Math.max(...only(seed, "hold").map((fault) => (fault as LinkFault).forMs ?? 0)));
  assert.ok(longest.some((ms) => ms < 10) && longest.some((ms) => ms > 10_000));
});

test("a swizzle takes links one by one and gives them back in another order", () => {
  let reordered = 0;
  for (const seed of SEEDS) {
    for (const fault of only(seed, "swizzle", { foreverRate: 0 })) {
      const { from, to, conditions } = fault as LinkFault;
      assert.ok((from === "*") !== (to === "*") && (conditions.cut === true || conditions.held === true));
    }
    const whole = only(seed, "swizzle", { foreverRate: 0 }).filter((fault) => (fault as LinkFault).to === "*");
    const [first, second] = whole as LinkFault[];
    if (first === undefined || second === undefined || second.atMs <= first.atMs) continue;
    if (second.atMs + (second.forMs ?? 0) < first.atMs + (first.forMs ?? 0)) reordered++;
  }
  assert.ok(reordered > 20, `${reordered} of ${SEEDS.length} seeds gave the second back before the first`);
});

test("a partition cuts all that crosses it, at one instant, and nothing inside", () => {
  for (const seed of SEEDS) {
    const faults = only(seed, "partition") as LinkFault[];
    const cuts = faults.filter(({ atMs }) => atMs === faults[0]?.atMs);
    const crossing = new Set(cuts.map(({ from, to }) => `${from}${to}`));
    const senders = new Set(cuts.map(({ from }) => from));
    const oneWay = !cuts.some(({ from, to }) => crossing.has(`${to}${from}`));
    const receivers = new Set(cuts.map(({ to }) => to));
    assert.equal(cuts.length > 0, true, `seed ${seed}`);
    if (oneWay) {
      assert.equal(cuts.length, senders.size * receivers.size, `seed ${seed}: every sender to every receiver`);
      assert.equal(senders.size + receivers.size, NODES.length, `seed ${seed}: all nodes are on a side`);
    } else {
      assert.ok([6, 8].includes(cuts.length), `seed ${seed}: 1 + 3 or 2 + 2 nodes, both ways`);
    }
  }
});

test("only the links that are named suffer, where they are named", () => {
  const links = [
    { from: "a", to: "b" },
    { from: "c", to: "a" },
  ];
  for (const seed of SEEDS.slice(0, 100)) {
    for (const fault of drawn(seed, { links })) {
      if (fault.kind === "link") assert.ok(links.some(({ from, to }) => from === fault.from && to === fault.to));
    }
    assert.ok(!drawn(seed, { links: [] }).some((fault) => fault.kind === "link"));
  }
});

test("one node alone can suffer, too", () => {
  for (const seed of SEEDS.slice(0, 100)) {
    for (const fault of drawn(seed, { nodes: ["a"] })) {
      if (fault.kind === "link") assert.ok(fault.from === "*" || fault.to === "*");
      else assert.equal(fault.node, "a");
    }
  }
});

test("what cannot be drawn from is refused", () => {
  assert.throws(() => drawn(1, { nodes: [] }), /nodes is empty/);
  assert.throws(() => drawn(1, { families: ["flood"] as never }), /no family "flood"; there are kill, power/);
  assert.throws(() => drawn(1, { pinned: ["toString"] as never }), /no family "toString"/);
  assert.throws(() => drawn(1, { untilMs: 1_000 }), /untilMs is 1000/);
  assert.throws(() => drawn(1, { fromMs: Number.NaN }), /fromMs is NaN/);
  assert.throws(() => drawn(1, { foreverRate: 5 }), /foreverRate is 5/);
});
