import assert from "node:assert/strict";
import { test } from "node:test";
import type { FleetFault } from "../fleet/plan.ts";
import { configurationOf } from "../swarm/written.ts";
import { faultTimelineOf } from "./fault-timeline.ts";
import { Scripted } from "./scripted.ts";

function troubled(faults: readonly FleetFault[], lostForEver: readonly string[] = []) {
  const configuration = configurationOf([{ name: "atlantic" }, { name: "pacific" }]);
  return faultTimelineOf(new Scripted({ faults, lostForEver, configuration }, () => ({})).fleet);
}

const groupsTouched = (fault: FleetFault): string[] => {
  const timeline = troubled([fault]);
  return ["atlantic", "pacific"].filter((group) => timeline.of(group).length > 0);
};

test("a fault touches the groups whose nodes, links, load or gateway it names", () => {
  const atMs = 1_000;
  const cut = { kind: "link", conditions: { cut: true }, atMs } as const;
  assert.deepEqual(groupsTouched({ kind: "crash", how: "kill", node: "atlantic/primary", atMs }), ["atlantic"]);
  assert.deepEqual(groupsTouched({ kind: "pause", node: "gateway", atMs }), ["atlantic", "pacific"]);
  assert.deepEqual(groupsTouched({ ...cut, from: "gateway", to: "pacific/backup" }), ["pacific"]);
  assert.deepEqual(groupsTouched({ ...cut, from: "*", to: "gateway" }), ["atlantic", "pacific"]);
  assert.deepEqual(groupsTouched({ ...cut, from: "adversary", to: "gateway" }), []);
  assert.deepEqual(groupsTouched({ kind: "surge", group: "pacific", factor: 3, atMs, forMs: 100 }), ["pacific"]);
  assert.deepEqual(groupsTouched({ kind: "replayed-beats", group: "pacific", station: "primary", count: 3, atMs }), []);
  assert.deepEqual(groupsTouched({ kind: "wall-step", node: "gateway", byMs: 1e6, atMs }), []);
});

test("a station that is slower for good is well: nothing heals it, and it is over at once", () => {
  const slowdown: FleetFault = { kind: "slowdown", group: "atlantic", station: "primary", atMs: 1_000, factor: 3 };
  assert.deepEqual(groupsTouched(slowdown), ["atlantic"]);
  assert.deepEqual(
    troubled([slowdown]).spans.map(({ fromMs, untilMs }) => [fromMs, untilMs]),
    [[1_000, 1_000]],
  );
});

test("what is healed ends with the chaos, and what is lost does not", () => {
  const lost: FleetFault = { kind: "crash", how: "kill", node: "atlantic/primary", atMs: 1_000 };
  assert.deepEqual(
    troubled([lost]).spans.map(({ fromMs, untilMs }) => [fromMs, untilMs]),
    [[1_000, 30_000]],
  );
  assert.equal(troubled([lost], ["atlantic/primary"]).spans[0]?.untilMs, Number.POSITIVE_INFINITY);
  assert.deepEqual(troubled([{ ...lost, atMs: 40_000 }]).spans, []);
});

test("a gateway is disturbed while it is stopped, and its clock only pushed while it drifts", () => {
  const pause: FleetFault = { kind: "pause", node: "gateway", atMs: 1_000, forMs: 500 };
  assert.deepEqual(
    [900, 1_200, 1_501].map((atMs) => troubled([pause]).disturbsGateway(atMs, atMs)),
    [false, true, false],
  );
  const drift = troubled([{ kind: "drift", node: "gateway", rate: 1.1, atMs: 1_000 }]);
  assert.deepEqual([drift.disturbsGateway(0, 9_000), drift.leavesGatewayAlone], [false, false]);
});
