import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { World } from "ground-station-failover/sim";
import { buildFleet } from "../../fleet/build.ts";
import { gatewayProgram } from "../../fleet/gateway-node.ts";
import { endsAtMs } from "../../fleet/plan.ts";
import { configurationOf, planOf } from "../../swarm/written.ts";
import { claimsUnfit } from "../claims-unfit.ts";
import { Scripted } from "../scripted.ts";
import { trials } from "./trials.ts";

function begun(): Scripted {
  const made = new Scripted({}, trials);
  made.starts();
  return made;
}

/** A failback tries the backup out. */
function triesBackup(): Scripted {
  const made = begun();
  const { nowMs } = made.world;
  made.tell(
    "gatewayEvent",
    { type: "handover-begun", group: "atlantic", station: "backup", cause: "failback", reason: "", atMs: nowMs },
    1,
  );
  return made;
}

describe("failback-begins-with-one", () => {
  test("one command that may be repeated is well", () => {
    const made = triesBackup();
    made.sends(made.command(), "backup");
    assert.deepEqual(made.violated, []);
  });

  test("a second one beside it, or one without a key, is not", () => {
    const made = triesBackup();
    made.sends(made.command(), "backup");
    made.sends(made.command(), "backup");
    assert.deepEqual(made.violated, ["failback-begins-with-one"]);
    const other = triesBackup();
    other.sends(other.command({ kind: "once" }), "backup");
    assert.deepEqual(other.violated, ["failback-begins-with-one"]);
  });

  test("whoever has been answered there, or has waited for two seconds, may send more", async () => {
    const made = triesBackup();
    made.ends(made.sends(made.command(), "backup"), "reply", 200);
    for (let number = 0; number < 3; number++) made.sends(made.command({ kind: "once" }), "backup");
    const quiet = await triesBackup().at(2_000);
    for (let number = 0; number < 3; number++) quiet.sends(quiet.command({ kind: "once" }), "backup");
    assert.deepEqual([...made.violated, ...quiet.violated], []);
  });

  test("what the primary has refused goes there for a reason of its own", () => {
    const made = triesBackup();
    for (let number = 0; number < 3; number++) {
      const command = made.command();
      made.arrives(command);
      made.ends(made.sends(command, "primary"), "reply", 503);
      made.sends(command, "backup");
    }
    assert.deepEqual(made.violated, []);
  });
});

describe("failback-is-given-up", () => {
  test("a failback that goes on after a failure of its station is seen, one that is over is not", async () => {
    const made = triesBackup();
    made.ends(made.sends(made.command(), "backup"), "lost");
    await made.at(1);
    const over = triesBackup();
    over.ends(over.sends(over.command(), "backup"), "reply", 500);
    over.tell(
      "gatewayEvent",
      { type: "handover-ended", group: "atlantic", station: "backup", reason: "", atMs: over.world.nowMs },
      1,
    );
    await over.at(1);
    assert.deepEqual([made.violated, over.violated], [["failback-is-given-up"], []]);
  });

  test("an attempt that nobody waits for any more proves nothing", async () => {
    const made = triesBackup();
    made.ends(made.sends(made.command(), "backup", { signal: AbortSignal.abort() }), "lost");
    await made.at(1);
    assert.deepEqual(made.violated, []);
  });
});

describe("once-is-not-spent", () => {
  test("a command without a key is not sent to whoever was declared down", async () => {
    const made = await begun().at(5_000);
    made.declared("primary", "suspected", "down");
    await made.at(7_000);
    made.sends(made.command(), "primary");
    assert.deepEqual(made.violated, []);
    made.sends(made.command({ kind: "once" }), "primary");
    assert.deepEqual(made.violated, ["once-is-not-spent"]);
  });

  test("but to whoever refuses connections, which proves that it does not run, or has just served", async () => {
    const made = await begun().at(5_000);
    made.declared("primary", "suspected", "down");
    await made.at(7_000);
    made.ends(made.sends(made.command(), "primary"), "never-sent");
    made.sends(made.command({ kind: "once" }), "primary");
    const served = await begun().at(5_000);
    served.declared("primary", "suspected", "down");
    await served.at(7_000);
    served.ends(served.sends(served.command(), "primary"), "reply", 200);
    served.sends(served.command({ kind: "once" }), "primary");
    assert.deepEqual([...made.violated, ...served.violated], []);
  });
});

/**
 * A primary hangs for a while in a group with reads and keyed commands. `spoil`: its gateway's
 * status says that it is in doubt ever after.
 */
async function doubted(spoil: boolean, claims = false): Promise<string[]> {
  const world = new World({ seed: 11 });
  const plan = planOf({
    phases: { warmUpMs: 5_000, chaosMs: 10_000, drainMs: 10_000, verifyMs: 40_000 },
    configuration: configurationOf([{ name: "atlantic" }]),
  });
  const fleet = buildFleet(world, plan, { gateway: gatewayProgram, checks: (made) => [trials(made)] });
  if (spoil) {
    world.at(8_000, () => {
      const group = fleet.gateway?.gateway.groups.get("atlantic");
      if (group === undefined) throw new Error("the gateway runs by then");
      const prototype = Object.getPrototypeOf(group) as object;
      const status = Object.getOwnPropertyDescriptor(prototype, "status")?.get;
      Object.defineProperty(group, "status", {
        get: () => {
          const now = status?.call(group) as typeof group.status;
          return { ...now, stations: now.stations.map((station) => ({ ...station, doubted: station.active })) };
        },
      });
    });
  }
  if (claims) world.at(8_000, () => claimsUnfit(fleet, { doubted: true }));
  await world.run(endsAtMs(plan));
  return world.violations.map(({ invariant }) => invariant);
}

describe("doubt-ends", () => {
  test("nobody who is well is in doubt for ever", async () => {
    assert.deepEqual(await doubted(false), []);
  });

  test("one that is in doubt for half a minute although commands come is seen", async () => {
    assert.deepEqual(await doubted(true), ["doubt-ends"]);
  });

  test("… also where its gateway calls it ineligible, which is no excuse of a station that is well", async () => {
    assert.deepEqual(await doubted(false, true), ["doubt-ends"]);
  });
});
