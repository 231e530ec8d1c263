/** Who is admitted: the true station, at once and after every restart; never a recording of it. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { StationBeat } from "./heartbeat-sessions.ts";
import { HeartbeatSessions } from "./heartbeat-sessions.ts";

function sessions(): HeartbeatSessions {
  let count = 0;
  return new HeartbeatSessions(["atlantic/north", "atlantic/south"], () => `c${++count}`);
}

function beat(session: string, challenge: string, sequence: number, station = "north"): StationBeat {
  return { group: "atlantic", station, session, challenge, sequence, sentAtMs: sequence * 50, epochSeen: 0 };
}

describe("[G6] heartbeat sessions", () => {
  test("a session counts once it has answered its challenge, and then while its sequence rises", () => {
    const at = sessions();
    assert.deepEqual(at.admit(beat("s1", "", 1), 0), { type: "challenge", challenge: "c1" });
    const first = at.admit(beat("s1", "c1", 2), 1);
    assert.deepEqual(first, { type: "beat", beat: { sequence: 2, sentAtMs: 100, incarnation: 1 } });
    assert.deepEqual(at.admit(beat("s1", "c1", 2), 2), { type: "replay" });
    assert.deepEqual(at.admit(beat("s1", "c1", 1), 3), { type: "replay" });
    assert.equal(at.admit(beat("s1", "c1", 9), 4)?.type, "beat");
  });

  test("a session without name or challenge is challenged like any other", () => {
    assert.equal(sessions().admit(beat("", "", 1), 0)?.type, "challenge");
  });

  test("a wrong challenge is none", () => {
    const at = sessions();
    at.admit(beat("s1", "", 1), 0);
    assert.equal(at.admit(beat("s1", "guess", 2), 1)?.type, "replay");
    assert.equal(at.admit(beat("s1", "guess", 3), 100)?.type, "challenge");
  });

  test("a station that lost the challenge gets the same again, not more often than every 20 ms", () => {
    const at = sessions();
    at.admit(beat("s1", "", 1), 0);
    assert.deepEqual(at.admit(beat("s1", "", 2), 19), { type: "replay" });
    assert.deepEqual(at.admit(beat("s1", "", 3), 20), { type: "challenge", challenge: "c1" });
    assert.deepEqual(at.admit(beat("s1", "", 4), 39), { type: "replay" });
  });

  test("a restart is a new incarnation, and its predecessor's recorded beats are worth nothing", () => {
    const at = sessions();
    at.admit(beat("s1", "", 1), 0);
    at.admit(beat("s1", "c1", 2), 1);
    at.admit(beat("s2", "", 1), 100);
    const second = at.admit(beat("s2", "c2", 2), 101);
    assert.ok(second?.type === "beat" && second.beat.incarnation === 2);
    for (let sequence = 1; sequence < 5; sequence++) {
      assert.notEqual(at.admit(beat("s1", "c1", sequence), 200 + sequence * 100)?.type, "beat");
    }
    assert.equal(at.admit(beat("s2", "c2", 3), 700)?.type, "beat", "the running session is not disturbed");
  });

  test("recordings played without pause cannot keep the true station from joining", () => {
    const at = sessions();
    let nowMs = 0;
    for (let round = 0; round < 20; round++) {
      for (let old = 0; old < 5; old++) at.admit(beat(`old${old}`, "", 1), nowMs++);
      const told = at.admit(beat("true", "", round), nowMs++);
      if (told?.type !== "challenge") continue;
      for (let old = 0; old < 5; old++) at.admit(beat(`old${old}`, "", 1), nowMs++);
      assert.equal(at.admit(beat("true", told.challenge, round + 1), nowMs)?.type, "beat");
      return;
    }
    assert.fail("it was never challenged");
  });

  test("a gateway that begins anew challenges a station that answered its predecessor", () => {
    const at = sessions();
    assert.equal(at.admit(beat("s1", "of the old gateway", 4_711), 0)?.type, "challenge");
    assert.equal(at.admit(beat("s1", "c1", 4_712), 1)?.type, "beat");
  });

  test("stations do not mix, and one that is not configured is unknown", () => {
    const at = sessions();
    at.admit(beat("s1", "", 1), 0);
    assert.equal(at.admit(beat("s1", "c1", 2, "south"), 1)?.type, "challenge");
    assert.equal(at.admit(beat("s1", "", 1, "west"), 1), undefined);
  });
});
