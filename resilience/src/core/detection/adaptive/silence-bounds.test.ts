/**
 * The bounds in a fixed unit: the cap (what silences alone ask for and a quarter more), and how
 * little few hours of watching allow.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { HOURLY_LEVEL, RATE_LEVEL } from "./level-scale.ts";
import { SilenceBounds } from "./silence-bounds.ts";
import { SilenceHistogram } from "./silence-histogram.ts";

function boundsOf(silences: number, silenceMs: (place: number) => number): SilenceBounds {
  const bounds = new SilenceBounds(new SilenceHistogram(SilenceHistogram.store(1), 0, 1));
  for (let place = 0; place < silences; place++) bounds.remember(silenceMs(place), 50, 2);
  bounds.fit();
  return bounds;
}

test("[D9] a silence that comes twenty times an hour → the cap lies above it by a quarter and a bin, not more", () => {
  const cap = boundsOf(72_000, (place) => (place % 3_600 === 7 ? 600 : 50));
  assert.ok(cap.hourlyMs >= 1.25 * 600 && cap.hourlyMs < 1.25 * 600 * 1.2, `${cap.hourlyMs}`);
});

test("[D9] few silences, or silences past the last bin → no cap", () => {
  assert.equal(boundsOf(50, () => 50).hourlyMs, Number.POSITIVE_INFINITY);
  assert.equal(boundsOf(500, () => 500_000).hourlyMs, Number.POSITIVE_INFINITY);
});

test("[D11] level and silence are inverse from the level of ten mistakes an hour on, and rise", () => {
  const { hourlyMs, ratio } = boundsOf(72_000, (place) => 45 + (place % 11));
  const fromMs = hourlyMs / ratio;
  let lastMs = 0;
  for (const level of [RATE_LEVEL, 7.5, HOURLY_LEVEL, 9, 12, 20]) {
    const silenceMs = SilenceBounds.silenceMs(level, fromMs, hourlyMs);
    assert.ok(silenceMs > lastMs);
    assert.ok(Math.abs(SilenceBounds.level(silenceMs, fromMs, hourlyMs) - level) < 1e-9);
    lastMs = silenceMs;
  }
  assert.equal(SilenceBounds.silenceMs(3, fromMs, hourlyMs), SilenceBounds.silenceMs(RATE_LEVEL, fromMs, hourlyMs));
});

test("[D9] a rare level in the first minutes → waits longer than present traffic asks for, by 1.75 at most", () => {
  const calm = boundsOf(1_200, () => 50);
  assert.equal(calm.leastMs(12, 200), 350);
  const missingMs = calm.leastMs(12, 10_000);
  assert.ok(
    missingMs > 400 && missingMs < 600,
    `${missingMs}: ten thousand hours are half a million times the minute watched`,
  );
  assert.equal(calm.leastMs(RATE_LEVEL, 200), 0);
  assert.equal(boundsOf(0, () => 50).leastMs(12, 200), 0);
});

test("[D9] sixteen hours were watched → calm traffic waits for what it asks for, and no level of theirs is bounded", () => {
  const calm = boundsOf(1_160_000, () => 50);
  assert.equal(calm.leastMs(9, 300), 0);
  assert.ok(calm.leastMs(12, 300) <= 300);
});

test("[D9] a stall was seen → the declaring level waits for half as long again, within four present deadlines", () => {
  const stalled = boundsOf(1_200, (place) => (place === 600 ? 500 : 50));
  const longestMs = stalled.leastMs(12, 400) / 1.5;
  assert.ok(longestMs > 480 && longestMs < 560, `${longestMs}`);
  assert.equal(stalled.leastMs(12, 100), 400);
  // One mistake an hour is a level that hours of watching set free again: the stall does not hold
  // it beyond 1.75.
  assert.equal(stalled.leastMs(HOURLY_LEVEL, 100), 175);
});

test("[D11] what a silence can reach is the inverse of the silence that reaches it", () => {
  for (const bounds of [boundsOf(1_200, () => 50), boundsOf(1_200, (place) => (place === 600 ? 500 : 50))]) {
    for (const scale of [10, 60, 300]) {
      const presentMs = (level: number): number => (scale * level) / HOURLY_LEVEL;
      const presentLevel = (silenceMs: number): number => (HOURLY_LEVEL * silenceMs) / scale;
      for (const level of [7.5, HOURLY_LEVEL, 9, 9.3, 12, 20]) {
        const silenceMs = Math.max(presentMs(level), bounds.leastMs(level, presentMs(level)));
        const levelOf = (ms: number): number => Math.min(presentLevel(ms), bounds.mostLevel(ms, presentLevel));
        assert.ok(levelOf(silenceMs + 1e-6) >= level - 1e-6, `level ${level}, ${scale} ms`);
        assert.ok(levelOf(silenceMs - 1e-3) < level, `level ${level}, ${scale} ms`);
      }
    }
  }
});
