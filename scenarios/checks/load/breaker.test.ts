/** The check of breakers: transitions without cause, causes without transition, and probes. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { BreakerState } from "ground-station-failover";
import { AttemptTimeoutError } from "ground-station-failover";
import type { Attempt, Command } from "../../fleet/observer.ts";
import { configurationOf } from "../../swarm/written.ts";
import { claimsUnfit } from "../claims-unfit.ts";
import { Scripted } from "../scripted.ts";
import { startGateway } from "../scripted-gateway.ts";
import { breaker } from "./breaker.ts";

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

function moves(made: Scripted, from: BreakerState, to: BreakerState, atMs = made.world.nowMs): void {
  const transition = { from, to, atMs, rule: "by hand" };
  made.tell("gatewayEvent", { type: "breaker", group: "atlantic", station: "primary", transition }, 1);
}

/** What is decided has been told by then. */
async function passes(made: Scripted): Promise<void> {
  await made.at(made.world.nowMs + 100);
  made.tell("tick");
}

async function answers(made: Scripted, statuses: readonly number[]): Promise<void> {
  for (const status of statuses) {
    const attempt = made.sends(made.command(), "primary");
    await made.at(made.world.nowMs + 10);
    if (status === LOST) made.ends(attempt, "lost");
    else made.ends(attempt, "reply", status);
  }
}

/** In place of a status: the connection was lost. */
const LOST = 0;
const FIVE_FAIL = [200, 200, 200, 200, 200, LOST, LOST, LOST, LOST, LOST];
const TEN_FAIL = FIVE_FAIL.map(() => LOST);

/** `primary` answers ten commands with 500, and `backup` each of them with `elsewhere`. */
async function compares(made: Scripted, elsewhere: number): Promise<void> {
  for (let time = 0; time < 10; time++) {
    const command = made.command();
    made.arrives(command);
    const attempt = made.sends(command, "primary");
    await made.at(made.world.nowMs + 10);
    made.ends(attempt, "reply", 500);
    made.ends(made.sends(command, "backup"), "reply", elsewhere);
  }
}

/** A command of one of several sources. */
function bySource(made: Scripted, source: number): Command {
  const { id } = made.command();
  return made.command({ id: `atlantic.${source}.${id}` });
}

/**
 * `primary` answers `command` with 500; it `isSentOn` to `backup` at once or not, which answers
 * with `status`, or is yet to.
 */
async function failsFirst(
  made: Scripted,
  command: Command,
  isSentOn: boolean,
  status?: number,
): Promise<Attempt | undefined> {
  made.arrives(command);
  const attempt = made.sends(command, "primary");
  await made.at(made.world.nowMs + 10);
  made.ends(attempt, "reply", 500);
  if (!isSentOn) return undefined;
  const elsewhere = made.sends(command, "backup");
  if (status !== undefined) made.ends(elsewhere, "reply", status);
  return elsewhere;
}

/** Opens as it should, and lets its pause pass. */
async function afterPause(): Promise<Scripted> {
  const made = new Scripted(DRAFT, breaker);
  await answers(made, TEN_FAIL);
  moves(made, "closed", "open");
  await made.at(made.world.nowMs + 500);
  return made;
}

describe("[B1] a circuit opens", () => {
  test("where half of ten failed", async () => {
    const made = new Scripted(DRAFT, breaker);
    await answers(made, FIVE_FAIL);
    moves(made, "closed", "open");
    assert.deepEqual(made.violated, []);
  });

  test("below the floor of attempts", async () => {
    const made = new Scripted(DRAFT, breaker);
    await answers(made, TEN_FAIL.slice(1));
    moves(made, "closed", "open");
    assert.deepEqual(made.violated, ["breaker-trips-on-evidence"]);
  });

  test("below the rate", async () => {
    const made = new Scripted(DRAFT, breaker);
    await answers(made, [200, ...FIVE_FAIL]);
    moves(made, "closed", "open");
    assert.deepEqual(made.violated, ["breaker-trips-on-evidence"]);
  });

  test("on failures that have left the window", async () => {
    const made = new Scripted(DRAFT, breaker);
    await answers(made, TEN_FAIL.slice(1));
    await made.at(made.world.nowMs + 1_001);
    await answers(made, [LOST]);
    moves(made, "closed", "open");
    assert.deepEqual(made.violated, ["breaker-trips-on-evidence"]);
  });

  test("on attempts that their callers gave up, or that were refused for their epoch", async () => {
    const made = new Scripted(DRAFT, breaker);
    await answers(made, TEN_FAIL.slice(1));
    for (const outcome of ["aborted", "stale"] as const) made.ends(made.sends(made.command(), "primary"), outcome);
    moves(made, "closed", "open");
    assert.deepEqual(made.violated, ["breaker-trips-on-evidence"]);
  });

  test("with the attempt whose timeout is over in this step", async () => {
    const made = new Scripted(DRAFT, breaker);
    await answers(made, TEN_FAIL.slice(1));
    made.sends(made.command(), "primary", { signal: AbortSignal.abort(new AttemptTimeoutError("too long")) });
    await made.at(made.world.nowMs + 200);
    moves(made, "closed", "open");
    assert.deepEqual(made.violated, []);
  });

  test("on commands that another station served after it failed them, and only on those", async () => {
    for (const [elsewhere, found] of [
      [200, []],
      [500, ["breaker-trips-on-evidence"]],
    ] as const) {
      const made = new Scripted(DRAFT, breaker);
      made.starts();
      await compares(made, elsewhere);
      moves(made, "closed", "open");
      assert.deepEqual(made.violated, found, `served elsewhere with ${elsewhere}`);
    }
  });

  test("not at all, although another station served all that it failed", async () => {
    const made = new Scripted(DRAFT, breaker);
    made.starts();
    await compares(made, 200);
    await made.at(made.world.nowMs + 1);
    made.tell("tick");
    assert.deepEqual(made.violated, ["breaker-trips-when-due"]);
  });

  test("on what another station served while the second attempt of it here was out, or not at all", async () => {
    for (const isOpened of [true, false]) {
      const made = new Scripted(DRAFT, breaker);
      made.starts();
      for (let time = 0; time < 10; time++) {
        const command = made.command();
        await failsFirst(made, command, false);
        const again = made.sends(command, "primary");
        made.ends(made.sends(command, "backup"), "reply", 200);
        made.ends(again, "aborted");
      }
      if (isOpened) moves(made, "closed", "open");
      await passes(made);
      assert.deepEqual(made.violated, []);
    }
  });

  test("not at all, although another station served at once what several sources were refused here", async () => {
    const made = new Scripted(DRAFT, breaker);
    made.starts();
    await answers(made, [200, 200, 200, 200]);
    for (let time = 0; time < 10; time++) await failsFirst(made, bySource(made, time % 2), true, 200);
    await passes(made);
    assert.deepEqual(made.violated, ["breaker-trips-when-due"]);
  });

  test("on nine or ten attempts, and a failure from before its station was heard again, which never counts", async () => {
    for (const isSentOn of [false, true])
      for (const [after, found] of [
        [[200], []],
        [[], ["breaker-trips-on-evidence"]],
      ] as const) {
        const made = new Scripted(DRAFT, breaker);
        made.starts();
        await failsFirst(made, bySource(made, 1), false);
        const command = bySource(made, 2);
        const served = await failsFirst(made, command, isSentOn);
        for (const to of ["down", "alive"] as const) made.declared("primary", to === "down" ? "alive" : "down", to);
        await answers(made, [200, 200, 200, 200, LOST, LOST, LOST, LOST, LOST]);
        made.ends(served ?? made.sends(command, "backup"), "reply", 200);
        await answers(made, after);
        moves(made, "closed", "open");
        assert.deepEqual(made.violated, found, isSentOn ? "sent on at once" : "not sent on");
      }
  });

  test("on ten attempts, of which one was sent before its station was heard again", async () => {
    for (const [isSentBefore, found] of [
      [false, []],
      [true, ["breaker-trips-on-evidence"]],
    ] as const) {
      const made = new Scripted(DRAFT, breaker);
      const before = isSentBefore ? made.sends(made.command(), "primary") : undefined;
      await made.at(made.world.nowMs + 10);
      for (const to of ["down", "alive"] as const) made.declared("primary", to === "down" ? "alive" : "down", to);
      const late = before ?? made.sends(made.command(), "primary");
      await answers(made, FIVE_FAIL.slice(1));
      made.ends(late, "lost");
      moves(made, "closed", "open");
      assert.deepEqual(made.violated, found, isSentBefore ? "sent before" : "sent after");
    }
  });

  test("on refused connections, refusals for load, or failures that were not compared", async () => {
    for (const status of [500, 503]) {
      const made = new Scripted(DRAFT, breaker);
      await answers(
        made,
        TEN_FAIL.map(() => status),
      );
      for (const _ of TEN_FAIL) made.ends(made.sends(made.command(), "primary"), "never-sent");
      moves(made, "closed", "open");
      assert.deepEqual(made.violated, ["breaker-trips-on-evidence"], `${status}`);
    }
  });

  test("not at all, although all of eleven failed", async () => {
    const made = new Scripted(DRAFT, breaker);
    await answers(made, [200, LOST, ...TEN_FAIL]);
    await made.at(made.world.nowMs + 1);
    made.tell("tick");
    assert.deepEqual(made.violated, ["breaker-trips-when-due"]);
  });

  test("not at all, although eleven timed out; of a kind that was never answered, or given up for another reason, they need not count", async () => {
    for (const [isKnown, reason, expected] of [
      [true, new AttemptTimeoutError("too long"), ["breaker-trips-when-due"]],
      [false, new AttemptTimeoutError("too long"), []],
      [true, new Error("its station was replaced"), []],
    ] as const) {
      const made = new Scripted(DRAFT, breaker);
      if (isKnown) await answers(made, [200]);
      const signal = AbortSignal.abort(reason);
      const out = [LOST, ...TEN_FAIL].map(() => made.sends(made.command(), "primary", { signal }));
      await made.at(300);
      for (const attempt of out) made.ends(attempt, "aborted");
      await made.at(301);
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

describe("[B2] a circuit that was open", () => {
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
    const made = new Scripted(DRAFT, breaker);
    await answers(made, TEN_FAIL);
    moves(made, "closed", "open");
    made.sends(made.command(), "primary");
    await passes(made);
    assert.deepEqual(made.violated, ["breaker-probes-are-bounded"]);
  });

  test("sends in its pause, and says that nobody is eligible, or that it has closed", async () => {
    for (const told of ["no-eligible-station", "closed"]) {
      const made = new Scripted(DRAFT, breaker);
      await answers(made, TEN_FAIL);
      moves(made, "closed", "open");
      made.tell(
        "gatewayEvent",
        { type: "declaration", group: "atlantic", node: "primary", from: "down", to: "alive" } as never,
        1,
      );
      made.sends(made.command(), "primary");
      if (told === "closed") moves(made, "open", "closed");
      else
        made.tell("gatewayEvent", { type: "no-eligible-station", group: "atlantic", station: "primary" } as never, 1);
      await passes(made);
      assert.deepEqual(made.violated, [], told);
    }
  });

  test("ends its pause early", async () => {
    const made = new Scripted(DRAFT, breaker);
    await answers(made, TEN_FAIL);
    moves(made, "closed", "open");
    moves(made, "open", "half-open", made.world.nowMs + 499);
    assert.deepEqual(made.violated, ["breaker-probes-are-bounded"]);
  });

  test("ends its pause early, because what was sent past it was served", async () => {
    for (const [served, found] of [
      [9, []],
      [4, ["breaker-probes-are-bounded"]],
    ] as const) {
      const made = new Scripted(DRAFT, breaker);
      await answers(made, TEN_FAIL);
      moves(made, "closed", "open");
      made.tell("gatewayEvent", { type: "no-eligible-station", group: "atlantic", station: "primary" } as never, 1);
      await answers(made, [...Array<number>(10 - served).fill(LOST), ...Array<number>(served).fill(200)]);
      moves(made, "open", "half-open");
      await passes(made);
      assert.deepEqual(made.violated, found);
    }
  });

  test("sends two probes at once; one that was given up is no longer out", async () => {
    const made = await afterPause();
    moves(made, "open", "half-open");
    const givenUp = new AbortController();
    made.sends(made.command(), "primary", { signal: givenUp.signal });
    givenUp.abort();
    made.sends(made.command(), "primary");
    await passes(made);
    assert.deepEqual(made.violated, []);
    made.sends(made.command(), "primary");
    await passes(made);
    assert.deepEqual(made.violated, ["breaker-probes-are-bounded"]);
  });

  test("opens again once its probe has been out for as long as it stays open", async () => {
    for (const [afterMs, wrong] of [
      [499, ["breaker-transitions-are-legal"]],
      [500, []],
    ] as const) {
      const made = await afterPause();
      moves(made, "open", "half-open");
      made.sends(made.command(), "primary");
      await made.at(made.world.nowMs + afterMs);
      moves(made, "half-open", "open");
      assert.deepEqual(made.violated, wrong);
    }
  });

  test("opens again because its station was declared down while a probe was out", async () => {
    for (const to of ["suspected", "down"] as const) {
      const made = await afterPause();
      moves(made, "open", "half-open");
      made.sends(made.command(), "primary");
      made.tell(
        "gatewayEvent",
        { type: "declaration", group: "atlantic", node: "primary", from: "alive", to } as never,
        1,
      );
      moves(made, "half-open", "open");
      assert.deepEqual(made.violated, to === "down" ? [] : ["breaker-transitions-are-legal"], to);
    }
  });

  test("lets all through, because by its gateway's own word no other station is eligible", async () => {
    for (const eligible of [true, false]) {
      const made = new Scripted(DRAFT, breaker);
      const process = startGateway(made);
      await answers(made, TEN_FAIL);
      moves(made, "closed", "open");
      const atlantic = { status: { stations: [{ name: "backup", assessment: { eligible } }] } };
      made.fleet.gateway = { ...process, gateway: { groups: new Map([["atlantic", atlantic]]) } as never };
      made.sends(made.command(), "primary");
      await passes(made);
      assert.deepEqual(made.violated, eligible ? ["breaker-probes-are-bounded"] : []);
    }
  });

  test("lets all through, and its gateway calls the other station ineligible → an excuse only where something failed there", async () => {
    for (const hasFailed of [true, false]) {
      const made = new Scripted(DRAFT, breaker);
      startGateway(made);
      claimsUnfit(made.fleet);
      made.declared("backup", "suspected", "alive");
      if (hasFailed) made.ends(made.sends(made.command(), "backup"), "reply", 500);
      await answers(made, TEN_FAIL);
      moves(made, "closed", "open");
      made.sends(made.command(), "primary");
      await passes(made);
      assert.deepEqual(made.violated, hasFailed ? [] : ["breaker-probes-are-bounded"], `failed: ${hasFailed}`);
    }
  });

  test("nobody was eligible, and its gateway calls the active station ineligible ever after → over once that is heard, and nothing failed", async () => {
    for (const isHeard of [true, false]) {
      const made = new Scripted(DRAFT, breaker);
      startGateway(made);
      claimsUnfit(made.fleet);
      made.tell("gatewayEvent", { type: "no-eligible-station", group: "atlantic", station: "primary" } as never, 1);
      if (isHeard) made.declared("primary", "suspected", "alive");
      made.tell("tick");
      await answers(made, TEN_FAIL);
      made.declared("backup", "suspected", "alive");
      moves(made, "closed", "open");
      made.sends(made.command(), "primary");
      await passes(made);
      assert.deepEqual(made.violated, isHeard ? ["breaker-probes-are-bounded"] : [], `heard: ${isHeard}`);
    }
  });

  test("is still said to be open when its open duration is over → violated", async () => {
    for (const [afterMs, found] of [
      [400, []],
      [600, ["breaker-pause-ends"]],
    ] as const) {
      const made = new Scripted(DRAFT, breaker);
      const process = startGateway(made);
      await answers(made, TEN_FAIL);
      moves(made, "closed", "open");
      const atlantic = { status: { stations: [{ name: "primary", breaker: { state: "open" } }] } };
      made.fleet.gateway = { ...process, gateway: { groups: new Map([["atlantic", atlantic]]) } as never };
      await made.at(made.world.nowMs + afterMs);
      made.tell("tick");
      assert.deepEqual(made.violated, found);
    }
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

test("[B2] what was sent in the instant in which the circuit closed may have counted or not, and what was sent later has", async () => {
  for (const [laterMs, found] of [
    [0, []],
    [1, ["breaker-trips-on-evidence"]],
  ] as const) {
    const made = new Scripted(DRAFT, breaker);
    await answers(made, TEN_FAIL);
    moves(made, "closed", "open");
    await made.at(made.world.nowMs + 500);
    moves(made, "open", "half-open");
    const probe = made.sends(made.command(), "primary");
    await made.at(made.world.nowMs + 10);
    const send = (): Attempt[] => Array.from({ length: 4 }, () => made.sends(made.command(), "primary"));
    const early = laterMs === 0 ? send() : [];
    made.ends(probe, "reply", 200);
    moves(made, "half-open", "closed");
    await made.at(made.world.nowMs + laterMs);
    const sent = laterMs === 0 ? early : send();
    await made.at(made.world.nowMs + 10);
    for (const attempt of sent) made.ends(attempt, "reply", 200);
    await answers(made, FIVE_FAIL);
    moves(made, "closed", "open");
    await passes(made);
    assert.deepEqual(made.violated, found);
  }
});
