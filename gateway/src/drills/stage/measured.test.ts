import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { detect, recover } from "./measure.ts";
import { measureFault } from "./measured.ts";
import { type CallRecord, type Detection, Observations } from "./observations.ts";
import type { SteadySettings } from "./settings.ts";
import { readStageSettings } from "./settings-schema.ts";
import { SteadyTimeline } from "./steady-timeline.ts";

const STEADY: SteadySettings = {
  windowMs: 1_000,
  goodRatio: 0.99,
  extraRatio: 0.1,
  extraAttempts: 10,
  statusGapMs: 500,
};
const ANSWER_WITHIN_MS = 200;

/**
 * What one command every 20 ms from 0 to `untilMs` shows, where `spoiled` says what became of it.
 */
function observed(
  untilMs: number,
  spoiled: (sentMs: number) => Partial<CallRecord> | "unanswered" | undefined,
): Observations {
  const seen = new Observations();
  const terms = { isJudged: true, answerWithinMs: ANSWER_WITHIN_MS, perSecond: 50, isExecuted: true };
  seen.sources.set("commands", terms);
  for (let sentMs = 0; sentMs < untilMs; sentMs += 20) {
    const call = { source: "commands", command: `c${sentMs}`, sentMs };
    seen.noteSent(call);
    const change = spoiled(sentMs);
    if (change === "unanswered") continue;
    const record: CallRecord = { ...call, endedMs: sentMs + 10, status: 200, station: "primary", ...change };
    if (record.error === undefined) seen.noteExecuted(record.command, "primary", record.endedMs - 5);
    seen.noteEnded(record);
  }
  for (let atMs = 0; atMs < untilMs; atMs += 100) seen.noteStatus(status(atMs));
  return seen;
}

function status(atMs: number, change: object = {}) {
  const firstAttempts = atMs / 20;
  return {
    atMs,
    active: "primary",
    epoch: 1,
    eligible: ["primary", "backup"],
    waiting: 0,
    first: firstAttempts,
    extra: 0,
    life: 1,
    ...change,
  };
}

const fails = { status: 503, error: "status-503" } as const;
const between = (fromMs: number, toMs: number) => (sentMs: number) => sentMs >= fromMs && sentMs < toMs;

/** Fault at 2,000, lift at 6,000, facts until 10,000. */
function recoveryOf(seen: Observations, change: Partial<Parameters<typeof recover>[1]> = {}) {
  const window = {
    faultMs: 2_000,
    liftedMs: 6_000,
    from: "fault",
    knownMs: 10_000,
    windowMs: 1_000,
    ...change,
  } as const;
  const found = recover(new SteadyTimeline(seen, STEADY, window.knownMs), window);
  return found.type === "recovered" ? { mttrMs: found.mttrMs, lostMs: found.lostMs } : { lostMs: found.lostMs };
}

describe("the steady state of a window", () => {
  const at = (seen: Observations, fromMs: number, toMs: number, nowMs = 10_000) =>
    new SteadyTimeline(seen, STEADY, nowMs).at(fromMs, toMs);

  test("all commands answered well in time → it holds", () => {
    const state = at(
      observed(3_000, () => undefined),
      1_000,
      2_000,
    );
    assert.deepEqual([state.met, state.good, state.bad, state.reasons], [true, 50, 0, []]);
  });

  test("one error of fifty → it does not hold, where 99 % are asked for", () => {
    const isBad = (sentMs: number) => (sentMs === 1_500 ? fails : undefined);
    assert.equal(at(observed(3_000, isBad), 1_000, 2_000).met, false);
  });

  test("a command sent before the window whose error comes within it → counts", () => {
    const isBad = (sentMs: number) => (sentMs === 960 ? { ...fails, endedMs: 1_100 } : undefined);
    const seen = observed(3_000, isBad);
    assert.equal(at(seen, 1_000, 2_000).bad, 1);
    assert.equal(at(seen, 1_120, 2_120).bad, 0);
  });

  test("a late answer → wrong until the instant at which it was late, and no longer", () => {
    const seen = observed(3_000, (sentMs) => (sentMs === 500 ? { endedMs: 2_900 } : undefined));
    assert.equal(at(seen, 600, 1_600).bad, 1);
    assert.equal(at(seen, 500 + ANSWER_WITHIN_MS + 1, 1_800).bad, 0);
  });

  test("a command that is open and not overdue → is not judged yet", () => {
    const seen = observed(3_000, (sentMs) => (sentMs === 2_900 ? "unanswered" : undefined));
    assert.equal(at(seen, 2_000, 3_000, 3_000).bad, 0);
    assert.equal(at(seen, 2_000, 3_000, 3_200).bad, 1);
  });

  test("a load that stands still → it does not hold", () => {
    const seen = observed(1_000, () => undefined);
    for (let atMs = 1_000; atMs < 3_000; atMs += 100) seen.noteStatus(status(atMs));
    assert.equal(at(seen, 1_500, 2_500).met, false);
  });

  test("an acknowledged command that was not executed → a loss at its acknowledgement", () => {
    const seen = observed(3_000, () => undefined);
    seen.noteEnded({ source: "commands", command: "lost", sentMs: 1_490, endedMs: 1_500, status: 200 });
    assert.equal(at(seen, 1_000, 2_000).ackedLoss, 1);
    assert.equal(at(seen, 1_501, 2_501).met, true);
  });

  test("a command that is executed again → it does not hold", () => {
    const seen = observed(3_000, () => undefined);
    seen.noteExecuted("c1000", "backup", 1_400);
    assert.equal(at(seen, 1_000, 2_000).doubled, 1);
    assert.equal(at(seen, 1_000, 2_000).met, false);
  });

  test("more extra attempts than a tenth and ten → it does not hold", () => {
    const seen = new Observations();
    for (let atMs = 0; atMs < 3_000; atMs += 100) seen.noteStatus(status(atMs, { extra: atMs < 1_500 ? 0 : 11 }));
    assert.equal(at(seen, 1_000, 2_000).extraAttempts, 11);
    assert.equal(at(seen, 1_000, 2_000).met, false);
    assert.equal(at(seen, 1_700, 2_700).met, true);
  });

  test("a gateway that was restarted counts from 0 → no attempts are invented", () => {
    const seen = new Observations();
    for (let atMs = 0; atMs < 3_000; atMs += 100) {
      const isNew = atMs >= 1_500;
      seen.noteStatus(status(atMs, { life: isNew ? 2 : 1, first: isNew ? 1 : 100, extra: isNew ? 0 : 50 }));
    }
    const { firstAttempts, extraAttempts } = at(seen, 1_000, 2_000);
    assert.deepEqual([firstAttempts, extraAttempts], [1, 0]);
  });

  test("a gap of the gateway's status at the edge of the window → it does not hold", () => {
    const seen = new Observations();
    for (let atMs = 0; atMs < 1_400; atMs += 100) seen.noteStatus(status(atMs));
    assert.equal(at(seen, 800, 1_800).met, true);
    assert.equal(at(seen, 900, 1_900).met, false);
  });

  test("two active stations under one epoch → it does not hold", () => {
    const seen = new Observations();
    for (let atMs = 0; atMs < 3_000; atMs += 100)
      seen.noteStatus(status(atMs, { active: atMs === 1_500 ? "backup" : "primary" }));
    assert.equal(at(seen, 1_000, 2_000).epochConflicts, 2);
    assert.equal(at(seen, 1_000, 2_000).met, false);
  });
});

describe("recovery", () => {
  const rows: ReadonlyArray<
    readonly [
      string,
      Observations,
      Partial<Parameters<typeof recover>[1]>,
      { mttrMs?: number; lostMs: number | undefined },
    ]
  > = [
    ["never lost → recovered at once", observed(10_000, () => undefined), {}, { mttrMs: 0, lostMs: undefined }],
    [
      "lost for a second → to the first window after the last victim",
      observed(10_000, (sentMs) => (between(2_000, 3_000)(sentMs) ? fails : undefined)),
      {},
      { mttrMs: 1_000, lostMs: 2_000 },
    ],
    [
      "lost later than the fault → from the fault all the same",
      observed(10_000, (sentMs) => (between(4_000, 4_500)(sentMs) ? fails : undefined)),
      {},
      { mttrMs: 2_500, lostMs: 4_000 },
    ],
    [
      "lost twice → the first recovery counts",
      observed(10_000, (sentMs) =>
        between(2_000, 2_500)(sentMs) || between(5_000, 5_500)(sentMs) ? fails : undefined,
      ),
      {},
      { mttrMs: 500, lostMs: 2_000 },
    ],
    [
      "a good spell shorter than the window → is no recovery",
      observed(10_000, (sentMs) =>
        between(2_000, 2_500)(sentMs) || between(3_400, 4_000)(sentMs) ? fails : undefined,
      ),
      {},
      { mttrMs: 2_000, lostMs: 2_000 },
    ],
    [
      "lost until the end → not recovered",
      observed(10_000, (sentMs) => (sentMs >= 2_000 ? fails : undefined)),
      {},
      { lostMs: 2_000 },
    ],
    [
      "good again, and less than a window is known → not recovered yet",
      observed(10_000, (sentMs) => (between(2_000, 3_000)(sentMs) ? fails : undefined)),
      { knownMs: 3_900 },
      { lostMs: 2_000 },
    ],
    [
      "exactly one window is known → recovered",
      observed(10_000, (sentMs) => (between(2_000, 3_000)(sentMs) ? fails : undefined)),
      { knownMs: 4_000 },
      { mttrMs: 1_000, lostMs: 2_000 },
    ],
    [
      "lost until the lift, measured from the lift → the time after it",
      observed(10_000, (sentMs) => (between(2_000, 6_300)(sentMs) ? fails : undefined)),
      { from: "lift" },
      { mttrMs: 300, lostMs: 2_000 },
    ],
    [
      "recovered before the lift, measured from the lift → at once",
      observed(10_000, (sentMs) => (between(2_000, 3_000)(sentMs) ? fails : undefined)),
      { from: "lift" },
      { mttrMs: 0, lostMs: 2_000 },
    ],
    [
      "measured from a lift that has not come → not yet",
      observed(10_000, (sentMs) => (between(2_000, 3_000)(sentMs) ? fails : undefined)),
      { from: "lift", liftedMs: undefined },
      { lostMs: 2_000 },
    ],
    [
      "commands that were never answered → wrong from their sending until they were late",
      observed(10_000, (sentMs) => (between(2_000, 2_100)(sentMs) ? "unanswered" : undefined)),
      {},
      { mttrMs: 300, lostMs: 2_000 },
    ],
  ];
  for (const [title, seen, change, expected] of rows)
    test(title, () => {
      const found = recoveryOf(seen, change);
      assert.equal(found.lostMs, expected.lostMs);
      if (expected.mttrMs === undefined) assert.equal(found.mttrMs, undefined);
      // In steps of 50 ms.
      else assert.ok(Math.abs((found.mttrMs as number) - expected.mttrMs) <= 50, `${found.mttrMs}`);
    });
});

describe("detection", () => {
  const detection = (atMs: number): Detection => ({ kind: "suspected", atMs, station: "primary", sentence: "" });
  const window = { armedMs: 1_000, beganMs: 1_990, faultMs: 2_000 };
  const rows: ReadonlyArray<readonly [string, number[], number | undefined, number]> = [
    ["none → none", [], undefined, 0],
    ["after the fault → the time to the first", [2_300, 2_500], 300, 0],
    ["at the instant of the fault → 0", [2_000], 0, 0],
    ["while the fault is being put in force → 0, no false alarm", [1_995], 0, 0],
    ["before it → a false alarm, and no detection", [1_500], undefined, 1],
    ["before and after it → both", [1_500, 1_600, 2_700], 700, 2],
    ["before the stage was steady → neither", [900], undefined, 0],
  ];
  for (const [title, instants, mttdMs, falseAlarms] of rows)
    test(title, () => {
      const found = detect(instants.map(detection), window);
      assert.deepEqual([found.mttdMs, found.falseAlarms.length], [mttdMs, falseAlarms]);
    });
});

describe("a fault that is measured", () => {
  const settings = (written: object = {}) => {
    const read = readStageSettings({ steady: { windowMs: 1_000, statusGapMs: 500 }, ...written });
    if ("problems" in read) throw new Error(read.problems.join());
    return read.value;
  };
  const fault = { askedAtMs: 1_990, faultAtMs: 2_000, liftedAtMs: null };
  const asked = { fault, expect: { recoverFrom: "fault" }, armedMs: 1_000, nowMs: 10_000 } as const;
  const outage = () => observed(10_000, (sentMs) => (between(2_000, 3_000)(sentMs) ? fails : undefined));

  test("recovery before detection → both are measured, each from the fault", () => {
    const seen = outage();
    seen.noteEvent({ type: "doubted", station: "primary" }, 7_000);
    const found = measureFault(seen, settings(), asked);
    assert.equal(found.mttdMs, 5_000);
    assert.equal(found.mttrMs, 1_000);
    assert.equal(found.isFinal, true);
  });

  test("no detection → null, and it is waited for as long as it may take", () => {
    const expect = { recoverFrom: "fault", detectWithinMs: 3_000 } as const;
    assert.deepEqual(pick(measureFault(outage(), settings(), { ...asked, expect })), [null, 1_000, false]);
    assert.deepEqual(pick(measureFault(outage(), settings(), { ...asked, expect, nowMs: 15_100 })), [
      null,
      1_000,
      true,
    ]);
  });

  test("a detection of a kind that the drill does not name → does not count", () => {
    const seen = outage();
    seen.noteEvent({ type: "doubted", station: "primary" }, 2_100);
    seen.noteEvent({ type: "promoted", station: "backup" }, 2_900);
    assert.equal(measureFault(seen, settings({ detect: ["promotion"] }), asked).mttdMs, 900);
  });

  test("expected never, and detected → a false alarm", () => {
    const seen = observed(10_000, () => undefined);
    seen.noteEvent({ type: "promoted", station: "backup" }, 2_900);
    const found = measureFault(seen, settings(), {
      ...asked,
      expect: { recoverFrom: "fault", detectWithinMs: "never" },
    });
    assert.ok(found.falseAlarm !== null);
  });

  test("no fault at all → each detection is a false alarm, and nothing is measured", () => {
    const seen = observed(10_000, () => undefined);
    assert.equal(measureFault(seen, settings(), { ...asked, fault: null }).falseAlarm, null);
    seen.noteEvent({ type: "doubted", station: "primary" }, 2_100);
    const found = measureFault(seen, settings(), { ...asked, fault: null });
    assert.ok(found.falseAlarm !== null);
    assert.deepEqual(pick(found), [null, null, true]);
  });

  test("not recovered → null, after the bound and a while", () => {
    const seen = observed(30_000, (sentMs) => (sentMs >= 2_000 ? fails : undefined));
    const expect = { recoverFrom: "fault", recoverWithinMs: 2_000 } as const;
    assert.deepEqual(pick(measureFault(seen, settings(), { ...asked, expect })), [null, null, false]);
    assert.deepEqual(pick(measureFault(seen, settings(), { ...asked, expect, nowMs: 20_000 })), [null, null, true]);
  });

  test("a command lost and one executed twice → two broken promises", () => {
    const seen = observed(10_000, () => undefined);
    seen.noteEnded({ source: "commands", command: "lost", sentMs: 4_990, endedMs: 5_000, status: 200 });
    seen.noteExecuted("c5000", "backup", 5_100);
    assert.equal(measureFault(seen, settings(), asked).broken.length, 2);
  });

  test("bounds on promotions, errors and the outage → each is judged", () => {
    const seen = outage();
    for (const atMs of [2_100, 2_200, 2_300]) seen.noteEvent({ type: "promoted", station: "backup" }, atMs);
    const within = { promotions: 3, errors: 50, errorRatio: 0.2, unavailableMs: 1_100 };
    const above = { promotions: 2, errors: 49, errorRatio: 0.1, unavailableMs: 900 };
    assert.equal(measureFault(seen, settings({ promises: within }), asked).broken.length, 0);
    assert.equal(measureFault(seen, settings({ promises: above }), asked).broken.length, 4);
  });

  test("lost again after it had recovered → is marked, and broken where it is bounded", () => {
    const isBad = (sentMs: number) => between(2_000, 2_500)(sentMs) || between(5_000, 5_500)(sentMs);
    const seen = observed(10_000, (sentMs) => (isBad(sentMs) ? fails : undefined));
    const found = measureFault(seen, settings(), asked);
    assert.equal(found.marks.filter(({ kind }) => kind === "lost-again").length, 1);
    assert.equal(found.broken.length, 0);
    assert.equal(measureFault(seen, settings({ promises: { relapses: 0 } }), asked).broken.length, 1);
  });

  test("a command is open that may still be good → what came after its sending is not known yet", () => {
    const seen = observed(10_000, (sentMs) => (between(2_000, 3_000)(sentMs) ? fails : undefined));
    seen.sources.set("uploads", { isJudged: true, answerWithinMs: 8_000, perSecond: 0, isExecuted: true });
    seen.noteSent({ source: "uploads", command: "slow", sentMs: 3_500 });
    assert.equal(measureFault(seen, settings(), asked).mttrMs, null);
    seen.noteExecuted("slow", "backup", 8_900);
    seen.noteEnded({ source: "uploads", command: "slow", sentMs: 3_500, endedMs: 9_000, status: 200 });
    assert.equal(measureFault(seen, settings(), asked).mttrMs, 1_000);
  });

  function pick({ mttdMs, mttrMs, isFinal }: ReturnType<typeof measureFault>) {
    return [mttdMs, mttrMs, isFinal];
  }
});
