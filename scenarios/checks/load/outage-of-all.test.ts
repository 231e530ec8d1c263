/** After an outage of all stations commands are served again 3 s later. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { FleetFault } from "../../fleet/plan.ts";
import { stationNode } from "../../fleet/plan.ts";
import { Scripted } from "../scripted.ts";
import { widePlan } from "../wide-world.ts";
import { outageOfAll } from "./outage-of-all.ts";

const gone = (station: string): FleetFault => ({
  kind: "crash",
  node: stationNode("atlantic", station),
  how: "kill",
  atMs: 12_000,
  forMs: 3_000,
});

/**
 * All of `stations` are gone from 12 s to 15 s; ten commands a second come from 15 s on, and are
 * good from `goodFromMs` on.
 */
async function violated(stations: readonly string[], goodFromMs: number): Promise<string[]> {
  const made = new Scripted(widePlan({ faults: stations.map(gone) }), outageOfAll);
  for (let atMs = 15_000; atMs < 25_000; atMs += 100) {
    await made.at(atMs);
    const sending = made.begins(made.command());
    made.world.at(atMs + 150, () => made.finishes(sending, atMs >= goodFromMs ? "served" : "refused"));
  }
  await made.at(80_000);
  return made.violated;
}

test("served again after 3 s → nothing is wrong", async () => {
  assert.deepEqual(await violated(["primary", "backup"], 17_900), []);
});

test("served again after 5 s → violated", async () => {
  assert.deepEqual(await violated(["primary", "backup"], 20_100), ["outage-of-all-ends"]);
});

test("only one station was gone → not judged", async () => {
  assert.deepEqual(await violated(["primary"], 25_000), []);
});

test("those who came before are answered, and who comes meanwhile is refused → nothing is wrong; too few answers → violated", async () => {
  for (const [servedFor, expected] of [
    [2, []],
    [8, ["outage-of-all-ends"]],
  ] as const) {
    const made = new Scripted(widePlan({ faults: ["primary", "backup"].map(gone) }), outageOfAll);
    for (let sent = 0; sent < 400; sent++) {
      const atMs = 15_000 + 25 * sent;
      await made.at(atMs);
      const sending = made.begins(made.command());
      const isQueued = atMs < 18_000 && sent % servedFor === 0;
      made.world.at(atMs + (isQueued ? 3_000 : 1), () => made.finishes(sending, isQueued ? "served" : "refused"));
    }
    await made.at(80_000);
    assert.deepEqual(made.violated, expected);
  }
});
