/** Every form of jitter stays in its bounds, grows as it says, and uses the whole of its range. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigurationError } from "../errors.ts";
import { seededRandom } from "../random.ts";
import { Backoff, type BackoffOptions } from "./backoff.ts";

const SEED = process.env["SEED"] ?? "CN-2702-003";
const REPLAY = `seed ${SEED}; replay: SEED=${SEED} node --conditions=@gsf/source --test resilience/src/core/guard/backoff.test.ts`;

/** Least and greatest of 2,000 waits before the retry that follows `attempt`. */
function range(options: BackoffOptions, attempt: number, lastMs = 0): { least: number; most: number } {
  const backoff = new Backoff(options, seededRandom(SEED));
  const delays = Array.from({ length: 2_000 }, () => backoff.delayMs(attempt, lastMs));
  return { least: Math.min(...delays), most: Math.max(...delays) };
}

function within(actual: { least: number; most: number }, least: number, most: number): void {
  const slackMs = (most - least) * 0.02;
  assert.ok(actual.least >= least && actual.least <= least + slackMs, `least ${actual.least} for ${least}; ${REPLAY}`);
  assert.ok(actual.most <= most && actual.most >= most - slackMs, `most ${actual.most} for ${most}; ${REPLAY}`);
}

test("[R1] full jitter is the default: uniform from nothing to a bound that doubles up to the cap", () => {
  within(range({}, 1), 0, 100);
  within(range({}, 4), 0, 800);
  within(range({}, 50), 0, 10_000);
});

test("[R1] equal jitter keeps half of the bound fixed", () => {
  within(range({ jitter: "equal", baseMs: 200, factor: 3 }, 2), 300, 600);
});

test("[R1] decorrelated jitter lies between the base and three times the last wait, the first one included", () => {
  within(range({ jitter: "decorrelated" }, 1), 100, 300);
  within(range({ jitter: "decorrelated" }, 2, 250), 100, 750);
  within(range({ jitter: "decorrelated", capMs: 500 }, 9, 450), 100, 500);
});

test("[R1] no wait is longer than the bound that is told for its attempt", () => {
  for (const jitter of ["full", "equal", "decorrelated", "none"] as const) {
    const backoff = new Backoff({ jitter }, seededRandom(SEED));
    let lastMs = 0;
    for (let attempt = 1; attempt <= 12; attempt++) {
      lastMs = backoff.delayMs(attempt, lastMs);
      assert.ok(lastMs >= 0 && lastMs <= backoff.boundMs(attempt), `${jitter} ${attempt}: ${lastMs}; ${REPLAY}`);
    }
  }
});

test("[R1] without jitter the bound itself is waited for", () => {
  const backoff = new Backoff({ jitter: "none", baseMs: 50, capMs: 150 }, seededRandom(SEED));
  assert.deepEqual(
    [1, 2, 3].map((attempt) => backoff.delayMs(attempt, 0)),
    [50, 100, 150],
  );
});

test("a cap below the base, a shrinking factor and an unknown jitter are refused", () => {
  const random = seededRandom(SEED);
  assert.throws(() => new Backoff({ baseMs: 0 }, random), ConfigurationError);
  assert.throws(() => new Backoff({ baseMs: 100, capMs: 99 }, random), ConfigurationError);
  assert.throws(() => new Backoff({ factor: 0.9 }, random), ConfigurationError);
  assert.throws(
    () => new Backoff({ jitter: "some" as "full" }, random),
    /jitter is "some"; it must be one of full, equal/,
  );
});

test("a base above the default cap raises the cap instead of being refused", () => {
  assert.equal(new Backoff({ baseMs: 20_000 }, seededRandom(SEED)).boundMs(1), 20_000);
});
