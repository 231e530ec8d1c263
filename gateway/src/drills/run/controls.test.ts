/** Controls at every level, in their order, with real programs; how one stops a run. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, test } from "node:test";
import { Diary, experimentIn, played } from "../../../../test/drills/plays.ts";
import { resultOf } from "./experiment-run.ts";
import { RunStop } from "./run-stop.ts";

/** A control that writes its name, its level, its scope and what it is about. */
function control(diary: Diary, name: string, more = ""): string {
  const script = `echo ${name}:\${control_level}:\${control_scope}:\${control_name} >> ${diary.path}`;
  return `{name: ${name}, ${more} provider: {type: process, path: sh, arguments: ["-c", ${JSON.stringify(script)}]}}`;
}

function experiment(diary: Diary, controls: string, ofActivity = "", ofHypothesis = ""): string {
  return `
title: whole
description: d
controls: [${controls}]
steady-state-hypothesis:
  title: steady
  controls: [${ofHypothesis}]
  probes: [${diary.looks("look")}]
method:
  - {type: action, name: one, controls: [${ofActivity}], provider: ${diary.writes("one")}}
rollbacks:
  - {type: action, name: back, provider: ${diary.writes("back")}}
`;
}

describe("controls of an experiment", () => {
  test("both scopes → before and after each part, at every level", async () => {
    using diary = new Diary();
    await played(experimentIn(experiment(diary, control(diary, "c"))), { order: { hypothesis: "before-method-only" } });
    assert.deepEqual(diary.words, [
      "c:experiment:before:whole",
      ...["c:hypothesis:before:steady", "c:activity:before:look", "look"],
      ...["c:activity:after:look", "c:hypothesis:after:steady"],
      ...["c:method:before:whole", "c:activity:before:one", "one", "c:activity:after:one", "c:method:after:whole"],
      ...[
        "c:rollback:before:whole",
        "c:activity:before:back",
        "back",
        "c:activity:after:back",
        "c:rollback:after:whole",
      ],
      "c:experiment:after:whole",
    ]);
  });

  test("one scope, not automatic → only that scope, only at the experiment", async () => {
    using diary = new Diary();
    const controls = [
      control(diary, "b", "scope: before, automatic: false,"),
      control(diary, "a", "scope: after, automatic: false,"),
    ];
    await played(experimentIn(experiment(diary, controls.join(", "))), { order: { hypothesis: "skip" } });
    assert.deepEqual(diary.words, ["b:experiment:before:whole", "one", "back", "a:experiment:after:whole"]);
  });

  test("own controls of a part → behind the experiment's; one of the same name takes its place", async () => {
    using diary = new Diary();
    const own = [control(diary, "own"), control(diary, "shared", "scope: after,")].join(", ");
    const text = experiment(diary, [control(diary, "first"), control(diary, "shared")].join(", "), own);
    await played(experimentIn(text), { order: { hypothesis: "skip" } });
    assert.deepEqual(
      diary.words.filter((word) => word.endsWith(":one")),
      [
        "first:activity:before:one",
        "own:activity:before:one",
        "first:activity:after:one",
        "own:activity:after:one",
        "shared:activity:after:one",
      ],
    );
  });

  test("one that fails → told, and changes nothing", async () => {
    using diary = new Diary();
    const lines: string[] = [];
    const bad = "{name: bad, provider: {type: process, path: /nowhere/program}}";
    const run = await played(experimentIn(experiment(diary, bad)), { lines });
    assert.deepEqual(diary.words, ["look", "one", "look", "back"]);
    assert.equal(resultOf(run, undefined).status, "completed");
    assert.ok(lines.some((line) => line.includes("control bad")));
  });
});

describe("a control that stops the run", () => {
  const ends = '{name: guard, scope: before, provider: {type: process, path: sh, arguments: ["-c", "exit 4"]}}';

  test("before the experiment → interrupted, nothing is played", async () => {
    using diary = new Diary();
    const stop = new RunStop();
    const run = await played(experimentIn(experiment(diary, ends)), { stop });
    assert.deepEqual(diary.words, []);
    assert.deepEqual(stop.reason, { kind: "interrupted", by: "control guard", rollbacks: "by-strategy" });
    assert.equal(resultOf(run, stop.reason).status, "interrupted");
  });

  test("before an activity → that one and the rest are not played, controls after are", async () => {
    using diary = new Diary();
    const stop = new RunStop();
    const text = experiment(diary, control(diary, "c", "scope: after, automatic: false,"), ends);
    const run = await played(experimentIn(text), { stop, order: { hypothesis: "skip", rollbacks: "always" } });
    assert.deepEqual(diary.words, ["back", "c:experiment:after:whole"]);
    assert.equal(resultOf(run, stop.reason).status, "interrupted");
  });

  test("an activity in the background → the run stops at once", async () => {
    using diary = new Diary();
    const stop = new RunStop();
    const text = experiment(diary, "", ends)
      .replace("name: one,", "name: one, background: true,")
      .replace(
        "rollbacks:",
        `  - {type: action, name: slow, provider: ${diary.writes("slow", { afterMs: 60_000 })}}\nrollbacks:`,
      );
    await played(experimentIn(text), { stop, order: { hypothesis: "skip" } });
    assert.equal(stop.reason?.kind, "interrupted");
    assert.deepEqual(diary.words, []);
  });

  test("a URL that answers interrupt → interrupted", async () => {
    using diary = new Diary();
    const server = createServer((_request, answer) => {
      answer.writeHead(200, { "Content-Type": "application/json" }).end('{"interrupt":true}');
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    try {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
      const stop = new RunStop();
      await played(experimentIn(experiment(diary, `{name: web, provider: {type: http, url: "${url}"}}`)), { stop });
      assert.equal(stop.reason?.kind, "interrupted");
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });
});
