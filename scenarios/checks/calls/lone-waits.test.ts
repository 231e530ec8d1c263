import assert from "node:assert/strict";
import { test } from "node:test";
import type { PlanDraft } from "../../swarm/written.ts";
import { configurationOf } from "../../swarm/written.ts";
import { Scripted } from "../scripted.ts";
import { loneWaits } from "./lone-waits.ts";

const BROKEN = ["waiting-goes-by-itself"];

async function waitsFor(
  ms: number,
  draft: PlanDraft,
  also: (fleet: Scripted) => Promise<void> | void,
): Promise<string[]> {
  const fleet = new Scripted(draft, loneWaits);
  fleet.starts();
  fleet.arrives(fleet.command());
  await also(fleet);
  await fleet.at(fleet.world.nowMs + ms);
  fleet.tell("tick");
  return fleet.violated;
}

test("[S2] a command waits alone, longer than anything but a bug explains", async () => {
  assert.deepEqual(await waitsFor(2_400, {}, () => {}), []);
  assert.deepEqual(await waitsFor(2_600, {}, () => {}), BROKEN);
});

test("[S2] a declared capacity may let it wait for its turn", async () => {
  const configuration = configurationOf([{ name: "atlantic", capacityPerSecond: 1 }]);
  assert.deepEqual(await waitsFor(3_400, { configuration }, () => {}), []);
  assert.deepEqual(await waitsFor(3_600, { configuration }, () => {}), BROKEN);
});

test("[S2] what is out, or has been sent, or came a moment ago, or a fault, may be what it waits for", async () => {
  const out = await waitsFor(5_000, {}, (fleet) => void fleet.sends(fleet.command(), "primary"));
  assert.deepEqual(out, []);
  const ended = await waitsFor(5_000, {}, (fleet) => fleet.ends(fleet.sends(fleet.command(), "primary"), "reply", 200));
  assert.deepEqual(ended, BROKEN);
  const came = await waitsFor(1_000, {}, async (fleet) => {
    await fleet.at(2_000);
    fleet.arrives(fleet.command());
  });
  assert.deepEqual(came, []);
  const faults = [{ kind: "pause", node: "gateway", atMs: 10, forMs: 50 }] as const;
  assert.deepEqual(await waitsFor(5_000, { faults }, () => {}), []);
});

test("[S2] one that was sent once waits for its turn in the retry budget, and an answered one for nothing", async () => {
  const fleet = new Scripted({}, loneWaits);
  fleet.starts();
  const [tried, answered] = [fleet.command(), fleet.command()];
  fleet.arrives(tried);
  fleet.ends(fleet.sends(tried, "primary"), "lost");
  fleet.tell("commandAnswered", fleet.arrives(answered));
  await fleet.at(10_000);
  fleet.tell("tick");
  assert.deepEqual(fleet.violated, []);
});
