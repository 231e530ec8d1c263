/**
 * The order of a run, with real programs that write down when they are played: every strategy of
 * hypothesis and rollbacks, background activities, dry runs, stops in each phase.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { placeholder, until } from "../../../../test/drills/lifting.ts";
import { Diary, experimentIn, played } from "../../../../test/drills/plays.ts";
import type { HypothesisStrategy, RollbackStrategy } from "../experiment/experiment.ts";
import { resultOf } from "./experiment-run.ts";
import { RunStop } from "./run-stop.ts";

/** An experiment with one probe `look`, two actions and a rollback. */
function usual(diary: Diary, missesFrom?: number, more = ""): string {
  return `
title: t
description: d
steady-state-hypothesis:
  title: h
  probes: [${diary.looks("look", missesFrom)}]
method:
  - {type: action, name: one, provider: ${diary.writes("one")}}
  - {type: action, name: two, provider: ${diary.writes("two")}}
rollbacks:
  - {type: action, name: back, provider: ${diary.writes("back")}}
${more}`;
}

describe("[X2] the hypothesis", () => {
  const orders: ReadonlyArray<readonly [HypothesisStrategy, readonly string[]]> = [
    ["default", ["look", "one", "two", "look", "back"]],
    ["before-method-only", ["look", "one", "two", "back"]],
    ["after-method-only", ["one", "two", "look", "back"]],
    ["skip", ["one", "two", "back"]],
  ];
  for (const [strategy, words] of orders)
    test(`${strategy} → played in its order`, async () => {
      using diary = new Diary();
      const run = await played(experimentIn(usual(diary)), { order: { hypothesis: strategy } });
      assert.deepEqual(diary.words, words);
      assert.deepEqual(resultOf(run, undefined), { status: "completed", deviated: false });
      assert.equal(run.before === null, !words.slice(0, 1).includes("look"));
    });

  for (const [strategy, hasEnds] of [
    ["during-method-only", false],
    ["continuously", true],
  ] as const)
    test(`${strategy} → looked at again and again during the method`, async () => {
      using diary = new Diary();
      const slow = `{type: action, name: slow, provider: ${diary.writes("slow", { afterMs: 600 })}}`;
      const experiment = experimentIn(usual(diary).replace("method:", `method:\n  - ${slow}`));
      const run = await played(experiment, { order: { hypothesis: strategy } });
      assert.ok(run.during.length >= 3, `${run.during.length} looks`);
      assert.ok(run.during.every(({ look }) => look.steady_state_met));
      assert.equal(run.before !== null, hasEnds);
      assert.equal(run.after !== null, hasEnds);
    });

  test("not met before → the method is left out, failed, no rollback by default", async () => {
    using diary = new Diary();
    const run = await played(experimentIn(usual(diary, 1)));
    assert.deepEqual(diary.words, ["look"]);
    assert.deepEqual(resultOf(run, undefined), { status: "failed", deviated: false });
    assert.equal(run.before?.probes[0]?.tolerance_met, false);
  });

  test("missed after → deviated and completed, and the rollback is played", async () => {
    using diary = new Diary();
    const run = await played(experimentIn(usual(diary, 2)));
    assert.deepEqual(diary.words, ["look", "one", "two", "look", "back"]);
    assert.deepEqual(resultOf(run, undefined), { status: "completed", deviated: true });
  });

  test("a probe that fails after the method → deviated and failed, no rollback by default", async () => {
    using diary = new Diary();
    const gone = `{type: action, name: gone, provider: {type: process, path: rm, arguments: ["${diary.folder}/there"]}}`;
    const probe = `{type: probe, name: there, tolerance: true, provider: {type: process, path: "${diary.folder}/there"}}`;
    const experiment = experimentIn(
      usual(diary)
        .replace(/probes: .*/, `probes: [${probe}]`)
        .replace("method:", `method:\n  - ${gone}`),
    );
    const run = await played(experiment, { order: { hypothesis: "after-method-only" } });
    assert.deepEqual(resultOf(run, undefined), { status: "failed", deviated: true });
    assert.deepEqual(diary.words, ["one", "two"]);
  });

  test("the first probe that misses → the others are not asked", async () => {
    using diary = new Diary();
    const experiment = experimentIn(
      usual(diary).replace(/probes: .*/, `probes: [${diary.looks("a", 1)}, ${diary.looks("b")}]`),
    );
    const run = await played(experiment);
    assert.deepEqual(diary.words, ["a"]);
    assert.equal(run.before?.probes.length, 1);
  });

  test("none → an exploration: the method is played", async () => {
    using diary = new Diary();
    const text = `title: t\ndescription: d\nmethod:\n  - {type: action, name: one, provider: ${diary.writes("one")}}\n`;
    const run = await played(experimentIn(text));
    assert.deepEqual(diary.words, ["one"]);
    assert.deepEqual([run.before, run.after, run.rollbacks], [null, null, []]);
  });

  test("fail-fast at a ratio → the method ends, failed, the hypothesis is looked at once more", async () => {
    using diary = new Diary();
    const slow = `{type: action, name: slow, provider: ${diary.writes("slow", { afterMs: 60_000 })}}`;
    const experiment = experimentIn(usual(diary, 3).replace("method:", `method:\n  - ${slow}`));
    const stop = new RunStop();
    const watch = { pauseMs: 20, failFastPercent: 50 };
    const run = await played(experiment, { stop, order: { hypothesis: "continuously", watch } });
    assert.equal(stop.reason?.kind, "failed");
    assert.equal(run.run[0]?.status, "failed");
    assert.equal(run.run.length, 1);
    assert.ok(!diary.words.includes("one") && !diary.words.includes("back"));
    assert.notEqual(run.after, null);
    assert.deepEqual(resultOf(run, stop.reason), { status: "failed", deviated: true });
  });
});

describe("rollbacks", () => {
  const cases: ReadonlyArray<readonly [RollbackStrategy, missesFrom: number | undefined, isPlayed: boolean]> = [
    ["default", undefined, true],
    ["default", 1, false],
    ["default", 2, true],
    ["always", undefined, true],
    ["always", 1, true],
    ["never", undefined, false],
    ["never", 2, false],
    ["deviated", undefined, false],
    ["deviated", 1, false],
    ["deviated", 2, true],
  ];
  for (const [strategy, missesFrom, isPlayed] of cases)
    test(`${strategy}, hypothesis missed ${missesFrom === undefined ? "never" : missesFrom === 1 ? "before" : "after"} → ${isPlayed ? "" : "not "}played`, async () => {
      using diary = new Diary();
      await played(experimentIn(usual(diary, missesFrom, `runtime: {rollbacks: {strategy: ${strategy}}}`)));
      assert.equal(diary.words.includes("back"), isPlayed);
    });

  test("a rollback that fails → the others are played", async () => {
    using diary = new Diary();
    const bad = "{type: action, name: bad, provider: {type: process, path: /nowhere/program}}";
    const run = await played(experimentIn(usual(diary).replace("rollbacks:", `rollbacks:\n  - ${bad}`)));
    assert.deepEqual(
      run.rollbacks.map(({ status }) => status),
      ["failed", "succeeded"],
    );
    assert.equal(diary.words.at(-1), "back");
  });

  test("everything of ours → lifted before them and after them", async () => {
    using diary = new Diary();
    let lifts: string[] = [];
    const lift = async (): Promise<void> => {
      lifts = [...lifts, diary.words.at(-1) ?? ""];
    };
    await played(experimentIn(usual(diary)), { order: { lift } });
    assert.deepEqual(lifts, ["look", "back"]);
  });
});

describe("activities", () => {
  test("one that fails → its status, and the rest goes on", async () => {
    using diary = new Diary();
    const bad = '{type: action, name: bad, provider: {type: http, url: "http://127.0.0.1:1/"}}';
    const run = await played(experimentIn(usual(diary).replace("method:", `method:\n  - ${bad}`)));
    assert.deepEqual(
      run.run.map(({ status }) => status),
      ["failed", "succeeded", "succeeded"],
    );
    assert.equal(run.run[0]?.output, null);
    assert.ok((run.run[0]?.exception?.length ?? 0) > 0);
    assert.deepEqual(resultOf(run, undefined), { status: "completed", deviated: false });
  });

  test("in the background → beside the others, awaited, and in their place in the journal", async () => {
    using diary = new Diary();
    const slow = `{type: action, name: slow, background: true, provider: ${diary.writes("slow", { afterMs: 700 })}}`;
    const run = await played(experimentIn(usual(diary).replace("method:", `method:\n  - ${slow}`)));
    assert.deepEqual(diary.words, ["look", "one", "two", "slow", "look", "back"]);
    assert.deepEqual(
      run.run.map(({ activity }) => activity["name"]),
      ["slow", "one", "two"],
    );
    assert.ok(run.run.every(({ status }) => status === "succeeded"));
  });

  test("pauses → waited for, and not in the duration", async () => {
    using diary = new Diary();
    const text = usual(diary, undefined, "configuration: {rest: 0.3}").replace(
      "name: one,",
      `name: one, pauses: {before: "${placeholder("rest")}", after: 0.2},`,
    );
    const startMs = performance.now();
    const run = await played(experimentIn(text));
    assert.ok(performance.now() - startMs >= 500);
    assert.ok((run.run[0]?.duration ?? 1) < 0.3);
  });

  test("one of our own → played by its injector, its output in the journal", async () => {
    using diary = new Diary();
    const own = "{type: action, name: own, provider: {type: signal, arguments: {do: send, pid: 1}}}";
    const experiment = experimentIn(usual(diary).replace("method:", `method:\n  - ${own}`));
    const run = await played(experiment, { inject: async (_activity, { type }) => ({ by: type }) });
    assert.deepEqual(run.run[0]?.output, { by: "signal" });
  });

  for (const [dry, words] of [
    ["probes", ["one", "two", "back"]],
    ["actions", ["look", "look"]],
    ["activities", []],
    ["pause", ["look", "one", "two", "look", "back"]],
  ] as const)
    test(`dry: ${dry} → leaves that out`, async () => {
      using diary = new Diary();
      const text = usual(diary, undefined, `dry: ${dry}`).replace("name: one,", "name: one, pauses: {before: 30},");
      const isPaused = dry === "probes";
      const run = await played(experimentIn(isPaused ? text.replace("before: 30", "before: 0.1") : text));
      assert.deepEqual(diary.words, words);
      assert.equal(run.before?.steady_state_met, true);
      assert.deepEqual(resultOf(run, undefined), { status: "completed", deviated: false });
    });
});

describe("a stop", () => {
  const text = (diary: Diary, more = ""): string => {
    const slow = `{type: action, name: slow, provider: ${diary.writes("slow", { afterMs: 60_000 })}}`;
    return usual(diary, undefined, more).replace(
      "  - {type: action, name: two",
      `  - ${slow}\n  - {type: action, name: two`,
    );
  };
  /** Plays until `slow` is under way, and stops with these rollbacks. */
  async function stopped(diary: Diary, rollbacks: "by-strategy" | "play" | "skip", more = "") {
    const stop = new RunStop();
    const lines: string[] = [];
    const running = played(experimentIn(text(diary, more)), { stop, lines });
    await until(() => lines.some((line) => line.startsWith("action one: done")));
    stop.request({ kind: "interrupted", by: "SIGTEST", rollbacks });
    const run = await running;
    return { run, result: resultOf(run, stop.reason) };
  }

  for (const [rollbacks, strategy, isPlayed] of [
    ["by-strategy", "default", false],
    ["by-strategy", "always", true],
    ["play", "default", true],
    ["play", "never", false],
    ["skip", "always", false],
  ] as const)
    test(`${rollbacks} with strategy ${strategy} → rollbacks are ${isPlayed ? "" : "not "}played`, async () => {
      using diary = new Diary();
      const { run, result } = await stopped(diary, rollbacks, `runtime: {rollbacks: {strategy: ${strategy}}}`);
      assert.deepEqual(diary.words, ["look", "one", ...(isPlayed ? ["back"] : [])]);
      assert.deepEqual(result, { status: "interrupted", deviated: false });
      assert.deepEqual(
        run.run.map(({ status }) => status),
        ["succeeded", "failed"],
      );
      assert.equal(run.after, null);
    });

  test("during the rollbacks → the rest of them is left out", async () => {
    using diary = new Diary();
    const slow = `{type: action, name: slow, provider: ${diary.writes("slow", { afterMs: 60_000 })}}`;
    const stop = new RunStop();
    const lines: string[] = [];
    const running = played(experimentIn(usual(diary).replace("rollbacks:", `rollbacks:\n  - ${slow}`)), {
      ...{ stop, lines },
    });
    await until(() => lines.some((line) => line.startsWith("hypothesis after")));
    stop.request({ kind: "interrupted", by: "SIGTEST", rollbacks: "by-strategy" });
    const run = await running;
    assert.ok(!diary.words.includes("back"));
    assert.equal(resultOf(run, stop.reason).status, "interrupted");
  });

  test("by a guardrail during the method → aborted, and the rollbacks are played", async () => {
    using diary = new Diary();
    const stop = new RunStop();
    const lines: string[] = [];
    const running = played(experimentIn(text(diary)), { stop, lines });
    await until(() => lines.some((line) => line.startsWith("action one: done")));
    stop.request({ kind: "aborted", trip: { rule: "stop", at: "", observed: "", abortLatencyMs: null } });
    const run = await running;
    assert.equal(diary.words.at(-1), "back");
    assert.equal(resultOf(run, stop.reason).status, "aborted");
  });
});
