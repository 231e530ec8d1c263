/** The check of epochs, at the gateway and at its stations. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Group } from "../../../gateway/src/fleet/group.ts";
import type { Attempt, Relay } from "../../fleet/observer.ts";
import { Scripted } from "../scripted.ts";
import { startGateway } from "../scripted-gateway.ts";
import { epochs } from "./epochs.ts";

function promoted(made: Scripted, station: string, from: string, epoch: number): void {
  const { nowMs } = made.world;
  const numbers = { atMs: nowMs, waiting: 0, inFlight: 0, evidence: [] };
  made.tell(
    "gatewayEvent",
    { type: "promoted", group: "atlantic", station, from, epoch, cause: "failure", ...numbers },
    1,
  );
}

describe("[F3] [S2] epochs at the gateway", () => {
  test("attempts follow the promotions that were told", () => {
    const made = new Scripted({}, epochs);
    made.sends(made.command(), "primary");
    promoted(made, "backup", "primary", 2);
    made.sends(made.command(), "backup", { epoch: 2 });
    made.tell("gatewayEvent", { type: "epoch-adopted", group: "atlantic", epoch: 7, atMs: 0 }, 1);
    made.sends(made.command(), "backup", { epoch: 7 });
    assert.deepEqual(made.violated, []);
  });

  test("a command that came to nothing at one station may go on to the other, one that was served may not", () => {
    for (const [outcome, status, found] of [
      ["lost", undefined, []],
      ["never-sent", undefined, []],
      ["reply", 500, []],
      ["reply", 200, ["one-active-per-epoch"]],
    ] as const) {
      const made = new Scripted({}, epochs);
      const command = made.command();
      made.ends(made.sends(command, "primary"), outcome, status);
      made.sends(command, "backup");
      assert.deepEqual(made.violated, found, `${outcome} ${status}`);
    }
  });

  test("so may one that is out for longer than usual, and not before", async () => {
    const made = new Scripted({}, epochs);
    for (let served = 0; served < 52; served++) {
      const attempt = made.sends(made.command(), "primary");
      await made.at(made.world.nowMs + 40);
      made.ends(attempt, "reply", 200);
    }
    const command = made.command();
    made.sends(command, "primary");
    await made.at(made.world.nowMs + 60);
    made.sends(command, "backup");
    assert.deepEqual(made.violated, []);
    const early = made.command();
    made.sends(early, "primary");
    await made.at(made.world.nowMs + 20);
    made.sends(early, "backup");
    assert.deepEqual(made.violated, ["one-active-per-epoch"]);
  });

  test("new ones go past an active station in doubt, until it is trusted again, and to one that is tried out", () => {
    const made = new Scripted({}, epochs);
    const says = (type: "doubted" | "trusted"): void =>
      made.tell("gatewayEvent", { type, group: "atlantic", station: "primary", reason: "", atMs: 0 }, 1);
    const begun = { type: "handover-begun", group: "atlantic", station: "backup", reason: "", atMs: 0 } as const;
    says("doubted");
    made.sends(made.command(), "backup");
    says("trusted");
    made.tell("gatewayEvent", { ...begun, cause: "failback" }, 1);
    made.sends(made.command(), "backup");
    assert.deepEqual(made.violated, []);
    made.tell("gatewayEvent", { type: "handover-ended", group: "atlantic", station: "backup", reason: "", atMs: 0 }, 1);
    made.sends(made.command(), "backup");
    assert.deepEqual(made.violated, ["one-active-per-epoch"]);
  });

  test("a new one may go past an active station that served none of the last three sent, in whatever order they ended", async () => {
    for (const [unserved, found] of [
      [3, []],
      [2, ["one-active-per-epoch"]],
    ] as const) {
      const made = new Scripted({}, epochs);
      const sent = async (): Promise<Attempt> => {
        await made.at(made.world.nowMs + 10);
        return made.sends(made.command(), "primary");
      };
      const upload = await sent();
      const served = await sent();
      const later = [];
      for (let place = 0; place < unserved; place++) later.push(await sent());
      made.ends(later[0] as Attempt, "reply", 504);
      made.ends(upload, "reply", 504);
      for (const attempt of later.slice(1)) made.ends(attempt, "reply", 504);
      made.ends(served, "reply", 200);
      made.sends(made.command(), "backup");
      assert.deepEqual(made.violated, found, `${unserved} unserved`);
    }
  });

  test("new ones may go past an active station that failed five of the last commands and as many as it served, and not past one that failed fewer", () => {
    for (const [lost, served, found] of [
      [5, 5, []],
      [4, 0, ["one-active-per-epoch"]],
      [5, 9, ["one-active-per-epoch"]],
    ] as const) {
      const made = new Scripted({}, epochs);
      for (let place = 0; place < lost; place++) {
        const command = made.command();
        made.arrives(command);
        made.ends(made.sends(command, "primary"), "reply", 500);
        made.ends(made.sends(command, "backup"), "reply", 200);
        // What was sent last was served.
        made.ends(made.sends(made.command(), "primary"), "reply", place < served ? 200 : 500);
      }
      for (let more = lost; more < served; more++) made.ends(made.sends(made.command(), "primary"), "reply", 200);
      made.ends(made.sends(made.command(), "primary"), "reply", 200);
      made.sends(made.command(), "backup");
      assert.deepEqual(made.violated, found, `${lost} lost, ${served} served`);
    }
  });

  test("new ones may go past an active station that fails a share of those that may not run twice, whatever it did before, and not past one that fails fewer", () => {
    for (const [before, between, found] of [
      [0, 2, []],
      [36, 2, []],
      [0, 12, ["one-active-per-epoch"]],
    ] as const) {
      const made = new Scripted({}, epochs);
      const ends = (kind: "once" | "keyed", status: number): void =>
        made.ends(made.sends(made.command({ kind }), "primary"), "reply", status);
      ends("once", 500);
      for (let place = 0; place < before; place++) ends("keyed", 200);
      for (let failure = 0; failure < 3; failure++) {
        ends("once", 500);
        for (let place = 0; place < between; place++) ends("keyed", 200);
      }
      made.sends(made.command(), "backup");
      assert.deepEqual(made.violated, found, `${before} served before, ${between} between`);
    }
  });

  test("two stations under one epoch", () => {
    const made = new Scripted({}, epochs);
    made.sends(made.command(), "primary");
    made.sends(made.command(), "backup");
    assert.deepEqual(made.violated, ["one-active-per-epoch"]);
  });

  test("a promotion that does not raise the epoch", () => {
    const made = new Scripted({}, epochs);
    promoted(made, "backup", "primary", 1);
    assert.deepEqual(made.violated, ["epoch-rises"]);
  });

  test("an attempt of the old epoch after a promotion", () => {
    const made = new Scripted({}, epochs);
    promoted(made, "backup", "primary", 2);
    made.sends(made.command(), "primary");
    assert.deepEqual(made.violated, ["epoch-rises"]);
  });
});

/**
 * A gateway that heard `seen` of its stations at 1 s, one after the other, and was at `epoch` from
 * then on; looked at at 2 s.
 */
async function heard(seen: readonly number[], sentUnder: readonly number[], epoch: number): Promise<readonly string[]> {
  const made = new Scripted({}, epochs);
  const { gateway } = startGateway(made);
  const group = gateway.groups.get("atlantic") as Group;
  for (const epoch of sentUnder) made.sends(made.command(), "primary", { epoch });
  await made.at(1_000);
  if (epoch > 1) {
    group.noteHeartbeat("primary", { sequence: 1, incarnation: 1 }, epoch - 1);
    made.tell("gatewayEvent", { type: "epoch-adopted", group: "atlantic", epoch: group.epoch, atMs: 1_000 }, 1);
  }
  assert.equal(group.epoch, epoch);
  for (const [place, epochSeen] of seen.entries()) {
    const beat = {
      group: "atlantic",
      station: "primary",
      session: "s",
      challenge: "c",
      sequence: 2 + place,
      sentAtMs: 0,
    };
    made.tell("beatCounted", "atlantic", "primary", { ...beat, epochSeen });
  }
  await made.at(2_000);
  made.tell("tick");
  return made.violated;
}

describe("[F3] what a restarted gateway learns of its stations", () => {
  test("it goes above what they have seen, whoever lags behind → nothing is wrong", async () => {
    assert.deepEqual(await heard([2, 3], [], 4), []);
    assert.deepEqual(await heard([0], [], 1), [], "they have seen nothing");
    assert.deepEqual(await heard([1], [1], 1), [], "what they have seen was its own");
  });

  test("it heard of 2, adopted 3, and takes the 3 of another station for its own → violated", async () => {
    assert.deepEqual(await heard([2, 3], [], 3), ["epochs-are-learnt"]);
  });

  test("it begins at 1, as the one before it did, of which a station tells → violated", async () => {
    assert.deepEqual(await heard([1], [], 1), ["epochs-are-learnt"]);
  });

  test("it goes to what they have seen and not above, or learns nothing → violated", async () => {
    assert.deepEqual(await heard([3], [], 3), ["epochs-are-learnt"]);
    assert.deepEqual(await heard([7], [], 1), ["epochs-are-learnt"]);
  });
});

describe("[F3] epochs at a station", () => {
  const relay = (made: Scripted, epoch: number, incarnation = 1): Relay => ({
    command: made.command(),
    group: "atlantic",
    station: "primary",
    incarnation,
    epoch,
    arrivedLocalMs: 0,
    timeLeftMs: 1_000,
    sentLocalMs: 0,
    sentTimeLeftMs: 1_000,
  });

  test("an older one is neither let in nor carried on after a newer one was seen", () => {
    const made = new Scripted({}, epochs);
    const waiting = relay(made, 1);
    made.tell("relayAdmitted", waiting);
    made.tell("relayAdmitted", relay(made, 2));
    assert.deepEqual(made.violated, []);
    made.tell("relaySent", waiting);
    made.tell("relayAdmitted", relay(made, 1));
    assert.deepEqual(made.violated, ["stations-refuse-old-epochs", "stations-refuse-old-epochs"]);
  });

  test("what its spacecraft has seen is seen", () => {
    const made = new Scripted({}, epochs);
    made.tell("relayRefused", relay(made, 1), 4);
    made.tell("relayAdmitted", relay(made, 4));
    assert.deepEqual(made.violated, []);
    made.tell("relayAdmitted", relay(made, 3));
    assert.deepEqual(made.violated, ["stations-refuse-old-epochs"]);
  });

  test("a station that was restarted has forgotten what it has seen", () => {
    const made = new Scripted({}, epochs);
    made.tell("relayAdmitted", relay(made, 2));
    made.tell("relayAdmitted", relay(made, 1, 2));
    assert.deepEqual(made.violated, []);
  });
});
