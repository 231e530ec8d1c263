/** The check of epochs, at the gateway and at its stations. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Relay } from "../fleet/observer.ts";
import { epochs } from "./epochs.ts";
import { HandMade } from "./hand-made.ts";

function promoted(made: HandMade, station: string, from: string, epoch: number): void {
  const { nowMs } = made.world;
  const numbers = { atMs: nowMs, waiting: 0, inFlight: 0, evidence: [] };
  made.tell(
    "gatewayEvent",
    { type: "promoted", group: "atlantic", station, from, epoch, cause: "failure", ...numbers },
    1,
  );
}

describe("[F3] [S1] epochs at the gateway", () => {
  test("attempts follow the promotions that were told", () => {
    const made = new HandMade({}, epochs);
    made.sends(made.command(), "primary");
    promoted(made, "backup", "primary", 2);
    made.sends(made.command(), "backup", { epoch: 2 });
    made.tell("gatewayEvent", { type: "epoch-adopted", group: "atlantic", epoch: 7, atMs: 0 }, 1);
    made.sends(made.command(), "backup", { epoch: 7 });
    assert.deepEqual(made.violated, []);
  });

  test("a command that was sent elsewhere before may go on to the other station", () => {
    const made = new HandMade({}, epochs);
    const command = made.command();
    made.sends(command, "primary");
    made.sends(command, "backup");
    assert.deepEqual(made.violated, []);
  });

  test("two stations under one epoch", () => {
    const made = new HandMade({}, epochs);
    made.sends(made.command(), "primary");
    made.sends(made.command(), "backup");
    assert.deepEqual(made.violated, ["one-active-per-epoch"]);
  });

  test("a promotion that does not raise the epoch", () => {
    const made = new HandMade({}, epochs);
    promoted(made, "backup", "primary", 1);
    assert.deepEqual(made.violated, ["epoch-rises"]);
  });

  test("an attempt of the old epoch after a promotion", () => {
    const made = new HandMade({}, epochs);
    promoted(made, "backup", "primary", 2);
    made.sends(made.command(), "primary");
    assert.deepEqual(made.violated, ["epoch-rises"]);
  });
});

describe("[F3] epochs at a station", () => {
  const relay = (made: HandMade, epoch: number, incarnation = 1): Relay => ({
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
    const made = new HandMade({}, epochs);
    const waiting = relay(made, 1);
    made.tell("relayAdmitted", waiting);
    made.tell("relayAdmitted", relay(made, 2));
    assert.deepEqual(made.violated, []);
    made.tell("relaySent", waiting);
    made.tell("relayAdmitted", relay(made, 1));
    assert.deepEqual(made.violated, ["stations-refuse-old-epochs", "stations-refuse-old-epochs"]);
  });

  test("what its spacecraft has seen is seen", () => {
    const made = new HandMade({}, epochs);
    made.tell("relayRefused", relay(made, 1), 4);
    made.tell("relayAdmitted", relay(made, 4));
    assert.deepEqual(made.violated, []);
    made.tell("relayAdmitted", relay(made, 3));
    assert.deepEqual(made.violated, ["stations-refuse-old-epochs"]);
  });

  test("a station that was restarted has forgotten what it has seen", () => {
    const made = new HandMade({}, epochs);
    made.tell("relayAdmitted", relay(made, 2));
    made.tell("relayAdmitted", relay(made, 1, 2));
    assert.deepEqual(made.violated, []);
  });
});
