/** Who is admitted: the true station, at once and after every restart; never a recording of it. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { BeatAdmission, StationBeat } from "./heartbeat-sessions.ts";
import { HeartbeatSessions } from "./heartbeat-sessions.ts";

const INTERVAL_MS = 50;

function sessions(key = "k", intervalMs = INTERVAL_MS): HeartbeatSessions {
  const stations = ["atlantic/north", "atlantic/south"].map((name) => [name, intervalMs] as const);
  return new HeartbeatSessions(stations, (subject) => `${key}(${subject})`);
}

/** Has `session` answer the challenge that it is due, and says what became of its answer. */
function join(at: HeartbeatSessions, session: string, sequence: number, nowMs: number, from = session): BeatAdmission {
  const asked = at.admit(beat(session, "", sequence), nowMs, from);
  assert.ok(asked?.type === "challenge");
  return at.admit(beat(session, asked.challenge, sequence + 1), nowMs, from) as BeatAdmission;
}

function beat(session: string, challenge: string, sequence: number, station = "north"): StationBeat {
  return { group: "atlantic", station, session, challenge, sequence, sentAtMs: sequence * 50, epochSeen: 0 };
}

describe("[G6] heartbeat sessions", () => {
  test("a session counts once it has answered its challenge, and then while its sequence rises", () => {
    const at = sessions();
    const challenge = "k(0 atlantic/north s1)";
    assert.deepEqual(at.admit(beat("s1", "", 1), 0), { type: "challenge", challenge });
    const first = at.admit(beat("s1", challenge, 2), 1);
    assert.deepEqual(first, { type: "beat", beat: { sequence: 2, sentAtMs: 100, incarnation: 1 } });
    assert.deepEqual(at.admit(beat("s1", challenge, 2), 2), { type: "replay" });
    assert.deepEqual(at.admit(beat("s1", challenge, 1), 3), { type: "replay" });
    assert.equal(at.admit(beat("s1", challenge, 9), 4)?.type, "beat");
  });

  test("a session without name or challenge is challenged like any other", () => {
    assert.equal(sessions().admit(beat("", "", 1), 0)?.type, "challenge");
  });

  test("a wrong challenge is none", () => {
    const at = sessions();
    at.admit(beat("s1", "", 1), 0);
    assert.equal(at.admit(beat("s1", "guess", 2), 1)?.type, "challenge");
    assert.equal(at.admit(beat("s1", "k(0 atlantic/north s2)", 3), 2)?.type, "challenge", "of another session");
    assert.equal(at.admit(beat("s1", "k(0 atlantic/south s1)", 4), 3)?.type, "challenge", "of another station");
  });

  test("a station that lost the challenge gets the same again, at once", () => {
    const at = sessions();
    const first = at.admit(beat("s1", "", 1), 0);
    assert.deepEqual(at.admit(beat("s1", "", 2), 0), first);
  });

  test("a restart is a new incarnation, and its predecessor's recorded beats are worth nothing", () => {
    const at = sessions();
    join(at, "s1", 1, 0);
    const second = join(at, "s2", 1, 100);
    assert.ok(second.type === "beat" && second.beat.incarnation === 2);
    for (let sequence = 1; sequence < 500; sequence++) {
      const old = at.admit(beat("s1", "k(0 atlantic/north s1)", sequence), 200 + sequence);
      assert.equal(old?.type, "challenge", "which nobody is there to answer");
    }
    assert.equal(at.admit(beat("s2", "k(1 atlantic/north s2)", 3), 700)?.type, "beat", "it is not disturbed");
  });

  test("a challenge that was not answered in time is worth nothing once another session was accepted", () => {
    const at = sessions();
    const late = at.admit(beat("s1", "", 1), 0);
    assert.ok(late?.type === "challenge");
    join(at, "s2", 1, 10);
    assert.equal(at.admit(beat("s1", late.challenge, 2), 20)?.type, "challenge");
  });

  test("[G6] recordings played 2,400 times a second keep no station from joining, nor one that has joined from beating", () => {
    const at = sessions();
    let nowMs = 0;
    let played = 0;
    /**
     * What an adversary has: opening beats of a hundred sessions of before, and of this very one.
     */
    const flood = (): void => {
      for (let datagram = 0; datagram < 120; datagram++) {
        nowMs += 1 / 2.4;
        const session = datagram % 3 === 0 ? "true" : `old${played++ % 100}`;
        assert.equal(at.admit(beat(session, "", 1), nowMs)?.type, "challenge");
      }
    };
    flood();
    const told = at.admit(beat("true", "", 2), nowMs);
    assert.ok(told?.type === "challenge");
    // Its answer takes as long as it may.
    for (let interval = 0; interval < 20; interval++) flood();
    for (let sequence = 3; sequence < 100; sequence++) {
      assert.equal(at.admit(beat("true", told.challenge, sequence), nowMs)?.type, "beat");
      flood();
    }
  });

  test("a gateway that begins anew challenges a station that answered its predecessor", () => {
    const at = sessions();
    const before = sessions("old key").admit(beat("s1", "", 1), 0);
    assert.ok(before?.type === "challenge");
    assert.equal(at.admit(beat("s1", before.challenge, 4_711), 0)?.type, "challenge");
    assert.equal(at.admit(beat("s1", "k(0 atlantic/north s1)", 4_712), 1)?.type, "beat");
  });

  test("stations do not mix, and one that is not configured is unknown", () => {
    const at = sessions();
    at.admit(beat("s1", "", 1), 0);
    assert.equal(at.admit(beat("s1", "k(0 atlantic/north s1)", 2, "south"), 1)?.type, "challenge");
    assert.equal(at.admit(beat("s1", "", 1, "west"), 1), undefined);
  });
});

/** Beats of live processes through sessions: each answers its challenges, until it is stopped. */
class Processes {
  readonly at: HeartbeatSessions;
  nowMs = 0;
  readonly admissions: BeatAdmission[] = [];
  readonly #carried: Map<string, string> = new Map();
  readonly #sequences: Map<string, number> = new Map();

  constructor(at: HeartbeatSessions = sessions()) {
    this.at = at;
  }

  /** One beat of `session`, from the address of that name, and its answer if it is challenged. */
  beat(session: string, from = session): BeatAdmission {
    let admission = this.#send(session, from);
    if (admission.type === "challenge") {
      this.#carried.set(session, admission.challenge);
      admission = this.#send(session, from);
    }
    this.admissions.push(admission);
    return admission;
  }

  /** All of them beat once an interval, one shortly after the other. */
  run(forMs: number, ...names: string[]): BeatAdmission[] {
    const before = this.admissions.length;
    for (let passedMs = 0; passedMs < forMs; passedMs += INTERVAL_MS) {
      for (const session of names) {
        this.beat(session);
        this.nowMs += INTERVAL_MS / names.length;
      }
    }
    return this.admissions.slice(before);
  }

  /** A beat as it was sent before, still on its way. */
  late(session: string): BeatAdmission | undefined {
    return this.at.admit(beat(session, this.#carried.get(session) ?? "", this.#next(session)), this.nowMs, session);
  }

  #send(session: string, from: string): BeatAdmission {
    const sent = beat(session, this.#carried.get(session) ?? "", this.#next(session));
    return this.at.admit(sent, this.nowMs, from) as BeatAdmission;
  }

  #next(session: string): number {
    const sequence = (this.#sequences.get(session) ?? 0) + 1;
    this.#sequences.set(session, sequence);
    return sequence;
  }
}

const kinds = (admissions: readonly (BeatAdmission | undefined)[]): string[] => [
  ...new Set(admissions.map((admission) => admission?.type ?? "unknown")),
];

describe("[B9] two processes under one name", () => {
  test("they prove no life from the second interval on, for as long as both beat, and both addresses are told", () => {
    const machines = new Processes();
    machines.run(10_000, "true");
    const first = machines.run(100, "true", "twin");
    assert.deepEqual(
      first.map(({ type }) => type),
      ["beat", "beat", "beat", "name-conflict"],
    );
    const later = machines.run(60_000, "true", "twin");
    assert.deepEqual(kinds(later), ["name-conflict"]);
    const last = later.at(-1);
    assert.ok(last?.type === "name-conflict");
    assert.deepEqual(last.between.toSorted(), ["true", "twin"]);
  });

  test("after one of them has stopped, the other proves nothing for 10 s, and then does", () => {
    const machines = new Processes();
    machines.run(1_000, "true", "twin");
    assert.deepEqual(kinds(machines.run(9_900, "twin")), ["name-conflict"]);
    machines.nowMs += 100;
    assert.deepEqual(kinds(machines.run(60_000, "twin")), ["beat"]);
  });

  test("three of them, and one that starts again and again, are a conflict too", () => {
    const three = new Processes();
    three.run(1_000, "a", "b", "c");
    assert.deepEqual(kinds(three.run(5_000, "a", "b", "c")), ["name-conflict"]);
    const looping = new Processes();
    looping.run(1_000, "true");
    for (let start = 0; start < 3; start++) looping.run(100, "true", `twin${start}`);
    assert.deepEqual(kinds(looping.run(5_000, "true")), ["name-conflict"]);
  });

  test("a twin that beats every 2 s beside a station that beats every 50 ms is one", () => {
    const machines = new Processes();
    const round = (): BeatAdmission[] => [machines.beat("twin"), ...machines.run(2_000, "true")];
    for (let turn = 0; turn < 3; turn++) round();
    assert.deepEqual(kinds(round()), ["name-conflict"]);
  });

  test("restarts are none, however quick, and whatever of the old sessions is still on its way", () => {
    const machines = new Processes();
    for (let start = 0; start < 50; start++) {
      assert.deepEqual(kinds(machines.run(start % 2 === 0 ? 50 : 1_000, `s${start}`)), ["beat"]);
      for (let old = Math.max(0, start - 3); old < start; old++)
        assert.equal(machines.late(`s${old}`)?.type, "challenge", "and nobody is there to answer it");
    }
  });

  test("a station whose address or port changes is one station", () => {
    const machines = new Processes();
    for (let port = 0; port < 100; port++) assert.equal(machines.beat("s", `10.0.0.1:${port}`).type, "beat");
  });

  test("a process that was stopped and wakes beside the one that was started instead is a conflict; alone it is none", () => {
    const machines = new Processes();
    machines.run(1_000, "old");
    machines.run(60_000, "new");
    assert.deepEqual(kinds(machines.run(5_000, "old")), ["beat"], "the new one has ended");
    machines.nowMs += 60_000;
    machines.run(1_000, "newer");
    machines.run(100, "old", "newer");
    assert.deepEqual(kinds(machines.run(1_000, "old", "newer")), ["name-conflict"]);
  });

  test("a conflict of stations that beat once a minute is over after five intervals", () => {
    const minute = 60_000;
    const machines = new Processes(sessions("k", minute));
    for (let turn = 0; turn < 6; turn++) {
      machines.beat(turn % 2 === 0 ? "true" : "twin");
      machines.nowMs += minute / 2;
    }
    for (let turn = 0; turn < 4; turn++) {
      assert.equal(machines.beat("true").type, "name-conflict");
      machines.nowMs += minute;
    }
    machines.nowMs += minute;
    assert.equal(machines.beat("true").type, "beat");
  });
});
