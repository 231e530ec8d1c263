/**
 * What a station sends, when, and which challenge it answers: its own gateway's, never a recording
 * of one.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { VirtualClock } from "ground-station-failover/sim";
import type { StationBeat } from "./heartbeat-sessions.ts";
import { HeartbeatSessions } from "./heartbeat-sessions.ts";
import { StationHeartbeats } from "./station-heartbeats.ts";

const NORTH = { group: "atlantic", station: "north", session: "s1" };

function heartbeats(intervalMs = 50): StationHeartbeats {
  return new StationHeartbeats({ ...NORTH, intervalMs });
}

function challenge(text: string, sequence: number): typeof NORTH & { challenge: string; sequence: number } {
  return { ...NORTH, challenge: text, sequence };
}

describe("[G6] what a station's heartbeats say", () => {
  test("who it is, which session, when on its own clock, and the newest epoch it has seen; the sequence rises by one", () => {
    const own = heartbeats();
    assert.deepEqual(own.next(3, 1_000), { ...NORTH, challenge: "", sequence: 1, sentAtMs: 1_000, epochSeen: 3 });
    assert.deepEqual(own.next(4, 1_050), { ...NORTH, challenge: "", sequence: 2, sentAtMs: 1_050, epochSeen: 4 });
  });

  test("a challenge is to be answered at once, and every later beat carries it", () => {
    const own = heartbeats();
    own.next(0, 0);
    assert.equal(own.noteChallenge(challenge("c1", 1)), true);
    assert.deepEqual([own.next(0, 1), own.next(0, 50)].map(carried), ["c1", "c1"]);
  });

  test("a challenge of another station, group or session is not ours", () => {
    const own = heartbeats();
    own.next(0, 0);
    for (const other of [{ station: "south" }, { group: "pacific" }, { session: "s0" }]) {
      assert.equal(own.noteChallenge({ ...challenge("c1", 1), ...other }), false, JSON.stringify(other));
    }
    assert.equal(carried(own.next(0, 50)), "");
  });

  test("a challenge is taken once: played again, or made for a beat of before, it does not replace a newer one", () => {
    const own = heartbeats();
    for (let beat = 0; beat < 3; beat++) own.next(0, beat);
    assert.equal(own.noteChallenge(challenge("c1", 2)), true);
    for (const sequence of [1, 2, 3]) {
      assert.equal(own.noteChallenge(challenge("old", sequence)), false, `to beat ${sequence}`);
    }
    assert.equal(carried(own.next(0, 3)), "c1");
    assert.equal(own.noteChallenge(challenge("c2", 4)), true, "a gateway that began anew challenges a newer beat");
    assert.equal(carried(own.next(0, 4)), "c2");
  });

  test("a challenge to a beat that was never sent is invented", () => {
    const own = heartbeats();
    own.next(0, 0);
    assert.equal(own.noteChallenge(challenge("c1", 2)), false);
    assert.equal(carried(own.next(0, 50)), "");
  });

  test("with the gateway's side it joins in three messages, and joins again when the gateway begins anew", () => {
    const own = heartbeats();
    let nowMs = 0;
    for (let gateway = 0; gateway < 2; gateway++) {
      const at = new HeartbeatSessions([["atlantic/north", 50]], () => `challenge of gateway ${gateway}`);
      const opening = own.next(0, ++nowMs);
      const told = at.admit(opening, nowMs);
      assert.ok(told?.type === "challenge");
      assert.equal(own.noteChallenge({ ...opening, challenge: told.challenge }), true);
      assert.equal(at.admit(own.next(0, ++nowMs), nowMs)?.type, "beat");
    }
  });
});

describe("the grid on which a station beats", () => {
  test("a tick that is served late does not move those after it", () => {
    const own = heartbeats();
    assert.equal(own.nextTickMs(1_000, 1_000), 1_050);
    assert.equal(own.nextTickMs(1_000, 1_049), 1_050);
    assert.equal(own.nextTickMs(1_000, 999), 1_050, "a timer that fires early does not beat twice for one tick");
  });

  test("ticks that a stall has swallowed are skipped", () => {
    const own = heartbeats();
    assert.equal(own.nextTickMs(1_000, 1_050), 1_100);
    assert.equal(own.nextTickMs(1_000, 1_349), 1_350);
    assert.equal(own.nextTickMs(1_000, 61_000), 61_050);
  });

  test("a minute of it is twenty beats a second, all on the grid, and a stall leaves a gap instead of a burst", async () => {
    const clock = new VirtualClock();
    const own = heartbeats();
    const instants: number[] = [];
    let stalledUntilMs = 0;
    const tick = (dueMs: number): void => {
      const nowMs = Math.max(clock.nowMs(), stalledUntilMs);
      instants.push(own.next(0, nowMs).sentAtMs);
      const nextMs = own.nextTickMs(dueMs, nowMs);
      clock.at(nextMs, () => tick(nextMs));
    };
    tick(0);
    await clock.advanceTo(30_000);
    stalledUntilMs = 30_420;
    await clock.advanceTo(59_999);
    // 1,200 ticks in a minute; the one due at 30,050 was served at 30,420, and the seven up to
    // 30,400 were swallowed.
    assert.equal(instants.length, 1_200 - 7);
    assert.deepEqual(
      instants.filter((instant) => instant % 50 !== 0),
      [30_420],
    );
  });

  test("an interval that is none is refused with its value", () => {
    for (const none of [0, -50, Number.NaN, Number.POSITIVE_INFINITY]) {
      assert.throws(() => heartbeats(none), new RegExp(`intervalMs is ${none}`));
    }
  });
});

function carried(beat: StationBeat): string {
  return beat.challenge;
}
