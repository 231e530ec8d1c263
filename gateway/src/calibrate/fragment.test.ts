/**
 * The configuration fragment: whatever is recommended, the gateway's own parser takes it and reads
 * the same numbers.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { DetectorRecommendation } from "ground-station-failover/calibration";
import { parseConfiguration } from "../config/config.ts";
import { fragmentOf, fragmentYaml, refusalOfGateway } from "./fragment.ts";

const GOOD: DetectorRecommendation = {
  model: "lognormal",
  windowSize: 1_000,
  minDeviationMs: 12.5,
  threshold: 7.6,
  intervalMs: 50,
  ceilingMs: 1_000,
};

function parsed(recommendation: DetectorRecommendation) {
  const fragment = fragmentYaml(fragmentOf(recommendation)).replace(/^/gm, "    ");
  const source = `
groups:
  - name: atlantic
    listen: 127.0.0.1:0
    stations:
      - { name: primary, url: "http://127.0.0.1:9001" }
      - { name: backup, url: "http://127.0.0.1:9002" }
${fragment}
heartbeats: { secretEnv: BEATS }
`;
  const secrets = { environment: { BEATS: "0123456789abcdef" }, readFile: () => "" };
  const [group] = parseConfiguration(source, "fleet.yaml", secrets).settings.groups;
  assert.ok(group !== undefined);
  return group;
}

test("[D10] the gateway reads what was recommended", () => {
  const { detector, heartbeat, supervisor } = parsed(GOOD);
  const { model, windowSize, minDeviationMs, threshold, ceilingMs } = GOOD;
  assert.deepEqual(detector, { model, windowSize, threshold, logThreshold: 3, minDeviationMs, ceilingMs });
  assert.deepEqual(heartbeat, { kind: "udp", intervalMs: 50 });
  assert.deepEqual([supervisor.suspectThreshold, supervisor.clearThreshold], [4.75, 1.9]);
});

test("[D10] a recommended adaptive model has no window, and is suspicious at one mistake an hour", () => {
  const { detector, supervisor } = parsed({ ...GOOD, model: "adaptive", threshold: 11.5 });
  const { minDeviationMs, ceilingMs } = GOOD;
  assert.deepEqual(detector, { model: "adaptive", threshold: 11.5, logThreshold: 7, minDeviationMs, ceilingMs });
  assert.deepEqual([supervisor.suspectThreshold, supervisor.clearThreshold], [8, 2]);
  assert.equal(parsed({ ...GOOD, model: "adaptive", threshold: 3 }).supervisor.suspectThreshold, 3);
});

test("[D10] the ends of what can be recommended are taken too", () => {
  for (const change of [
    { threshold: 1 },
    { threshold: 100 },
    { windowSize: 50 },
    { intervalMs: 5, minDeviationMs: 1, ceilingMs: 10 },
    { intervalMs: 60_000, minDeviationMs: 15_000, ceilingMs: 3_600_000 },
    { ceilingMs: 412.4999 },
  ]) {
    const recommendation = { ...GOOD, ...change };
    assert.equal(parsed(recommendation).detector.threshold, recommendation.threshold);
    assert.equal(refusalOfGateway(recommendation), undefined);
  }
});

test("[D10] a fixed timeout is a ceiling below a threshold that nothing reaches", () => {
  const { detector } = parsed({ ...GOOD, model: "fixed", threshold: 100, minDeviationMs: 1_000, ceilingMs: 420 });
  assert.deepEqual([detector.model, detector.threshold, detector.ceilingMs], ["normal", 100, 420]);
});

test("[D10] an interval that the gateway does not take is refused, with the likely reason", () => {
  assert.match(refusalOfGateway({ ...GOOD, intervalMs: 0.05 }) ?? "", /5ms to 60s|--unit/);
  assert.match(refusalOfGateway({ ...GOOD, intervalMs: 61_000 }) ?? "", /--unit/);
});
