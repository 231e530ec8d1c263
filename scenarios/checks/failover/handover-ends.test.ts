import assert from "node:assert/strict";
import { test } from "node:test";
import { World } from "ground-station-failover/sim";
import { buildFleet } from "../../fleet/build.ts";
import type { Fleet } from "../../fleet/fleet.ts";
import { gatewayProgram } from "../../fleet/gateway-node.ts";
import { planOf } from "../../swarm/written.ts";
import { Scripted } from "../scripted.ts";
import { handoverEnds } from "./handover-ends.ts";

/** An operator asks for a switchover; `spoil` may tell observers what did not happen. */
async function switched(spoil: (fleet: Fleet) => void): Promise<string[]> {
  const world = new World({ seed: 3 });
  const switchover = {
    kind: "operator",
    group: "atlantic",
    station: "backup",
    atMs: 3_000,
    action: "switchover",
  } as const;
  const plan = planOf({ faults: [switchover] });
  const fleet = buildFleet(world, plan, { gateway: gatewayProgram, checks: (made) => [handoverEnds(made)] });
  world.at(4_000, () => spoil(fleet));
  await world.run(9_000);
  return world.violations.map(({ invariant }) => invariant);
}

test("[S2] a switchover is over when calls have had their time", async () => {
  assert.deepEqual(await switched(() => undefined), []);
});

test("[S2] one that is not over then is seen", async () => {
  for (const [cause, found] of [
    ["switchover", "switchover-is-prompt"],
    ["failback", "handover-ends"],
  ] as const) {
    const begun = (fleet: Fleet): void => {
      const atMs = fleet.gateway?.nowMs() ?? 0;
      const event = { type: "handover-begun", group: "atlantic", station: "primary", cause, reason: "", atMs } as const;
      fleet.observers.tell("gatewayEvent", event, 1);
    };
    assert.deepEqual(await switched(begun), [found]);
  }
});

test("[F2] a failback to a station that failed what it was given is seen", () => {
  for (const [status, found] of [
    [200, []],
    [500, ["failback-is-tried"]],
  ] as const) {
    const made = new Scripted({}, handoverEnds);
    made.starts();
    const numbers = { cause: "failback", reason: "", atMs: 0 } as const;
    made.tell("gatewayEvent", { type: "handover-begun", group: "atlantic", station: "backup", ...numbers }, 1);
    made.ends(made.sends(made.command(), "backup"), "reply", status);
    made.promoted("backup", "primary", "failback");
    assert.deepEqual(made.violated, found);
  }
});
