/**
 * The checks of detection: of declarations, of levels, and of a gateway that stood still itself.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { GATEWAY } from "../../fleet/plan.ts";
import { configurationOf } from "../../swarm/written.ts";
import { Scripted } from "../scripted.ts";
import { startGateway } from "../scripted-gateway.ts";
import { abstention } from "./abstention.ts";
import { detector } from "./detector.ts";
import type { Liveness } from "./silence.ts";

/** Level 8 takes 5.61 deviations of 20 ms, 112.24 ms; level 5 takes 85.3 ms. */
const DRAFT = {
  configuration: configurationOf([
    {
      name: "atlantic",
      detector: {
        model: "normal",
        minDeviation: 20,
        ceiling: 1_000,
        sustain: 100,
        minDwell: 500,
        gracePeriod: 2_000,
      },
    },
  ]),
};

function declares(made: Scripted, from: Liveness, to: Liveness): void {
  const atMs = made.world.nowMs;
  const level = { unknown: 0, alive: 0.3, suspected: 6, down: 8.5 }[to];
  const numbers = { level, silentForMs: 0, rule: "by hand", evidence: [] };
  made.tell("gatewayEvent", { type: "declaration", group: "atlantic", node: "primary", from, to, atMs, ...numbers }, 1);
}

function beats(made: Scripted, sequence: number, session = "one"): void {
  const beat = { group: "atlantic", station: "primary", session, challenge: "c", sequence, sentAtMs: 0, epochSeen: 0 };
  made.tell("beatCounted", "atlantic", "primary", beat);
}

/** Heard at once, alive. */
function heard(): Scripted {
  const made = new Scripted(DRAFT, detector);
  startGateway(made);
  beats(made, 1);
  declares(made, "unknown", "alive");
  return made;
}

describe("[D6] declarations", () => {
  test("after silence that held, and cleared after the dwell by a beat", async () => {
    const made = await heard().at(90);
    declares(made, "alive", "suspected");
    await made.at(213);
    declares(made, "suspected", "down");
    await made.at(600);
    beats(made, 2);
    await made.at(713);
    declares(made, "down", "alive");
    assert.deepEqual(made.violated, []);
  });

  for (const [atMs, to, invariant] of [
    [80, "suspected", "declaration-after-silence"],
    [110, "down", "declaration-after-silence"],
    [200, "down", "declaration-is-sustained"],
  ] as const) {
    test(`${to} after ${atMs} ms of silence is too soon`, async () => {
      const made = await heard().at(atMs);
      declares(made, "alive", to);
      assert.deepEqual(made.violated, [invariant]);
    });
  }

  test("from what it was not, or to what cannot follow", () => {
    for (const [from, to] of [
      ["suspected", "alive"],
      ["alive", "unknown"],
      ["alive", "alive"],
    ] as const) {
      const made = heard();
      declares(made, from, to);
      assert.deepEqual(made.violated, ["declarations-alternate"]);
    }
  });

  test("cleared before the dwell is over, or without a beat; the second dwell is twice as long", async () => {
    const down = async (): Promise<Scripted> => {
      const made = await heard().at(300);
      declares(made, "alive", "down");
      return made;
    };
    const soon = await (await down()).at(700);
    beats(soon, 2);
    declares(soon, "down", "alive");
    assert.deepEqual(soon.violated, ["declarations-dwell"]);
    const unheard = await (await down()).at(900);
    declares(unheard, "down", "alive");
    assert.deepEqual(unheard.violated, ["declaration-after-silence"]);
    const twice = await (await down()).at(900);
    beats(twice, 2);
    declares(twice, "down", "alive");
    await twice.at(1_200);
    declares(twice, "alive", "down");
    await twice.at(2_100);
    beats(twice, 3);
    declares(twice, "down", "alive");
    assert.deepEqual(twice.violated, ["declarations-dwell"]);
  });

  test("a station never heard from is given its grace period", async () => {
    const made = new Scripted(DRAFT, detector);
    startGateway(made);
    await made.at(1_900);
    declares(made, "unknown", "down");
    assert.deepEqual(made.violated, ["declaration-after-silence"]);
  });

  test("silence past ceiling and sustain must be declared, unless the gateway stands still", async () => {
    const made = await heard().at(1_590);
    made.tell("tick");
    assert.deepEqual(made.violated, []);
    const stopped = await heard().at(1_000);
    stopped.world.nodeOf(GATEWAY).pause(5_000);
    await stopped.at(2_000);
    stopped.tell("tick");
    assert.deepEqual(stopped.violated, []);
    await made.at(1_610);
    made.tell("tick");
    assert.deepEqual(made.violated, ["silence-is-declared"]);
  });

  test("who was declared down is not promoted unheard", async () => {
    const promotes = (made: Scripted): void => made.promoted("primary", "backup", "failure");
    const made = await heard().at(300);
    declares(made, "alive", "down");
    beats(made, 2);
    promotes(made);
    assert.deepEqual(made.violated, []);
    const unheard = await heard().at(300);
    declares(unheard, "alive", "down");
    promotes(unheard);
    assert.deepEqual(unheard.violated, ["silent-is-not-promoted"]);
  });
});

test("[D5] beats that were counted, or of a session that is over, count no more", () => {
  const counted = (...told: readonly (readonly [sequence: number, session: string])[]): string[] => {
    const made = new Scripted(DRAFT, detector);
    startGateway(made);
    for (const [sequence, session] of told) beats(made, sequence, session);
    return made.violated;
  };
  assert.deepEqual(counted([1, "one"], [3, "one"], [1, "two"]), []);
  assert.deepEqual(counted([3, "one"], [3, "one"]), ["old-beats-prove-nothing"]);
  assert.deepEqual(counted([3, "one"], [1, "two"], [4, "one"]), ["old-beats-prove-nothing"]);
});

describe("[D1] levels", () => {
  test("never heard from is beyond measure; a beat that only the check heard is missed", () => {
    const made = new Scripted(DRAFT, detector);
    startGateway(made);
    made.tell("tick");
    assert.deepEqual(made.violated, []);
    const deaf = heard();
    deaf.tell("tick");
    assert.deepEqual(deaf.violated, ["suspicion-follows-silence"]);
  });

  test("a level that falls, and nothing was heard", async () => {
    const made = new Scripted(DRAFT, detector);
    const { gateway } = startGateway(made);
    const reallyBeats = (): unknown => gateway.groups.get("atlantic")?.noteHeartbeat("primary", {}, 0);
    reallyBeats();
    beats(made, 1);
    await made.at(90);
    made.tell("tick");
    reallyBeats();
    await made.at(91);
    made.tell("tick");
    assert.deepEqual(made.violated, ["suspicion-is-a-number"]);
  });
});

describe("[D7] a gateway that stood still", () => {
  const abstains = (made: Scripted, untilMs: number): void => {
    made.tell(
      "gatewayEvent",
      {
        type: "abstention",
        reason: "observer-stall",
        group: "atlantic",
        atMs: made.world.nowMs,
        lateByMs: 60,
        untilMs,
      },
      1,
    );
  };
  const stalled = async (): Promise<Scripted> => {
    const faults = [{ kind: "pause", node: GATEWAY, atMs: 0, forMs: 950 }] as const;
    const made = new Scripted({ ...DRAFT, faults }, abstention);
    startGateway(made);
    made.world.nodeOf(GATEWAY).pause(950);
    for (let atMs = 0; atMs < 950; atMs += 100) {
      await made.at(atMs);
      made.tell("tick");
    }
    return made.at(950);
  };

  test("abstains before it accuses, and for as long as it said", async () => {
    const made = await stalled();
    abstains(made, 1_000);
    await made.at(1_000);
    declares(made, "alive", "down");
    assert.deepEqual(made.violated, []);
  });

  test("accuses at once", async () => {
    const made = await stalled();
    declares(made, "alive", "down");
    assert.deepEqual(made.violated, ["abstains-after-a-stall"]);
  });

  test("accuses while it abstains", async () => {
    const made = await stalled();
    abstains(made, 1_000);
    declares(made, "alive", "suspected");
    assert.deepEqual(made.violated, ["abstention-is-kept"]);
  });

  test("abstains for one interval of the heartbeats → fine; for longer → violated", async () => {
    const made = await stalled();
    abstains(made, 1_000);
    assert.deepEqual(made.violated, []);
    abstains(made, 1_001);
    assert.deepEqual(made.violated, ["abstention-is-short"]);
  });

  test("where heartbeats are pulled, an answer may take longer than the interval → so may it abstain", async () => {
    const heartbeat = { kind: "http", path: "/health", interval: 100, timeout: 400 } as const;
    const configuration = configurationOf([{ name: "atlantic", heartbeat }]);
    const faults = [{ kind: "pause", node: GATEWAY, atMs: 0, forMs: 950 }] as const;
    for (const [forMs, found] of [
      [400, []],
      [401, ["abstention-is-short"]],
    ] as const) {
      const made = await new Scripted({ configuration, faults }, abstention).at(950);
      abstains(made, 950 + forMs);
      assert.deepEqual(made.violated, found);
    }
  });

  test("abstains although nothing stopped or slowed it → violated", async () => {
    const made = await new Scripted(DRAFT, abstention).at(1_000);
    abstains(made, 1_050);
    assert.deepEqual(made.violated, ["abstains-with-reason"]);
  });
});
