/**
 * One node's contexts and its two rules for the extraordinary: caution after a mistake, outages set
 * apart.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../../random.ts";
import { AdaptiveNode } from "./adaptive-node.ts";
import { HOURLY_LEVEL } from "./level-scale.ts";

const SETTINGS = {
  expectedIntervalMs: 1000,
  intervalTold: false,
  minSamples: 4,
  leastScaleMs: 2,
  leastSilenceMs: 8,
  ceilingMs: 20_000,
  ceilingTold: true,
} as const;

/** A node that has heard 5,000 beats on a grid of 50 ms, each up to 20 ms late. */
function periodic(numbered: boolean): { node: AdaptiveNode; nowMs: number; sequence: number } {
  const random = seededRandom("adaptive node");
  const node = new AdaptiveNode(SETTINGS, numbered ? 0 : undefined, 0);
  let nowMs = 0;
  for (let sequence = 1; sequence < 5000; sequence++) {
    nowMs = sequence * 50 + 20 * random.next();
    node.hear(numbered ? sequence : undefined, true, false, nowMs);
  }
  return { node, nowMs, sequence: 4999 };
}

test("[D9] numbered beats of a periodic sender are expected by its schedule, others by the last arrival", () => {
  const numbered = periodic(true);
  const unnumbered = periodic(false);
  const deadline = (one: { node: AdaptiveNode; nowMs: number }): number => one.nowMs + one.node.silenceMs(HOURLY_LEVEL);
  assert.ok(deadline(numbered) < deadline(unnumbered) - 3, `${deadline(numbered)} against ${deadline(unnumbered)}`);
});

test("[D9] after a mistake deadlines are longer for a few beats, then as before", () => {
  const { node, nowMs, sequence } = periodic(true);
  const before = node.silenceMs(HOURLY_LEVEL);
  const lateMs = nowMs + 1.5 * before;
  node.hear(sequence + 1, true, false, lateMs);
  assert.ok(node.silenceMs(HOURLY_LEVEL) > 1.8 * before);
  for (let beat = 1; beat <= 100; beat++) node.hear(sequence + 1 + beat, true, false, lateMs + 50 * beat);
  assert.ok(node.silenceMs(HOURLY_LEVEL) < 1.3 * before, `${node.silenceMs(HOURLY_LEVEL)} after ${before}`);
});

test("[D5] two outages are set apart; with the third of the kind they begin to count", () => {
  const { node, nowMs, sequence } = periodic(true);
  const before = node.silenceMs(HOURLY_LEVEL);
  let atMs = nowMs;
  let number = sequence;
  const after: number[] = [];
  for (let outage = 0; outage < 3; outage++) {
    atMs += 2000;
    number += 40;
    node.hear(number, false, false, atMs);
    for (let beat = 0; beat < 400; beat++) {
      atMs += 50;
      node.hear(++number, true, false, atMs);
    }
    after.push(node.silenceMs(HOURLY_LEVEL));
  }
  assert.ok((after[1] as number) < 1.3 * before, `${after[1]} after two, ${before} before`);
  assert.ok((after[2] as number) > 1.5 * before, `${after[2]} after three, ${before} before`);
});

test("[D5] a sender that begins anew, or a clock that went back, leaves the node sound", () => {
  for (const restart of [true, false]) {
    const { node, nowMs } = periodic(true);
    node.hear(0, false, restart, restart ? nowMs + 50 : 10);
    let atMs = node.lastMs;
    for (let beat = 1; beat < 300; beat++) {
      atMs += 50;
      node.hear(beat, true, false, atMs);
    }
    assert.ok(node.silenceMs(HOURLY_LEVEL) > 40 && node.silenceMs(HOURLY_LEVEL) < 120);
    assert.ok(Number.isFinite(node.estimate().scale) && node.estimate().location > 40);
  }
});

test("[D5] times and numbers of any size leave levels sound", () => {
  const node = new AdaptiveNode(SETTINGS, 0, 0);
  let sequence = 0;
  for (const nowMs of [1, 2, 1e300, 1.5e300, -1e300, 5, 5, 5, 6, 7, 8, 1e9, 1e9 + 1, 1e9 + 2]) {
    sequence += nowMs === 7 ? 2 ** 50 : 1;
    node.hear(sequence, true, false, nowMs);
    for (const aheadMs of [0, 1, 100, 10_000]) {
      const level = node.level(nowMs + aheadMs);
      assert.ok(level >= 0 && !Number.isNaN(level), `${nowMs} + ${aheadMs}: ${level}`);
    }
    assert.ok(node.silenceMs(HOURLY_LEVEL) >= 0 && node.silenceMs(HOURLY_LEVEL) <= SETTINGS.ceilingMs);
  }
});
