/**
 * The timing budget of a configuration file: what is refused, at which field, with which terms and
 * advice; and that the incident's own settings are, for its three reasons.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { type Configuration, parseConfiguration } from "./config.ts";
import { ConfigurationProblems } from "./problems.ts";
import type { LocatedFault, LocatedTiming } from "./timing.ts";

const STATIONS = `    stations:
      - { name: primary, url: "http://127.0.0.1:9001" }
      - { name: backup, url: "http://127.0.0.1:9002" }
`;
const HTTP = "    heartbeat: { kind: http, path: /healthz }\n";
const UDP = "    heartbeat: { kind: udp }\n";

function file(fields: string): string {
  const more = fields.includes("kind: http") ? "" : "heartbeats: { secretEnv: BEATS }\n";
  return `groups:\n  - name: atlantic\n    listen: 127.0.0.1:8080\n${STATIONS}${fields}${more}`;
}

function read(fields: string): Configuration {
  return parseConfiguration(file(fields), "fleet.yaml", {
    environment: { BEATS: "0123456789abcdef" },
    readFile: () => "",
  });
}

function refusal(fields: string): ConfigurationProblems | undefined {
  try {
    read(fields);
    return undefined;
  } catch (error) {
    assert.ok(error instanceof ConfigurationProblems, String(error));
    return error;
  }
}

function refusedAt(fields: string): string[] {
  return (refusal(fields)?.problems ?? []).map(({ field }) => field.replace("groups[0].", ""));
}

function timing(fields: string): LocatedTiming {
  return read(fields).timing[0] as LocatedTiming;
}

function fault(group: LocatedTiming, name: LocatedFault["fault"]): LocatedFault {
  return group.faults.find((one) => one.fault === name) as LocatedFault;
}

for (const [kind, fields] of Object.entries({ probed: HTTP, pushed: UDP })) {
  test(`[F8] the minimum configuration (${kind}) keeps 30 s with a third to spare`, () => {
    const { objectiveMs, worstMs, faults } = timing(fields);
    assert.equal(objectiveMs, 30_000);
    assert.ok(worstMs <= 20_000, `${worstMs} ms`);
    assert.ok((faults[0]?.totalMs ?? 0) <= 8_000, `silence: ${faults[0]?.totalMs} ms`);
  });
}

test("[F8] the defaults written out → the same budget", () => {
  const written = `${HTTP}    detector: { sustain: 0 }
    commandPath: { failingFor: 1s, minFailures: 5, refusalsToDeclare: 2, unansweredAfter: 250ms }
    breaker: { window: 10s }
    commands: { maxWait: 15s }
    retry: { budgetRatio: 0.1 }
`;
  const totals = (fields: string): number[] => timing(fields).faults.map(({ totalMs }) => totalMs);
  assert.deepEqual(totals(written), totals(HTTP));
});

test("[F8] the planned cross-region path (500 ms) keeps 30 s by default", () => {
  assert.deepEqual(refusedAt("    heartbeat: { kind: udp, interval: 500ms }\n"), []);
});

test("[F8] every configuration of the examples and the guide keeps its objective", () => {
  const secrets = { environment: { GSF_HEARTBEAT_SECRET: "0123456789abcdef" }, readFile: () => "0123456789abcdef" };
  const text = readFileSync(fileURLToPath(new URL("../../../examples/fleet.yaml", import.meta.url)), "utf8");
  for (const { worstMs, objectiveMs } of parseConfiguration(text, "fleet.yaml", secrets).timing)
    assert.ok(worstMs <= objectiveMs);
});

test("[F8] a term that is too long → refused at its field, with what to change", () => {
  for (const [fields, at] of [
    [`${HTTP}    detector: { ceiling: 60s }\n`, "detector.ceiling"],
    [`${HTTP}    detector: { sustain: 20s }\n`, "detector.sustain"],
    ["    heartbeat: { kind: udp, interval: 2s }\n", "heartbeat.interval"],
    ["    heartbeat: { kind: http, path: /, interval: 7s }\n", "heartbeat.interval"],
    [`${HTTP}    commandPath: { minFailures: 50 }\n`, "commandPath.minFailures"],
    [`${HTTP}    commandPath: { failingFor: 40s }\n`, "commandPath.failingFor"],
    [`${HTTP}    commandPath: { unansweredAfter: 20s }\n`, "commandPath.unansweredAfter"],
    [`${HTTP}    commandPath: { refusalsToDeclare: 100 }\n`, "commandPath.refusalsToDeclare"],
    [`${HTTP}    breaker: { window: 1h }\n`, "breaker.window"],
    [`${HTTP}    commands: { keyStatus: { path: "/{key}", timeout: 60s } }\n`, "commands.keyStatus.timeout"],
    [`${HTTP}    retry: { budgetRatio: 1 }\n    commands: { maxWait: 1h, deadline: 1h }\n`, "retry.budgetRatio"],
  ] as const)
    assert.deepEqual(refusedAt(fields), [at], fields);
});

test("[F8] what the advice says is enough, and a millisecond more is not", () => {
  const withCeiling = (ms: number): string => `${HTTP}    detector: { ceiling: ${ms}ms }\n`;
  const { faults } = timing(withCeiling(5_000));
  const spareMs = 30_000 - (faults[0]?.totalMs ?? 0);
  assert.ok(spareMs > 0);
  let [low, high] = [5_000, 60_000];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (refusedAt(withCeiling(middle)).length === 0) low = middle;
    else high = middle;
  }
  const advised = refusal(withCeiling(high))?.problems[0]?.sentence ?? "";
  assert.ok(advised.includes(`set detector.ceiling to at most ${low / 1_000}s`), advised);
});

test("[F8] a larger objective, or known surroundings → the same settings are taken", () => {
  const slow = "    heartbeat: { kind: udp, interval: 1s }\n";
  assert.deepEqual(refusedAt(slow), ["heartbeat.interval"]);
  assert.deepEqual(refusedAt(`${slow}    objective: 1m\n`), []);
  assert.deepEqual(refusedAt(`${slow}    assume: { load: 0.1 }\n`), []);
  const strict = "    objective: 5s\n";
  assert.ok(refusedAt(`${HTTP}${strict}`).length > 0);
  const known =
    "    assume: { path: 5ms, answer: 50ms, commandEvery: 20ms, pause: 50ms, load: 0.3 }\n    breaker: { window: 2s }\n";
  assert.deepEqual(refusedAt(`${HTTP}${strict}${known}`), []);
});

test("[F8] the incident's settings → refused for its three reasons", () => {
  const reasons = (fields: string): string[] =>
    (refusal(fields)?.problems ?? [])
      .flatMap(({ sentence }) => /reason (\d) of incident/.exec(sentence)?.[1] ?? [])
      .toSorted();
  const detector = "    heartbeat: { kind: udp, interval: 500ms }\n    detector: { ceiling: 4m }\n";
  const breaker = "    breaker: { minimumVolume: 50, window: 1h }\n    commandPath: { minFailures: 50 }\n";
  const retries =
    "    retry: { maxAttempts: 100, base: 1ms, budgetRatio: 1 }\n    commands: { maxWait: 1h, deadline: 1h }\n";
  assert.deepEqual(reasons(detector), ["1"]);
  assert.deepEqual(reasons(`${HTTP}${breaker}`), ["2", "2"]);
  assert.deepEqual(reasons(`${HTTP}${retries}`), ["3"]);
  assert.deepEqual([...new Set(reasons(`${detector}${breaker}${retries}`))], ["1", "2", "3"]);
});

test("[F8] what the incident had and no field can say → the refusal of the field says why there is none", () => {
  for (const [fields, reason] of [
    ["    heartbeat: { kind: udp, interval: 500ms, timeout: 2s }\n", "1"],
    [`${HTTP}    detector: { misses: 120 }\n`, "1"],
    [`${HTTP}    breaker: { failureThreshold: 50 }\n`, "2"],
    [`${HTTP}    breaker: { consecutiveFailures: 50 }\n`, "2"],
    [`${HTTP}    retry: { jitter: none }\n`, "3"],
    [`${HTTP}    retry: { unlimited: true }\n`, "3"],
    [`${HTTP}    ramp: false\n`, "3"],
  ] as const) {
    const [problem, ...others] = refusal(fields)?.problems ?? [];
    assert.deepEqual(others, []);
    assert.ok(
      problem?.sentence.includes(`reason ${reason} of incident CN-2702-003`),
      `${fields}: ${problem?.sentence}`,
    );
  }
});

test("[F8] a time to start is told and not refused: nothing has served yet", () => {
  const { faults, notes } = timing(`${HTTP}    detector: { gracePeriod: 1h }\n`);
  const start = faults.find(({ isJudged }) => !isJudged);
  assert.deepEqual([start?.fault, start?.isInTime], ["never-heard", false]);
  assert.ok(notes.some((note) => note.includes("detector.gracePeriod")));
});

test("[F8] each part names its field, and the line where it is written", () => {
  const parts = fault(timing(`${HTTP}    detector: { sustain: 1s }\n`), "silence").terms.flatMap((term) => term.parts);
  const at = (field: string): unknown => parts.find((part) => part.field === `groups[0].${field}`)?.line;
  assert.equal(at("detector.sustain"), 8);
  assert.equal(at("heartbeat.interval"), undefined);
  assert.ok(parts.some(({ kind, field }) => kind === "assumption" && field === "groups[0].assume.path"));
});

test("[F8] capacities, ceilings and waits that the file does not bound → notes with their numbers", () => {
  const noted = (fields: string, ...parts: string[]): void => {
    const { notes } = timing(fields);
    assert.ok(
      notes.some((note) => parts.every((part) => note.includes(part))),
      `${parts}: ${notes.join("\n")}`,
    );
  };
  noted(HTTP, "primary, backup", "capacityPerSecond", "10000");
  noted(`${HTTP}    objective: 5m\n    detector: { ceiling: 60s }\n`, "only after 1m", "detector.ceiling");
  noted(HTTP, "120 commands a minute", "breaker.minimumVolume");
  noted(`${HTTP}    commands: { maxWait: 1s }\n`, "1s", "commands.maxWait");
});

test("[F8] values that cannot be read → no budget is made up for them", () => {
  for (const broken of [
    "detector: { ceiling: soon }",
    "retry: nonsense",
    "assume: { path: -1 }",
    "objective: never",
    "commandPath: 7",
  ]) {
    const found = refusal(`${HTTP}    ${broken}\n`);
    assert.equal(found?.problems.length, 1, found?.message);
  }
});

test("[F8] a thousand groups → each has its budget, in a time that nobody notices", () => {
  const groups = Array.from({ length: 1_000 }, (_, place) => ({
    name: `g${place}`,
    listen: `127.0.0.1:${1_024 + place}`,
    stations: ["a", "b"].map((name) => ({ name, url: `http://${name}${place}` })),
    heartbeat: { kind: "http", path: "/" },
  }));
  const startedMs = performance.now();
  const { timing: all } = parseConfiguration(JSON.stringify({ groups }), "fleet.yaml", {
    environment: {},
    readFile: () => "",
  });
  assert.equal(all.length, 1_000);
  assert.ok(performance.now() - startedMs < 20_000);
});
