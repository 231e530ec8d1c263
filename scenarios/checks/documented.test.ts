import assert from "node:assert/strict";
import { test } from "node:test";
import { documented } from "./documented.ts";

const STATIONS = [
  { name: "primary", url: "http://10.0.0.1:9001", capacityPerSecond: 20 },
  { name: "backup", url: "http://10.0.0.2:9001" },
];

test("a group of which nothing is written has the defaults of the manual", () => {
  const group = documented({ name: "atlantic", listen: "127.0.0.1:8080", stations: STATIONS });
  assert.deepEqual(
    group.stations.map(({ capacityPerSecond }) => capacityPerSecond),
    [20, Number.POSITIVE_INFINITY],
  );
  assert.deepEqual(group.heartbeat, { kind: "udp", intervalMs: 50, timeoutMs: 50 });
  assert.deepEqual(
    [group.detector.ceilingMs, group.detector.minDeviationMs, group.commands.timeoutMs, group.failback.mode],
    [1_000, 20, 30_000, "manual"],
  );
  const { model, threshold, suspectThreshold } = group.detector;
  assert.deepEqual([model, threshold, suspectThreshold], ["adaptive", 12, 8]);
});

test("what is written counts, in whatever unit", () => {
  const group = documented({
    name: "atlantic",
    listen: "127.0.0.1:8080",
    stations: STATIONS,
    heartbeat: { kind: "http", interval: "2s", path: "/healthz" },
    commands: { timeout: 250, deadline: "1.5s", errorBody: false },
    retry: { budgetWindow: "1m" },
    detector: { model: "normal" },
  });
  assert.deepEqual(group.heartbeat, { kind: "http", intervalMs: 2_000, timeoutMs: 2_000 });
  assert.equal(group.detector.ceilingMs, 10_000);
  assert.equal(group.detector.minDeviationMs, 500);
  assert.deepEqual([group.detector.threshold, group.detector.suspectThreshold], [8, 5]);
  assert.deepEqual(
    [group.commands.timeoutMs, group.commands.deadlineMs, group.commands.errorBody],
    [250, 1_500, false],
  );
  assert.equal(group.retry.budgetWindowMs, 60_000);
});
