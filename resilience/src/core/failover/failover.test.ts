/** Who is active, decided by the pure machine: table by table, and under random evidence. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigurationError } from "../errors.ts";
import { seededRandom } from "../random.ts";
import { type Assessment, type Evidence, FailoverMachine, MAX_EPOCHS_AHEAD } from "./failover.ts";

const SEED: string = process.env["SEED"] ?? "27020034";
const REPLAY = `SEED=${SEED} node --conditions=@gsf/source --test resilience/src/core/failover.test.ts`;

const piece = (kind: Evidence["kind"], verdict: Evidence["verdict"], detail = `${kind} ${verdict}`): Evidence => ({
  kind,
  verdict,
  detail,
});
const WELL: Assessment = {
  eligible: true,
  silent: false,
  proven: true,
  confirmed: true,
  isProbed: false,
  evidence: [piece("heartbeats", "eligible")],
};
const UNPROVEN: Assessment = { ...WELL, proven: false };
const UNCONFIRMED: Assessment = { ...WELL, confirmed: false };
const SILENT: Assessment = {
  eligible: false,
  silent: true,
  proven: false,
  confirmed: true,
  isProbed: false,
  evidence: [piece("heartbeats", "ineligible")],
};
const DOUBTFUL: Assessment = {
  eligible: false,
  silent: false,
  proven: false,
  confirmed: true,
  isProbed: false,
  evidence: [piece("calls", "ineligible")],
};
const RESTING: Assessment = {
  eligible: false,
  silent: false,
  proven: false,
  confirmed: true,
  isProbed: false,
  evidence: [piece("maintenance", "ineligible")],
};

type Options = ConstructorParameters<typeof FailoverMachine>[2];

/** A machine of as many stations as assessments, which are what is known of them at 0. */
function machine(known: readonly Assessment[], options?: Options): FailoverMachine {
  const names = ["north", "south", "east"].slice(0, known.length) as [string, ...string[]];
  const made = new FailoverMachine(names, 1, options);
  for (const [place, assessment] of known.entries()) made.assess(names[place] as string, assessment, 0);
  return made;
}

test("[F2] while the active station is eligible nothing happens, whatever the others are", () => {
  for (const other of [WELL, SILENT, DOUBTFUL, RESTING]) assert.equal(machine([WELL, other]).decide(1_000), undefined);
});

test("[F1] a probe of the active station's circuit is out → it is not replaced before that has ended", () => {
  const probed: Assessment = { ...DOUBTFUL, isProbed: true, evidence: [piece("breaker", "ineligible")] };
  const at = machine([probed, WELL]);
  assert.equal(at.decide(7), undefined);
  at.assess("north", { ...probed, isProbed: false }, 8);
  assert.equal(at.decide(8)?.type, "promote");
  assert.equal(machine([probed, SILENT]).decide(7)?.type, "keep");
});

test("[F1] an ineligible active station is replaced by the first eligible one, with the evidence of both and a higher epoch", () => {
  const at = machine([DOUBTFUL, SILENT, WELL]);
  assert.deepEqual(at.decide(7), {
    type: "promote",
    station: "east",
    from: "north",
    epoch: 2,
    atMs: 7,
    cause: "failure",
    evidence: [piece("calls", "ineligible"), piece("heartbeats", "eligible")],
  });
  assert.deepEqual([at.active, at.epoch, at.decide(8)], ["east", 2, undefined]);
});

test("[F2] nobody is eligible: the active one is kept, and that is said once each time it begins", () => {
  const at = machine([SILENT, SILENT]);
  assert.equal(at.decide(1)?.type, "keep");
  assert.equal(at.decide(2), undefined);
  at.assess("north", WELL, 3);
  assert.equal(at.decide(3), undefined);
  at.assess("north", SILENT, 4);
  assert.equal(at.decide(4)?.type, "keep");
  at.assess("south", WELL, 5);
  assert.equal(at.decide(5)?.type, "promote", "and replaced as soon as somebody is eligible");
});

test("[F2] nobody is eligible and the active one is silent: one that is heard of is less bad, unless it is out of service on purpose", () => {
  assert.equal(machine([SILENT, DOUBTFUL]).decide(1)?.type, "promote");
  assert.equal(machine([DOUBTFUL, SILENT]).decide(1)?.type, "keep");
  assert.equal(machine([DOUBTFUL, DOUBTFUL]).decide(1)?.type, "keep");
  assert.equal(machine([SILENT, RESTING]).decide(1)?.type, "keep");
});

test("[F2] a backup that may have fallen silent with the primary is waited for, not promoted, and not said to be ineligible", () => {
  const at = machine([SILENT, UNCONFIRMED]);
  assert.equal(at.decide(1), undefined);
  at.assess("south", WELL, 2);
  assert.equal(at.decide(2)?.type, "promote");
  const dead = machine([SILENT, UNCONFIRMED]);
  dead.assess("south", SILENT, 2);
  assert.equal(dead.decide(2)?.type, "keep");
  const third = machine([SILENT, UNCONFIRMED, WELL]).decide(1);
  assert.equal(third?.type === "promote" && third.station, "east", "another one that is confirmed is taken at once");
});

test("[F7] the active station goes into maintenance: a handover is due, not a failure", () => {
  const at = machine([RESTING, WELL]);
  assert.deepEqual(at.decide(1), {
    type: "handover-due",
    station: "south",
    cause: "maintenance",
    reason: "maintenance ineligible",
  });
  const promotion = at.handOver("south", "maintenance", "screws", 2);
  assert.equal(typeof promotion !== "string" && promotion.epoch, 2);
  assert.equal(at.preferred, "north", "failback still returns to the primary");
  assert.equal(at.holdDownMs("north", 3), 30_000, "and it is not held against it");
  const failing: Assessment = { ...RESTING, evidence: [...RESTING.evidence, ...DOUBTFUL.evidence] };
  assert.equal(machine([failing, WELL]).decide(1)?.type, "promote", "one that fails as well is replaced at once");
});

test("[F7] a switchover is refused to a station that is ineligible, with why, and becomes the preference where it is done", () => {
  const at = machine([WELL, DOUBTFUL]);
  assert.equal(at.handOver("south", "switchover", "drill", 1), "south is not eligible to be active: calls ineligible");
  assert.equal(at.handOver("north", "switchover", "drill", 1), "north is active already");
  assert.throws(() => at.handOver("west", "switchover", "drill", 1), RangeError);
  assert.equal(at.epoch, 1);
  at.assess("south", WELL, 2);
  at.handOver("south", "switchover", "drill", 3);
  assert.deepEqual([at.active, at.preferred, at.epoch], ["south", "south", 2]);
});

test("[F7] manual failback never happens by itself; automatic one after the hold-down of proven health, to the millisecond", () => {
  const manual = machine([DOUBTFUL, WELL]);
  manual.decide(0);
  manual.assess("north", WELL, 10);
  assert.equal(manual.decide(1e9), undefined);
  assert.equal(manual.nextWakeMs(), Number.POSITIVE_INFINITY);

  const at = machine([DOUBTFUL, WELL], { mode: "automatic", holdDownMs: 1_000 });
  at.decide(0);
  at.assess("north", UNPROVEN, 10);
  assert.equal(at.decide(5_000), undefined, "heard of is not proven");
  at.assess("north", WELL, 5_000);
  assert.equal(at.nextWakeMs(), 6_000);
  at.assess("north", DOUBTFUL, 5_500);
  at.assess("north", WELL, 5_600);
  assert.equal(at.decide(6_599), undefined, "a break begins it anew");
  const due = at.decide(6_600);
  assert.deepEqual(due?.type === "handover-due" && [due.station, due.cause, due.reason], [
    "north",
    "failback",
    "north has been proven healthy for 1000 ms (hold-down 1000 ms)",
  ]);
});

test("[F7] each failure within the flap window doubles the hold-down, up to its maximum; asking changes nothing", () => {
  const at = machine([WELL, WELL], {
    mode: "automatic",
    holdDownMs: 1_000,
    flapWindowMs: 100_000,
    maxHoldDownMs: 3_000,
  });
  const holdDowns: number[] = [];
  for (let round = 0; round < 4; round++) {
    const nowMs = round * 10_000;
    at.assess("north", DOUBTFUL, nowMs);
    assert.equal(at.decide(nowMs)?.type, "promote");
    at.assess("north", WELL, nowMs);
    assert.equal(at.holdDownMs("north", 1e9), 1_000, "looked at from far in the future");
    holdDowns.push(at.nextWakeMs() - nowMs);
    at.handOver("north", "failback", "due", at.nextWakeMs());
  }
  assert.deepEqual(holdDowns, [1_000, 2_000, 3_000, 3_000]);
  assert.equal(at.holdDownMs("north", 30_000 + 100_001), 1_000, "forgotten after the window");
});

test("[F7] replaced for being slow → it has to prove itself anew, and that counts among its failures", () => {
  const at = machine([WELL, WELL], { mode: "automatic", holdDownMs: 1_000 });
  for (const [round, holdDownMs] of [
    [1, 1_000],
    [2, 2_000],
  ] as const) {
    const nowMs = round * 10_000;
    assert.equal(typeof at.handOver("south", "slowness", "slow", nowMs), "object");
    assert.equal(at.nextWakeMs(), Number.POSITIVE_INFINITY, "its heartbeats do not say that it is quick again");
    at.assess("north", WELL, nowMs + 500);
    assert.equal(at.nextWakeMs(), nowMs + 500 + holdDownMs);
    at.handOver("north", "failback", "due", at.nextWakeMs());
  }
  const unproven = machine([WELL, UNPROVEN]);
  assert.match(
    String(unproven.handOver("south", "slowness", "slow", 1)),
    /has to prove itself again before it replaces/,
  );
});

test("[F7] nobody goes back by itself to a station that has not proved itself; on request it may be done", () => {
  const at = machine([UNPROVEN, WELL]);
  assert.equal(typeof at.handOver("south", "switchover", "drill", 1), "object");
  assert.equal(at.handOver("north", "failback", "due", 2), "north has to prove itself again before failback");
  assert.equal(at.refusal("north", "switchover"), undefined);
  assert.equal(at.refusal("north", "maintenance"), undefined);
});

test("[F3] a newer epoch that a station has seen is gone above; an older one, and nonsense, change nothing", () => {
  const at = machine([WELL, WELL]);
  assert.deepEqual(
    [0, -5].map((epoch) => at.noteEpochSeen(epoch)),
    new Array(2).fill("known"),
  );
  const absurd = [Number.NaN, 1.5, 2 + MAX_EPOCHS_AHEAD, 999_999_999_999_999, 2 ** 52, Number.MAX_SAFE_INTEGER];
  assert.deepEqual(
    absurd.map((epoch) => at.noteEpochSeen(epoch)),
    new Array(absurd.length).fill("refused"),
  );
  assert.equal(at.epoch, 1);
  assert.equal(at.noteEpochSeen(7), "adopted");
  assert.equal(at.epoch, 8);
  assert.equal(at.noteEpochSeen(8 + MAX_EPOCHS_AHEAD), "adopted", "a million ahead");
});

test("[F3] our own epoch was seen before anything was sent under it → another sent under it, and ours goes above", () => {
  const at = machine([WELL, WELL]);
  assert.deepEqual([at.isEpochKnown(1), at.noteEpochSeen(1), at.epoch], [false, "adopted", 2]);
  assert.equal(at.useEpoch(), 2);
  assert.deepEqual([at.isEpochKnown(2), at.noteEpochSeen(2), at.epoch], [true, "known", 2], "it may have it from us");
  at.assess("north", DOUBTFUL, 1);
  assert.equal(at.decide(1)?.type, "promote");
  assert.deepEqual([at.epoch, at.noteEpochSeen(3), at.epoch], [3, "adopted", 4], "so after a promotion");
});

test("[F3] restarted: a lagging station has seen 2, another 3, which the killed predecessor used → ours goes above both", () => {
  const at = machine([WELL, WELL]);
  assert.deepEqual([at.noteEpochSeen(2), at.epoch], ["adopted", 3]);
  assert.deepEqual([at.noteEpochSeen(3), at.epoch], ["adopted", 4]);
  assert.deepEqual([at.noteEpochSeen(2), at.noteEpochSeen(3), at.epoch], ["known", "known", 4]);
});

test("[F2] [F3] under random evidence: epochs rise strictly, no silent or unconfirmed station is promoted, keeping is said once", () => {
  const kinds = [WELL, WELL, UNPROVEN, UNCONFIRMED, SILENT, DOUBTFUL, RESTING];
  for (let round = 0; round < 200; round++) {
    const random = seededRandom(`${SEED}/${round}`);
    const known = new Map<string, Assessment>();
    const at = machine([WELL, WELL, WELL], { mode: random.next() < 0.5 ? "automatic" : "manual", holdDownMs: 50 });
    let epoch = 1;
    let keeping = false;
    for (let nowMs = 1; nowMs < 300; nowMs++) {
      const name = ["north", "south", "east"][Math.floor(random.next() * 3)] as string;
      const assessment = kinds[Math.floor(random.next() * kinds.length)] as Assessment;
      known.set(name, assessment);
      at.assess(name, assessment, nowMs);
      const wasActive = at.active;
      const decision = at.decide(nowMs);
      const why = `${JSON.stringify(decision)}\n${REPLAY}`;
      if (decision?.type === "promote") {
        assert.ok(decision.epoch > epoch && decision.epoch === at.epoch, why);
        assert.ok(decision.station !== wasActive && decision.station === at.active, why);
        const chosen = known.get(decision.station) ?? WELL;
        assert.ok(!chosen.silent && chosen.confirmed && chosen !== RESTING, why);
        epoch = decision.epoch;
        keeping = false;
      } else if (decision?.type === "keep") {
        assert.equal(keeping, false, why);
        keeping = true;
      } else if (decision?.type === "handover-due") {
        const result = at.handOver(decision.station, decision.cause, "due", nowMs);
        assert.equal(typeof result !== "string" && result.epoch, epoch + 1, why);
        epoch++;
        keeping = false;
      }
      if ((known.get(at.active) ?? WELL).eligible) keeping = false;
    }
  }
});

test("options out of range are refused", () => {
  for (const options of [{ holdDownMs: -1 }, { flapWindowMs: Number.NaN }, { holdDownMs: 10, maxHoldDownMs: 5 }]) {
    assert.throws(() => machine([WELL, WELL], options), ConfigurationError);
  }
  assert.throws(() => new FailoverMachine(["north", "south"], 1.5), ConfigurationError);
});
