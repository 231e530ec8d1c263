/** The check of heartbeats that are pulled: neither made up after a stall, nor drifting. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { stationNode } from "../../fleet/plan.ts";
import { configurationOf } from "../../swarm/written.ts";
import { Scripted } from "../scripted.ts";
import { startGateway } from "../scripted-gateway.ts";
import { pulls } from "./pulls.ts";

const heartbeat = { kind: "http", path: "/health", interval: 100, timeout: 400 } as const;
const configuration = configurationOf([{ name: "atlantic", heartbeat }]);

/** Pulls begin `everyMs` apart until 10 s are over; each answer takes 5 ms. */
async function pulled(everyMs: number, isRefused = false, faults: readonly never[] = []): Promise<Scripted> {
  const made = new Scripted({ configuration, faults }, pulls);
  startGateway(made);
  for (let atMs = 0; atMs < 10_000; atMs += everyMs) {
    await made.at(atMs);
    made.tell("pulled", "atlantic", "primary");
    await made.at(atMs + 5);
    made.tell("pullEnded", "atlantic", "primary", isRefused);
    if (atMs % 1_000 < everyMs) made.tell("tick");
  }
  return made;
}

test("once in each interval → nothing is wrong, and it was judged", async () => {
  const made = await pulled(100);
  assert.deepEqual(made.violated, []);
  assert.ok((made.world.met.get("judged: pulls-keep-time") ?? 0) > 0);
});

test("each one begins when the last was answered and an interval is over → it drifts, violated", async () => {
  assert.equal((await pulled(105)).violated[0], "pulls-keep-time");
});

test("a station that refuses is asked again after 25 ms → fine; one that does not is → violated", async () => {
  assert.deepEqual((await pulled(25, true)).violated, []);
  assert.equal((await pulled(25, false)).violated[0], "pulls-are-not-made-up");
});

test("three ticks that a stall has swallowed are made up → violated; the one that is late, and the next → fine", async () => {
  for (const [times, found] of [
    [2, []],
    [3, ["pulls-are-not-made-up"]],
  ] as const) {
    const made = await new Scripted({ configuration }, pulls).at(340);
    startGateway(made);
    for (let time = 0; time < times; time++) {
      made.tell("pulled", "atlantic", "primary");
      made.tell("pullEnded", "atlantic", "primary", false);
    }
    assert.deepEqual(made.violated, found);
  }
});

test("it drifts while something troubles the group, or while answers are late → not judged", async () => {
  const node = stationNode("atlantic", "primary");
  const troubled = await pulled(105, false, [{ kind: "pause", node, atMs: 0, forMs: 60_000 }] as never);
  assert.deepEqual(troubled.violated, []);
  const late = new Scripted({ configuration }, pulls);
  startGateway(late);
  for (let atMs = 0; atMs < 10_000; atMs += 200) {
    await late.at(atMs);
    late.tell("pulled", "atlantic", "primary");
    if (atMs > 200) late.tell("pullEnded", "atlantic", "primary", false);
    late.tell("tick");
  }
  assert.deepEqual(late.violated, []);
});
