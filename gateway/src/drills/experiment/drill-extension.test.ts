/** The extension that makes an experiment a drill: its defaults, and what is refused. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject } from "./experiment.ts";
import { readExperiment } from "./read.ts";

function read(...extensions: readonly JsonObject[]): ReturnType<typeof readExperiment> {
  return readExperiment(JSON.stringify({ title: "t", description: "d", method: [], extensions }), "x.json");
}

const SMALLEST = { name: "gsf", id: "station-killed", category: "infrastructure" };

test("a smallest drill → every default", () => {
  const result = read({ name: "other" }, SMALLEST);
  assert.ok("experiment" in result, JSON.stringify(result));
  assert.deepEqual(result.experiment.drill, {
    id: "station-killed",
    category: "infrastructure",
    weight: 1,
    requires: [],
    stage: undefined,
    expect: { recoverFrom: "fault" },
    guardrails: {},
  });
});

test("a drill with everything → as written", () => {
  const drill = {
    ...SMALLEST,
    weight: 10,
    requires: ["linux", "prlimit"],
    stage: { stations: 2 },
    expect: { detectWithinMs: "never", recoverWithinMs: 0.5, recoverFrom: "lift" },
    guardrails: {
      stations: { url: "http://127.0.0.1:1", jsonpath: "$" },
      baselineMs: 0,
      baselineWithinMs: 0,
      stop: [],
    },
  };
  const result = read(drill);
  assert.ok("experiment" in result, JSON.stringify(result));
  const { name: _name, ...expected } = drill;
  assert.deepEqual(result.experiment.drill, expected);
});

test("a drill with a stage → guardrails that fit the stage, for what the file leaves out", () => {
  const guardrailsOf = (more: JsonObject): JsonObject | undefined => {
    const result = read({ ...SMALLEST, ...more });
    return "experiment" in result ? result.experiment.drill?.guardrails : undefined;
  };
  assert.deepEqual(guardrailsOf({}), {});
  const staged = guardrailsOf({ stage: {}, guardrails: { baselineMs: 5_000 } });
  assert.deepEqual(Object.keys(staged ?? {}).sort(), ["baselineMs", "baselineWithinMs", "stations", "stop"]);
  assert.equal(staged?.["baselineMs"], 5_000);
});

test("an experiment of somebody else → no drill", () => {
  const result = read({ name: "GSF", id: 3 });
  assert.ok("experiment" in result);
  assert.equal(result.experiment.drill, undefined);
});

/** [what is changed, where the problems are]. */
const MISTAKES: readonly (readonly [JsonObject, readonly string[]])[] = [
  [{ id: "Station killed" }, ["id"]],
  [{ id: "-a" }, ["id"]],
  [{ id: "../a" }, ["id"]],
  [{ id: "a".repeat(65) }, ["id"]],
  [{ category: "netwrk" }, ["category"]],
  [{ weight: 0 }, ["weight"]],
  [{ weight: 11 }, ["weight"]],
  [{ weight: 1.5 }, ["weight"]],
  [{ requires: "root" }, ["requires"]],
  [{ requires: [1] }, ["requires[0]"]],
  [{ stage: [] }, ["stage"]],
  [{ guardrails: "none" }, ["guardrails"]],
  [{ expect: { detectWithinMs: -1 } }, ["expect.detectWithinMs"]],
  [{ expect: { detectWithinMs: "soon" } }, ["expect.detectWithinMs"]],
  [{ expect: { recoverWithinMs: 1e12 } }, ["expect.recoverWithinMs"]],
  [{ expect: { recoverFrom: "start" } }, ["expect.recoverFrom"]],
  [{ expect: { detectWithin: 3 } }, ["expect.detectWithin"]],
  [{ wieght: 3 }, ["wieght"]],
  [{ id: 1, category: 2, weight: 3.5 }, ["id", "category", "weight"]],
];

for (const [changed, where] of MISTAKES)
  test(`${JSON.stringify(changed).slice(0, 60)} → refused at ${where.join(", ")}`, () => {
    const result = read({ ...SMALLEST, ...changed });
    assert.ok("problems" in result);
    assert.deepEqual(
      result.problems.map((problem) => problem.where),
      where.map((field) => `extensions[0].${field}`),
    );
  });

test("nothing but the name → what is missing; two extensions → one too many", () => {
  const bare = read({ name: "gsf" });
  assert.ok("problems" in bare);
  assert.deepEqual(
    bare.problems.map((problem) => problem.where),
    ["extensions[0].id", "extensions[0].category"],
  );
  const two = read(SMALLEST, SMALLEST);
  assert.ok("problems" in two);
  assert.deepEqual(
    two.problems.map((problem) => problem.where),
    ["extensions[1]"],
  );
});
