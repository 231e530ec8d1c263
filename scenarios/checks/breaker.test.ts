/** The check of breakers: transitions without cause, causes without transition, and probes. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { BreakerState } from "ground-station-failover";
import { AttemptTimeoutError } from "ground-station-failover";
import { configurationOf } from "../swarm/written.ts";
import { breaker } from "./breaker.ts";
import { HandMade } from "./hand-made.ts";

/** Half of ten in a second opens it, for half a second; an attempt may take 200 ms. */
const DRAFT = {
  configuration: configurationOf([
    {
      name: "atlantic",
      breaker: { failureRateThreshold: 0.5, minimumVolume: 10, window: 1_000, openDuration: 500 },
      commands: { timeout: 200, deadline: 5_000 },
    },
  ]),
};

function moves(made: HandMade, from: BreakerState, to: BreakerState, atMs = made.world.nowMs): void {
  const transition = { from, to, atMs, rule: "by hand" };
  made.tell("gatewayEvent", { type: "breaker", group: "atlantic", station: "primary", transition }, 1);
}

async function answers(made: HandMade, statuses: readonly number[]): Promise<void> {
  for (const status of statuses) {
    const attempt = made.sends(made.command(), "primary");
    await made.at(made.world.nowMs + 10);
    made.ends(attempt, "reply", status);
  }
}

const FIVE_FAIL = [200, 200, 200, 200, 200, 500, 500, 500, 500, 500];
const TEN_FAIL = FIVE_FAIL.map(() => 500);

/** Opens as it should, and lets its pause pass. */
async function afterPause(): Promise<HandMade> {
  const made = new HandMade(DRAFT, breaker);
  await answers(made, TEN_FAIL);
  moves(made, "closed", "open");
  await made.at(made.world.nowMs + 500);
  return made;
}

describe("[S8] [B1] a circuit opens", () => {
  test("where half of ten failed", async () => {
    const made = new HandMade(DRAFT, breaker);
    await answers(made, FIVE_FAIL);
    moves(made, "closed", "open");
    assert.deepEqual(made.violated, []);
  });

  test("below the floor of attempts", async () => {
    const made = new HandMade(DRAFT, breaker);
    await answers(made, TEN_FAIL.slice(1));
    moves(made, "closed", "open");
    assert.deepEqual(made.violated, ["breaker-trips-on-evidence"]);
  });

  test("below the rate", async () => {
    const made = new HandMade(DRAFT, breaker);
    await answers(made, [200, ...FIVE_FAIL]);
    moves(made, "closed", "open");
    assert.deepEqual(made.violated, ["breaker-trips-on-evidence"]);
  });

  test("on failures that have left the window", async () => {
    const made = new HandMade(DRAFT, breaker);
    await answers(made, TEN_FAIL.slice(1));
    // What is compared with another station counts up to two seconds later.
    await made.at(made.world.nowMs + 3_001);
    await answers(made, [500]);
    moves(made, "closed", "open");
    assert.deepEqual(made.violated, ["breaker-trips-on-evidence"]);
  });

  test("on attempts that their callers gave up, or that were refused for their epoch", async () => {
    const made = new HandMade(DRAFT, breaker);
    await answers(made, TEN_FAIL.slice(1));
    for (const outcome of ["aborted", "stale"] as const) made.ends(made.sends(made.command(), "primary"), outcome);
    moves(made, "closed", "open");
    assert.deepEqual(made.violated, ["breaker-trips-on-evidence"]);
  });

  test("with the attempt whose timeout is over in this step", async () => {
    const made = new HandMade(DRAFT, breaker);
    await answers(made, TEN_FAIL.slice(1));
    made.sends(made.command(), "primary");
    await made.at(made.world.nowMs + 200);
    moves(made, "closed", "open");
    assert.deepEqual(made.violated, []);
  });

  test("not at all, although all of eleven were lost; failing answers need not count", async () => {
    for (const [outcome, expected] of [
      ["lost", ["breaker-trips-when-due"]],
      ["reply", []],
    ] as const) {
      const made = new HandMade(DRAFT, breaker);
      for (let call = 0; call < 11; call++) made.ends(made.sends(made.command(), "primary"), outcome, 500);
      await made.at(made.world.nowMs + 1);
      made.tell("tick");
      assert.deepEqual(made.violated, expected);
    }
  });

  test("not at all, although eleven timed out; given up with the first of them, they would be in doubt", async () => {
    for (const [reason, expected] of [
      [new AttemptTimeoutError("too long"), ["breaker-trips-when-due"]],
      [new Error("its station was replaced"), []],
    ] as const) {
      const made = new HandMade(DRAFT, breaker);
      const signal = AbortSignal.abort(reason);
      const out = [500, ...TEN_FAIL].map(() => made.sends(made.command(), "primary", { signal }));
      await made.at(200);
      for (const attempt of out) made.ends(attempt, "aborted");
      await made.at(201);
      made.tell("tick");
      assert.deepEqual(made.violated, expected);
    }
  });

  test("on the late results of attempts from before it closed", async () => {
    const made = await afterPause();
    const late = TEN_FAIL.map(() => undefined);
    moves(made, "open", "half-open");
    await answers(made, [200]);
    moves(made, "half-open", "closed");
    const old = late.map(() => made.sends(made.command(), "backup"));
    for (const attempt of old) made.ends({ ...attempt, station: "primary" }, "lost");
    moves(made, "closed", "open");
    assert.deepEqual(made.violated, ["breaker-trips-on-evidence"]);
  });
});

describe("[S8] [B2] a circuit that was open", () => {
  test("closes after a probe, and counts anew", async () => {
    const made = await afterPause();
    moves(made, "open", "half-open");
    await answers(made, [200]);
    moves(made, "half-open", "closed");
    await answers(made, FIVE_FAIL);
    moves(made, "closed", "open");
    assert.deepEqual(made.violated, []);
  });

  test("opens again after a probe that failed", async () => {
    const made = await afterPause();
    moves(made, "open", "half-open");
    await answers(made, [500]);
    moves(made, "half-open", "open");
    assert.deepEqual(made.violated, []);
  });

  test("sends in its pause", async () => {
    const made = new HandMade(DRAFT, breaker);
    await answers(made, TEN_FAIL);
    moves(made, "closed", "open");
    made.sends(made.command(), "primary");
    assert.deepEqual(made.violated, ["breaker-probes-are-bounded"]);
  });

  test("ends its pause early", async () => {
    const made = new HandMade(DRAFT, breaker);
    await answers(made, TEN_FAIL);
    moves(made, "closed", "open");
    moves(made, "open", "half-open", made.world.nowMs + 499);
    assert.deepEqual(made.violated, ["breaker-probes-are-bounded"]);
  });

  test("sends two probes at once; one that was given up is no longer out", async () => {
    const made = await afterPause();
    moves(made, "open", "half-open");
    const givenUp = new AbortController();
    made.sends(made.command(), "primary", { signal: givenUp.signal });
    givenUp.abort();
    made.sends(made.command(), "primary");
    assert.deepEqual(made.violated, []);
    made.sends(made.command(), "primary");
    assert.deepEqual(made.violated, ["breaker-probes-are-bounded"]);
  });

  test("closes unproven, or opens again for nothing, or skips a state", async () => {
    for (const [from, to] of [
      ["half-open", "closed"],
      ["half-open", "open"],
      ["half-open", "half-open"],
      ["closed", "open"],
    ] as const) {
      const made = await afterPause();
      moves(made, "open", "half-open");
      moves(made, from, to);
      assert.ok(made.violated.includes("breaker-transitions-are-legal"), `${from} to ${to}`);
    }
  });
});
