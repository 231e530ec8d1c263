import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject } from "../experiment/experiment.ts";
import { DEFAULT_DETECTIONS } from "./detections.ts";
import { completeSource } from "./settings.ts";
import { readModeChange, readSource, readStageSettings } from "./settings-schema.ts";

function read(written: JsonObject) {
  const found = readStageSettings(written);
  if ("problems" in found) throw new Error(found.problems.join("\n"));
  return found.value;
}

function problems(written: JsonObject): readonly string[] {
  const found = readStageSettings(written);
  return "problems" in found ? found.problems : [];
}

test("an empty stage → a pair, HTTP heartbeats, twenty keyed commands a second", () => {
  const { stations, heartbeats, load, detect, promises } = read({});
  assert.deepEqual(
    stations.map(({ name, service }) => [name, service.answer]),
    [
      ["primary", "ok"],
      ["backup", "ok"],
    ],
  );
  assert.deepEqual([heartbeats, load.length, load[0]?.perSecond, load[0]?.keyed], ["http", 1, 20, true]);
  assert.deepEqual(detect, DEFAULT_DETECTIONS);
  assert.deepEqual([promises.ackedLoss, promises.doubled, promises.promotions], [0, 0, undefined]);
});

test("a source → its limit for an answer grows with a slow body, and an impatient caller is not judged", () => {
  const [upload, impatient] = read({
    load: [
      { kind: "uploads", bytes: 40_000, bytesPerSecond: 20_000, patienceMs: 20_000 },
      { name: "impatient", patienceMs: 50 },
    ],
  }).load.map(completeSource);
  assert.deepEqual([upload?.name, upload?.answerWithinMs, upload?.isJudged], ["uploads", 3_000, true]);
  assert.deepEqual([impatient?.answerWithinMs, impatient?.isJudged], [1_000, false]);
});

test("misspelt fields at any depth → each is named with its nearest right name", () => {
  const found = problems({ statons: [], load: [{ perSecnd: 1 }], stations: [{ name: "a", service: { anser: "ok" } }] });
  assert.equal(found.length, 4);
  for (const [place, meant] of [
    ["stage.statons", "stations"],
    ["stage.load[0].perSecnd", "perSecond"],
    ["stage.stations[0].service.anser", "answer"],
  ] as const) {
    assert.ok(
      found.some((problem) => problem.startsWith(`${place}:`) && problem.includes(meant)),
      `${place}: ${found.join("\n")}`,
    );
  }
});

const REFUSED: ReadonlyArray<readonly [string, JsonObject]> = [
  ["one station", { stations: [{ name: "a" }] }],
  ["five stations", { stations: ["a", "b", "c", "d", "e"].map((name) => ({ name })) }],
  ["one name twice", { stations: [{ name: "a" }, { name: "a" }] }],
  ["the name of another process", { stations: [{ name: "a" }, { name: "gateway" }] }],
  ["a name that ends in that of a relay", { stations: [{ name: "a" }, { name: "a-relay" }] }],
  ["a name that is a path", { stations: [{ name: "../a" }, { name: "b" }] }],
  ["one source twice", { load: [{}, {}] }],
  ["no commands at all in a source", { load: [{ perSecond: 0 }] }],
  ["a rate that is no number", { load: [{ perSecond: "many" }] }],
  ["TLS without proxies", { tls: true }],
  ["a window of nothing", { steady: { windowMs: 0 } }],
  ["an unknown kind of detection", { detect: ["rumour"] }],
  ["no kind of detection", { detect: [] }],
  ["a fraction of a millisecond", { startWithinMs: 1_000.5 }],
];
for (const [title, written] of REFUSED)
  test(`${title} → refused with one sentence that names the field`, () => {
    const found = problems(written);
    assert.equal(found.length, 1, found.join("\n"));
    assert.ok(found[0]?.startsWith("stage."), found[0]);
  });

test("a change of a service → a whole mode, and its end apart", () => {
  const found = readModeChange({ answer: "half", expiresAfterMs: 500 });
  assert.ok("value" in found);
  assert.deepEqual([found.value.mode.answer, found.value.mode.share, found.value.expiresAfterMs], ["half", 1, 500]);
  for (const bad of [null, [], "half", { answer: "quarter" }, { expiresAfterMs: 0 }])
    assert.ok("problems" in readModeChange(bad), JSON.stringify(bad));
});

test("a source under a name → has that name, whatever its text says", () => {
  const found = readSource("surge", { name: "other", perSecond: 5 });
  assert.ok("value" in found);
  assert.equal(found.value.name, "surge");
  for (const bad of [null, [], 7, { perSecond: -1 }]) assert.ok("problems" in readSource("surge", bad));
  assert.ok("problems" in readSource("a/b", {}));
});
