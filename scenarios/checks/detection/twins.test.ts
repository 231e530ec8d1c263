import assert from "node:assert/strict";
import { test } from "node:test";
import type { GatewayEvent } from "../../../gateway/src/compose.ts";
import type { FleetFault } from "../../fleet/plan.ts";
import { Scripted } from "../scripted.ts";
import { twins } from "./twins.ts";

const TWIN: FleetFault = { kind: "twin", group: "atlantic", station: "primary", atMs: 5_000, forMs: 30_000 };
const DEATH: FleetFault = { kind: "crash", node: "atlantic/primary", how: "power", atMs: 15_000 };
const PHASES = { warmUpMs: 2_000, chaosMs: 40_000, drainMs: 10_000, verifyMs: 40_000 };

/** The conflict is told at `toldAtMs`, and a heartbeat counts at `beatAtMs`. */
async function violated(faults: readonly FleetFault[], toldAtMs: number, beatAtMs: number): Promise<string[]> {
  const made = new Scripted({ phases: PHASES, faults, lostForEver: ["atlantic/primary"] }, twins);
  const between = ["there", "here"] as const;
  const event: GatewayEvent = { type: "name-conflict", group: "atlantic", station: "primary", between, atMs: 0 };
  made.world.at(toldAtMs, () => made.tell("gatewayEvent", event, 1));
  made.world.at(beatAtMs, () => made.tell("beatCounted", "atlantic", "primary"));
  await made.at(80_000);
  return made.violated;
}

test("[G6] a second process sends heartbeats as a station → it is told within a moment", async () => {
  assert.deepEqual(await violated([TWIN], 5_500, 1_000), []);
  assert.deepEqual(await violated([TWIN], 9_000, 1_000), ["twins-are-told"]);
  assert.deepEqual(await violated([], 9_000, 1_000), [], "there is none");
});

test("[G6] two processes send heartbeats under one name → none of them counts while both do", async () => {
  assert.deepEqual(await violated([TWIN], 5_500, 5_200), [], "nobody can know so soon");
  assert.deepEqual(await violated([TWIN], 5_500, 20_000), ["twins-prove-nothing"]);
  assert.deepEqual(await violated([TWIN], 5_500, 50_000), [], "the twin is gone for long");
});

test("[G6] the true station dies beside its twin → for 10 s the twin proves nothing", async () => {
  assert.deepEqual(await violated([TWIN, DEATH], 5_500, 24_000), ["twins-prove-nothing"]);
  assert.deepEqual(await violated([TWIN, DEATH], 5_500, 25_500), []);
});
