/** The cap in a fixed unit: what silences alone ask for and a quarter more, its inverse, and where it says nothing. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { HOURLY_LEVEL, RATE_LEVEL } from "./level-scale.ts";
import { SilenceCap } from "./silence-cap.ts";
import { SilenceHistogram } from "./silence-histogram.ts";

function capOf(silences: number, silenceMs: (place: number) => number): SilenceCap {
  const cap = new SilenceCap(new SilenceHistogram(SilenceHistogram.store(1), 0, 1));
  for (let place = 0; place < silences; place++) cap.remember(silenceMs(place), 50, 2);
  cap.fit();
  return cap;
}

test("[D9] a silence that comes twenty times an hour → the cap lies above it by a quarter and a bin, not more", () => {
  const cap = capOf(72_000, (place) => (place % 3_600 === 7 ? 600 : 50));
  assert.ok(cap.hourlyMs >= 1.25 * 600 && cap.hourlyMs < 1.25 * 600 * 1.2, `${cap.hourlyMs}`);
});

test("[D9] few silences, or silences past the last bin → no cap", () => {
  assert.equal(capOf(50, () => 50).hourlyMs, Number.POSITIVE_INFINITY);
  assert.equal(capOf(500, () => 500_000).hourlyMs, Number.POSITIVE_INFINITY);
});

test("[D11] level and silence are inverse from the level of ten mistakes an hour on, and rise", () => {
  const { hourlyMs, ratio } = capOf(72_000, (place) => 45 + (place % 11));
  const fromMs = hourlyMs / ratio;
  let lastMs = 0;
  for (const level of [RATE_LEVEL, 7.5, HOURLY_LEVEL, 9, 12, 20]) {
    const silenceMs = SilenceCap.silenceMs(level, fromMs, hourlyMs);
    assert.ok(silenceMs > lastMs);
    assert.ok(Math.abs(SilenceCap.level(silenceMs, fromMs, hourlyMs) - level) < 1e-9);
    lastMs = silenceMs;
  }
  assert.equal(SilenceCap.silenceMs(3, fromMs, hourlyMs), SilenceCap.silenceMs(RATE_LEVEL, fromMs, hourlyMs));
});
