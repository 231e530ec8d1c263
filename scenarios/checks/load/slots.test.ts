/** The check of room: out at stations, waiting, and what the gateway says of both. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { configurationOf } from "../../swarm/written.ts";
import { Scripted } from "../scripted.ts";
import { startGateway } from "../scripted-gateway.ts";
import { slots } from "./slots.ts";

const DRAFT = {
  configuration: configurationOf([{ name: "atlantic", commands: { maxConcurrent: 2, maxWaiting: 3 } }]),
};

describe("[K2] attempts out at a station", () => {
  test("as many as may be, at each station, and again when they are over", () => {
    const made = new Scripted(DRAFT, slots);
    const [first] = [made.sends(made.command(), "primary"), made.sends(made.command(), "primary")];
    made.sends(made.command(), "backup");
    made.ends(first, "aborted");
    made.sends(made.command(), "primary");
    assert.deepEqual(made.violated, []);
  });

  test("one more, although nobody waits for one of those that are out", () => {
    const made = new Scripted(DRAFT, slots);
    for (let place = 0; place < 3; place++) made.sends(made.command(), "primary", { signal: AbortSignal.abort() });
    assert.deepEqual(made.violated, ["in-flight-within-limit"]);
  });
});

test("[F5] commands that wait to be sent: as many as may, twice, and one", () => {
  const made = new Scripted(DRAFT, slots);
  const visits = Array.from({ length: 7 }, () => made.arrives(made.command()));
  made.tell("tick");
  const sent = made.command();
  made.arrives(sent);
  made.sends(sent, "primary");
  made.tell("tick");
  assert.deepEqual(made.violated, []);
  made.arrives(made.command());
  made.tell("tick");
  assert.deepEqual(made.violated, ["waiting-within-limit"]);
  for (const visit of visits) made.tell("commandAnswered", visit);
  made.tell("tick");
  assert.equal(made.violated.length, 1);
});

describe("[K2] what a gateway says of itself", () => {
  test("it must know of every command that is there", () => {
    const made = new Scripted(DRAFT, slots);
    startGateway(made);
    made.tell("tick");
    assert.deepEqual(made.violated, []);
    made.arrives(made.command());
    made.tell("ended");
    assert.deepEqual(made.violated, []);
    const later = new Scripted(DRAFT, slots);
    startGateway(later);
    later.arrives(later.command());
    later.tell("tick");
    assert.deepEqual(later.violated, ["counts-agree"]);
  });

  test("nothing is left over when nobody waits", () => {
    const made = new Scripted(DRAFT, slots);
    startGateway(made);
    const command = made.command();
    const visit = made.arrives(command);
    const attempt = made.sends(command, "primary");
    made.tell("commandAnswered", visit);
    made.tell("ended");
    assert.deepEqual(made.violated, ["everything-returns"]);
    made.ends(attempt, "aborted");
    made.tell("ended");
    assert.equal(made.violated.length, 1);
  });
});
