import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Check, Finding, GameDayEvent, MarkKind, RunEnded } from "./events.ts";
import { MARK_KINDS } from "./events.ts";
import { type DayView, foldDay, overdueParts } from "./fold.ts";
import {
  calibrations,
  earlyDetections,
  findingNumbers,
  predictionResults,
  repeatFindings,
  stepTimes,
} from "./numbers.ts";
import type { Entry } from "./seal.ts";

const START_MS = Date.parse("2026-12-01T14:00:00Z");

/** A day of these events; each a second after the one before, unless it says when. */
function day(events: ReadonlyArray<GameDayEvent | { readonly at: number; readonly event: GameDayEvent }>): DayView {
  const entries = events.map((one, place): Entry => {
    const { at, event } = "event" in one ? one : { at: START_MS + place * 1_000, event: one };
    return { number: place + 1, atMs: at, by: "Ana", event, hash: `${place}`, isSound: true };
  });
  return foldDay("day", { entries, problems: [], head: { lines: entries.length, hash: "h" }, tornTail: "" });
}

const PLANNED: GameDayEvent = {
  kind: "planned",
  ...{ id: "day", title: "Day", objective: "", systems: ["gateway"], environment: "test", from: "", until: "" },
  experiments: [{ number: 1, id: "kill", title: "Kill", category: "infrastructure", file: "/kill.json" }],
};
const STARTED: GameDayEvent = {
  kind: "run-started",
  run: 1,
  experiment: "kill",
  file: "/kill.json",
  commit: "",
  fileHash: "",
};

function ended(more: Partial<RunEnded> = {}): RunEnded {
  return {
    ...{ kind: "run-ended", run: 1, outcome: "held", reason: "", exitCode: 0, runId: "r1", specHash: "spec", seed: 7 },
    ...{ environment: "test", targets: ["a"], t0Ms: START_MS + 10_000, t1Ms: START_MS + 30_000 },
    ...{ mttdMs: 500, mttrMs: 2_000, detectWithinMs: 1_000, recoverWithinMs: 3_000, trips: [], felt: {}, marks: [] },
    ...more,
  };
}

function mark(kind: MarkKind, afterFaultMs: number, text = ""): GameDayEvent {
  return { kind: "mark", mark: kind, run: 1, happenedAtMs: START_MS + 10_000 + afterFaultMs, text };
}

function prediction(expected: "held" | "deviated", confidence: number, team = "ops"): GameDayEvent {
  return {
    ...{ kind: "prediction", experiment: "kill", team, expected, text: "", confidence },
    ...{ detectWithinMs: 1_000, recoverWithinMs: 1_000 },
  };
}

function finding(id: string, due: string, more: Partial<Finding> = {}): Finding {
  return {
    ...{ kind: "finding", id, run: 1, title: `Title ${id}`, severity: 2, class: "runbook", expected: "", observed: "" },
    ...{ evidence: [], owner: "Ana", due, ticket: "" },
    ...more,
  };
}

test("[X5] marks of people and of the system → each step timed from the fault, kept apart", () => {
  const [run] = day([
    PLANNED,
    STARTED,
    mark("paged", 4_000),
    mark("detected", 3_000),
    mark("detected", 9_000),
    mark("acknowledged", 6_000),
    mark("recovered", 20_000),
    ended({ marks: [{ atMs: START_MS + 12_000, kind: "mitigated", text: "promoted" }] }),
  ]).runs;
  const times = stepTimes(run!);
  assert.deepEqual(times, {
    detected: { systemMs: 500, humanMs: 3_000 },
    paged: { systemMs: null, humanMs: 4_000 },
    acknowledged: { systemMs: null, humanMs: 6_000 },
    diagnosed: { systemMs: null, humanMs: null },
    mitigated: { systemMs: 2_000, humanMs: null },
    recovered: { systemMs: 2_000, humanMs: 20_000 },
  });
});

test("any order in which the same marks are written → the same times and the same timeline", () => {
  const marks = fc.array(
    fc.record({
      kind: fc.constantFrom(...MARK_KINDS),
      after: fc.integer({ min: -5_000, max: 60_000 }),
      text: fc.string({ maxLength: 3 }),
    }),
    { maxLength: 12 },
  );
  fc.assert(
    fc.property(
      marks.chain((made) =>
        fc.tuple(fc.constant(made), fc.shuffledSubarray(made, { minLength: made.length }), fc.nat(made.length)),
      ),
      ([made, shuffled, before]) => {
        const written = (list: typeof made): GameDayEvent[] =>
          list.map(({ kind, after, text }) => mark(kind, after, text));
        const one = day([PLANNED, STARTED, ...written(made), ended()]).runs[0]!;
        // Some of them only after the end of the run.
        const late = day([
          PLANNED,
          STARTED,
          ...written(shuffled.slice(0, before)),
          ended(),
          ...written(shuffled.slice(before)),
        ]);
        const other = late.runs[0]!;
        const shown = (run: typeof one): unknown =>
          run.marks.map(({ atMs, kind, text, source }) => [atMs, kind, text, source]);
        assert.deepEqual(shown(other), shown(one));
        assert.deepEqual(stepTimes(other), stepTimes(one));
        assert.deepEqual(late.otherMarks, []);
      },
    ),
  );
});

test("any events in any order → a view, never an exception", () => {
  const events = fc.constantFrom<GameDayEvent>(
    PLANNED,
    STARTED,
    ended(),
    mark("note", 1),
    prediction("held", 50),
    finding("F1", "2026-12-10"),
    { kind: "verified", finding: "F9", runId: "r", specHash: "s" },
    { kind: "finding-changed", finding: "F1", status: "fixed", text: "" },
    { kind: "action", finding: "F1", text: "do", owner: "Ana", due: "2026-12-02" },
    { kind: "status", status: "closed", text: "" },
    { kind: "damage", text: "x" },
    { kind: "role", role: "owner", name: "Ana" },
  );
  fc.assert(
    fc.property(fc.array(events, { maxLength: 15 }), (made) => {
      const view = day(made);
      predictionResults(view);
      findingNumbers(view, START_MS);
      for (const run of view.runs) stepTimes(run);
    }),
  );
});

test("detected before the fault → an early detection, and no negative time", () => {
  const [run] = day([PLANNED, STARTED, mark("detected", -2_000), ended()]).runs;
  assert.equal(stepTimes(run!).detected.humanMs, null);
  assert.equal(earlyDetections(run!).length, 1);
});

test("a mark that is written two minutes later → when it happened, and how late it was written", () => {
  const event = mark("paged", 0);
  const view = day([PLANNED, STARTED, { at: START_MS + 130_000, event }, ended()]);
  const [paged] = view.runs[0]!.marks;
  assert.deepEqual([paged?.atMs, paged?.writtenLaterMs], [START_MS + 10_000, 120_000]);
});

test("predictions before and after the injection → sealed and late", () => {
  const { predictions } = day([PLANNED, prediction("held", 80), STARTED, prediction("held", 99), ended()]);
  assert.deepEqual(
    predictions.map(({ seal }) => seal),
    ["sealed", "late"],
  );
});

test("a run that was held before the prediction and taken over later → the prediction is late", () => {
  const early = ended({ t0Ms: START_MS - 3_600_000, t1Ms: START_MS - 3_500_000 });
  assert.deepEqual(
    day([PLANNED, prediction("held", 80), STARTED, early]).predictions.map(({ seal }) => seal),
    ["late"],
  );
});

test("a prediction in a line that was changed → broken, and it counts nowhere", () => {
  const entries: Entry[] = [PLANNED, prediction("held", 80), STARTED, ended()].map((event, place) => ({
    ...{ number: place + 1, atMs: START_MS + place, by: "Ana", event, hash: "", isSound: place !== 1 },
  }));
  const view = foldDay("day", { entries, problems: [], head: { lines: 4, hash: "" }, tornTail: "" });
  assert.equal(view.predictions[0]?.seal, "broken");
  assert.deepEqual(calibrations(predictionResults(view)), []);
});

test("two teams, three predictions → how sure and how right each was", () => {
  const view = day([
    PLANNED,
    prediction("held", 90, "ops"),
    prediction("deviated", 60, "ops"),
    prediction("deviated", 50, "dev"),
    STARTED,
    ended(),
    prediction("held", 100, "dev"),
  ]);
  const results = predictionResults(view);
  assert.deepEqual(
    results.map(({ isOutcomeRight, isDetectionRight, isRecoveryRight }) => [
      isOutcomeRight,
      isDetectionRight,
      isRecoveryRight,
    ]),
    [
      [true, true, false],
      [false, true, false],
      [false, true, false],
      [true, true, false],
    ],
  );
  const teams = calibrations(results).map(({ team, n, right, meanConfidence, brier }) => [
    team,
    n,
    right,
    meanConfidence,
    Math.round(brier * 1e4) / 1e4,
  ]);
  // ops: ((0.9 − 1)² + (0.6 − 0)²) / 2 = (0.01 + 0.36) / 2; dev: 0.5².
  assert.deepEqual(teams, [
    ["ops", 2, 1, 75, 0.185],
    ["dev", 1, 0, 50, 0.25],
  ]);
});

for (const [outcome, isRight] of [
  ["invalid", null],
  ["skipped", null],
  ["interrupted", null],
  ["unknown", null],
  ["aborted", false],
  ["dirty", false],
  ["held", true],
] as const)
  test(`"held" was predicted and the run was ${outcome} → ${isRight === null ? "nothing can be said" : isRight}`, () => {
    const view = day([PLANNED, prediction("held", 80), STARTED, ended({ outcome })]);
    assert.equal(predictionResults(view)[0]?.isOutcomeRight, isRight);
  });

test("a finding, its changes and its proof → the last state, its actions and its history", () => {
  const view = day([
    PLANNED,
    STARTED,
    ended(),
    finding("F1", "2026-12-10"),
    { kind: "action", finding: "F1", text: "write it down", owner: "Ben", due: "2026-12-05" },
    { kind: "finding-changed", finding: "F1", status: "fixed", due: "2026-12-12", text: "merged" },
    { kind: "verified", finding: "F1", runId: "r2", specHash: "spec" },
  ]);
  const [one] = view.findings;
  assert.deepEqual(
    [one?.status, one?.due, one?.verifiedByRun, one?.experiment, one?.history, one?.actions.length],
    ["verified", "2026-12-12", "r2", "kill", ["merged"], 1],
  );
});

test("a verified finding that is opened again → no longer verified", () => {
  const view = day([
    PLANNED,
    finding("F1", "2026-12-10"),
    { kind: "verified", finding: "F1", runId: "r2", specHash: "spec" },
    { kind: "finding-changed", finding: "F1", status: "open", text: "came back" },
  ]);
  assert.deepEqual([view.findings[0]?.status, view.findings[0]?.verifiedByRun], ["open", undefined]);
});

test("due yesterday, today and an action of yesterday → overdue are the first and the last", () => {
  const action: GameDayEvent = { kind: "action", finding: "F3", text: "do", owner: "Ben", due: "2026-12-01" };
  const { findings } = day([
    PLANNED,
    finding("F1", "2026-12-01"),
    finding("F2", "2026-12-02"),
    finding("F3", "2026-12-31"),
    action,
    finding("F4", "2026-12-01"),
    { kind: "finding-changed", finding: "F4", status: "wontfix", text: "no" },
  ]);
  assert.deepEqual(
    findings.map((one) => overdueParts(one, "2026-12-02").length),
    [1, 0, 1, 0],
  );
});

test("findings of a day of two hours → per hour, share verified, age of the oldest open one", () => {
  const view = day([
    PLANNED,
    { at: START_MS, event: STARTED },
    { at: START_MS + 7_200_000, event: ended() },
    { at: START_MS + 7_200_000, event: finding("F1", "2026-12-10") },
    { at: START_MS + 7_300_000, event: finding("F2", "2026-12-10") },
    { at: START_MS + 7_300_000, event: finding("F3", "2026-12-10") },
    { at: START_MS + 7_300_000, event: { kind: "verified", finding: "F1", runId: "r", specHash: "s" } },
    { at: START_MS + 7_300_000, event: { kind: "finding-changed", finding: "F3", status: "wontfix", text: "no" } },
  ]);
  const { total, open, verified, verifiedRatio, perHour, oldestOpenMs } = findingNumbers(view, START_MS + 8_300_000);
  assert.deepEqual(
    { total, open, verified, verifiedRatio, perHour, oldestOpenMs },
    { total: 3, open: 1, verified: 1, verifiedRatio: 0.5, perHour: 1.5, oldestOpenMs: 1_000_000 },
  );
});

test("the same class at the same experiment on an earlier day → a repeat", () => {
  const earlier = {
    ...day([
      PLANNED,
      { at: START_MS - 1e9, event: STARTED },
      { at: START_MS - 1e9, event: finding("F1", "2026-11-01") },
    ]),
    id: "before",
  };
  const view = day([
    PLANNED,
    STARTED,
    finding("F1", "2026-12-10", { title: "Other words" }),
    finding("F2", "2026-12-10", { class: "design" }),
  ]);
  assert.deepEqual(
    repeatFindings(view, [view, earlier]).map(({ finding: { id }, day: other }) => [id, other]),
    [["F1", "before"]],
  );
});

test("planned, briefed with a gap, briefed, run, closed → the state of the day", () => {
  const check = (isMet: boolean): Check => ({ name: "roles", isMet, text: "" });
  const steps: GameDayEvent[] = [
    PLANNED,
    { kind: "brief", checks: [check(false)] },
    { kind: "brief", checks: [check(true)] },
    STARTED,
    ended(),
    { kind: "status", status: "debriefed", text: "" },
    { kind: "status", status: "closed", text: "" },
  ];
  assert.deepEqual(
    steps.map((_, place) => day(steps.slice(0, place + 1)).status),
    ["planned", "planned", "briefed", "running", "running", "debriefed", "closed"],
  );
});
