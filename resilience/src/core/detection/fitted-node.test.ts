/**
 * One node of a plain model against the rules written down the plain way: a list of gaps, fitted
 * anew from the start at every beat. What is answered early, from the mean or from less, has to be
 * what the whole fit would have said.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type FitSettings, FittedNode, fitSettings } from "./fitted-node.ts";
import { type GapModel, type GapModelName, gapModel } from "./gap-model.ts";

const SEED: number = Number(process.env["SEED"] ?? 27020037);
const EXPECTED_MS = 50;
const CEILING_MS = 1000;
const WINDOW = 12;
const MINIMUM = 5;

function settingsOf(name: GapModelName, minDeviationMs: number, outageLevel: number): FitSettings {
  const options = { windowSize: WINDOW, minSamples: MINIMUM, ceilingMs: CEILING_MS };
  return fitSettings(gapModel(name, EXPECTED_MS, minDeviationMs), outageLevel, options);
}

/** The same rules, in as many steps as it takes. */
class Plainly {
  readonly #settings: FitSettings;
  #gaps: number[] = [];
  #row = 0;

  constructor(settings: FitSettings) {
    this.#settings = settings;
  }

  get samples(): number {
    return this.#gaps.length;
  }

  fit(): { location: number; scale: number } {
    const model: GapModel = this.#settings.model;
    if (this.#gaps.length === 0) {
      const scale = Math.max(model.presumedScale(model.expectedLocation), model.leastScale);
      return { location: model.expectedLocation, scale };
    }
    const mean = this.#gaps.reduce((sum, gap) => sum + gap, 0) / this.#gaps.length;
    const variance = this.#gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / this.#gaps.length;
    const location = Math.max(mean, model.leastLocation);
    const scale = Math.max(Math.sqrt(variance), model.leastScale);
    if (this.#gaps.length >= MINIMUM) return { location, scale };
    const presumed = Math.max(location, model.expectedLocation);
    return { location: presumed, scale: Math.max(scale, model.presumedScale(presumed)) };
  }

  outageMs(): number {
    const { location, scale } = this.fit();
    const { model, outageReach } = this.#settings;
    return Math.min(Math.max(model.silenceMs(outageReach, location, scale), 0), CEILING_MS);
  }

  learn(gapMs: number): void {
    const outage = gapMs >= this.outageMs();
    if (gapMs >= CEILING_MS) return;
    this.#row = outage ? this.#row + 1 : 0;
    if (outage && this.#row < 3) return;
    if (this.#row === 3) this.#gaps = [];
    this.#gaps.push(this.#settings.model.keep(gapMs));
    if (this.#gaps.length > WINDOW) this.#gaps.shift();
  }
}

/**
 * A gap is given as a share of what would be an outage: most are far below, some just below or just
 * above.
 */
const gapShares = fc.oneof(
  { weight: 6, arbitrary: fc.double({ min: 0, max: 0.8, noNaN: true }) },
  { weight: 3, arbitrary: fc.double({ min: 0.8, max: 1 - 1e-7, noNaN: true }) },
  { weight: 2, arbitrary: fc.double({ min: 1 + 1e-7, max: 4, noNaN: true }) },
);

for (const name of ["normal", "lognormal", "exponential"] as const) {
  test(`[D5] property: ${name}: what is learned and believed is what the rules say, answered early or late`, () => {
    const level = fc.constantFrom(0.05, 0.2, 0.301, 0.31, 1, 3, 8, 30, 1e6);
    const shares = fc.array(gapShares, { minLength: 1, maxLength: 60 });
    const property = fc.property(fc.constantFrom(0.5, 12.5, 80), level, shares, (deviationMs, outageLevel, stream) => {
      const settings = settingsOf(name, deviationMs, outageLevel);
      const plainly = new Plainly(settings);
      let nowMs = 0;
      const node = new FittedNode(settings, undefined, nowMs);
      for (const share of stream) {
        const fromMs = nowMs;
        nowMs += share * plainly.outageMs();
        plainly.learn(nowMs - fromMs);
        assert.equal(node.hear(undefined, nowMs), "counted");
        assert.equal(node.samples, plainly.samples);
        const { location, scale } = plainly.fit();
        assert.ok(Math.abs(node.location - location) <= 1e-9 * Math.max(1, Math.abs(location)), `${location}`);
        assert.ok(Math.abs(node.scale - scale) <= 1e-6 * scale, `${node.scale} for ${scale}`);
      }
    });
    fc.assert(property, { seed: SEED, numRuns: 1500 });
  });
}

test("[D4] questions between beats change nothing", () => {
  const settings = settingsOf("normal", 12.5, 8);
  const asked = new FittedNode(settings, { sequence: 0 }, 0);
  const left = new FittedNode(settings, { sequence: 0 }, 0);
  for (let sequence = 1; sequence < 100; sequence++) {
    const nowMs = 50 * sequence + (sequence % 7);
    asked.hear({ sequence }, nowMs);
    left.hear({ sequence }, nowMs);
    asked.level(nowMs + 10);
    asked.silenceMs(settings.outageReach);
  }
  assert.equal(asked.level(5100), left.level(5100));
  assert.equal(asked.silenceMs(3), left.silenceMs(3));
});
