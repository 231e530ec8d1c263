/** The delay that is learned for a hedge. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../random.ts";
import { HedgeDelay } from "./hedge-delay.ts";

test("too few answers → nothing is hedged; then the quantile of the latest", () => {
  const delay = new HedgeDelay({ minSamples: 20 });
  for (let answer = 1; answer < 20; answer++) {
    delay.add(answer);
    assert.equal(delay.delayMs, Number.POSITIVE_INFINITY);
  }
  delay.add(20);
  assert.equal(delay.delayMs, 20);
});

test("about a twentieth of the answers is later, whatever they are spread like", () => {
  const random = seededRandom(`hedge-delay/${process.env["SEED"] ?? "1"}`);
  const delay = new HedgeDelay();
  let [late, all] = [0, 0];
  for (let answer = 0; answer < 20_000; answer++) {
    const tookMs = 10 + 5 / (1 - random.next()) ** 0.5;
    if (answer > 500) {
      all++;
      if (tookMs > delay.delayMs) late++;
    }
    delay.add(tookMs);
  }
  assert.ok(late / all > 0.03 && late / all < 0.07, `${late} of ${all}`);
});

test("a service that becomes slower or quicker → the delay follows within a window", () => {
  const delay = new HedgeDelay();
  const learned = (tookMs: number): number => {
    for (let answer = 0; answer < 300; answer++) delay.add(tookMs);
    return delay.delayMs;
  };
  assert.deepEqual([learned(10), learned(100), learned(5)], [10, 100, 5]);
});

test("never below the shortest delay; wrong options are refused", () => {
  const delay = new HedgeDelay({ minDelayMs: 7 });
  for (let answer = 0; answer < 100; answer++) delay.add(0.2);
  assert.equal(delay.delayMs, 7);
  for (const options of [{ quantile: 1 }, { quantile: 0 }, { minSamples: 0 }, { minDelayMs: -1 }, { quantil: 0.5 }])
    assert.throws(() => new HedgeDelay(options), { name: "ConfigurationError" });
});
