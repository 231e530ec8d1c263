/** The check of deadlines: at the gateway, at the stations, and of single attempts. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Relay } from "../../fleet/observer.ts";
import { configurationOf } from "../../swarm/written.ts";
import { Scripted } from "../scripted.ts";
import { startGateway } from "../scripted-gateway.ts";
import { deadlines } from "./deadlines.ts";

const ONE_SECOND = configurationOf([{ name: "atlantic", commands: { timeout: 1_000 } }]);

describe("[R4] deadlines at the gateway", () => {
  test("a retry has less time than the attempt before it", async () => {
    const made = new Scripted({}, deadlines);
    const command = made.command();
    made.arrives(command, 10_000);
    made.sends(command, "primary", { timeLeftMs: 10_000 });
    await made.at(4_000);
    made.sends(command, "primary", { timeLeftMs: 6_000 });
    assert.deepEqual(made.violated, []);
  });

  test("a retry that begins the deadline anew", async () => {
    const made = new Scripted({}, deadlines);
    const command = made.command();
    made.arrives(command, 10_000);
    await made.at(4_000);
    made.sends(command, "primary", { timeLeftMs: 10_000 });
    assert.deepEqual(made.violated, ["deadline-never-grows"]);
  });

  test("an attempt at the deadline", async () => {
    const made = new Scripted({}, deadlines);
    const command = made.command();
    made.arrives(command, 10_000);
    await made.at(10_000);
    made.sends(command, "primary", { timeLeftMs: 0 });
    assert.deepEqual(made.violated, ["sent-before-deadline"]);
  });

  test("the later of two deadlines holds for a command that came twice", async () => {
    const made = new Scripted({}, deadlines);
    const command = made.command();
    made.arrives(command, 1_000);
    await made.at(500);
    made.arrives(command, 1_000);
    await made.at(1_200);
    made.sends(command, "primary", { timeLeftMs: 300 });
    assert.deepEqual(made.violated, []);
  });

  test("while its body goes out, an attempt has no age", async () => {
    for (const [bodyOutAtMs, expected] of [
      [Number.POSITIVE_INFINITY, []],
      [900, []],
      [0, ["attempts-time-out"]],
    ] as const) {
      const made = new Scripted({ configuration: ONE_SECOND }, deadlines);
      startGateway(made);
      const command = made.command({ kind: "once" });
      made.arrives(command);
      made.sends(command, "primary", { judgedFromLocalMs: bodyOutAtMs });
      await made.at(1_800);
      made.tell("tick");
      assert.deepEqual(made.violated, expected);
    }
  });

  test("an attempt that is out for longer than its timeout", async () => {
    for (const [outMs, expected] of [
      [1_040, []],
      [1_200, ["attempts-time-out"]],
    ] as const) {
      const made = new Scripted({ configuration: ONE_SECOND }, deadlines);
      startGateway(made);
      const command = made.command();
      made.arrives(command);
      made.sends(command, "primary");
      await made.at(outMs);
      made.tell("tick");
      assert.deepEqual(made.violated, expected);
    }
  });
});

describe("[R4] deadlines at a station", () => {
  const relay = (made: Scripted, sentLocalMs: number, sentTimeLeftMs: number): Relay => ({
    command: made.command(),
    group: "atlantic",
    station: "primary",
    incarnation: 1,
    epoch: 1,
    arrivedLocalMs: 100,
    timeLeftMs: 1_000,
    sentLocalMs,
    sentTimeLeftMs,
  });

  test("it goes on with what is left, and not at all when nothing is", () => {
    const made = new Scripted({}, deadlines);
    made.tell("relaySent", relay(made, 400, 700));
    assert.deepEqual(made.violated, []);
    made.tell("relaySent", relay(made, 400, 1_000));
    assert.deepEqual(made.violated, ["deadline-never-grows"]);
    made.tell("relaySent", relay(made, 1_100, 0));
    assert.deepEqual(made.violated, ["deadline-never-grows", "stations-drop-the-late"]);
  });
});
