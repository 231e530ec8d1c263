/**
 * The replays of the wide world are whole: each is in the table of its folder, can be read, is of
 * an invariant of that world, and holds a plan of which a fleet can be made; and every such
 * invariant has one. That nothing is violated in them any more is asked by `sample.test.ts`, which
 * runs them.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { parseReplay, World } from "ground-station-failover/sim";
import { Fleet } from "./fleet/fleet.ts";
import type { FleetPlan } from "./fleet/plan.ts";

const INVARIANTS: ReadonlySet<string> = new Set([
  "collapse-is-told",
  "goodput-comes-back",
  "no-role-change-without-fault",
  "nobody-waits-for-nothing",
  "one-bad-route-hurts-nobody",
  "ordinary-error-is-prompt",
  "outage-of-all-ends",
  "quiet-is-served",
]);

const folder = new URL("../test/replays/", import.meta.url);
const readme = readFileSync(new URL("README.md", folder), "utf8");
const names = readdirSync(folder).filter((name) => readme.includes(`| \`${name.slice(0, -".json".length)}\` |`));

for (const name of names) {
  test(`${name} is whole, and the table names it`, () => {
    const { invariant, plan, simulation } = parseReplay(readFileSync(new URL(name, folder), "utf8"), name);
    assert.equal(simulation, "swarm");
    assert.ok(INVARIANTS.has(invariant), invariant);
    assert.doesNotThrow(() => new Fleet(new World({ seed: name }), plan as FleetPlan));
    const row = `| \`${name.slice(0, -".json".length)}\` | \`${invariant}\` |`;
    assert.ok(readme.includes(row), `README.md has no row ${row}`);
  });
}

test("every row of the table has its file", () => {
  assert.equal(names.length, readme.match(/^\| `/gm)?.length);
});

test("every invariant of the wide world has a replay", () => {
  const seen = names.map((name) => parseReplay(readFileSync(new URL(name, folder), "utf8"), name).invariant);
  assert.deepEqual(new Set(seen), INVARIANTS);
});
