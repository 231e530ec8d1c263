/**
 * Chances over fixed seeds. Each bound is five standard errors, derived for correlated outcomes:
 * for a chain with two states and second eigenvalue e, a mean of n has the variance p (1 − p) / n ×
 * (1 + e) / (1 − e).
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { seededRandom } from "ground-station-failover";
import { BurstLoss, Chance } from "./chance.ts";

const COUNT = 100_000;

function fiveErrors(share: number, eigenvalue: number, count = COUNT): number {
  return 5 * Math.sqrt(((share * (1 - share)) / count) * ((1 + eigenvalue) / (1 - eigenvalue)));
}

function assertNear(found: number, wanted: number, bound: number): void {
  assert.ok(Math.abs(found - wanted) <= bound, `${found}, wanted ${wanted} ± ${bound}`);
}

const shareOf = (outcomes: readonly boolean[]): number => outcomes.filter(Boolean).length / outcomes.length;

describe("a chance", () => {
  for (const [rate, correlation] of [
    [0.3, 0],
    [0.3, 0.5],
    [0.05, 0.9],
    [0.9, 0.25],
  ] as const) {
    test(`rate ${rate}, correlation ${correlation} → both are found in the outcomes`, () => {
      const chance = new Chance(seededRandom("a chance"));
      chance.use(rate, correlation);
      const outcomes = Array.from({ length: COUNT }, () => chance.draw());
      assertNear(shareOf(outcomes), rate, fiveErrors(rate, correlation));
      // Given a hit, the next is one with probability rate + correlation × (1 − rate).
      const afterHit = outcomes.filter((_outcome, place) => outcomes[place - 1] === true);
      const wanted = rate + correlation * (1 - rate);
      assertNear(shareOf(afterHit), wanted, fiveErrors(wanted, 0, afterHit.length));
    });
  }

  test("rate 0 or 1 → certain from the next datagram on, in the middle of a series too", () => {
    const chance = new Chance(seededRandom(1));
    chance.use(0.5, 0.99);
    for (let drawn = 0; drawn < 100; drawn++) chance.draw();
    for (const [rate, wanted] of [
      [1, true],
      [0, false],
      [1, true],
    ] as const) {
      chance.use(rate, 0.99);
      assert.ok(Array.from({ length: 1_000 }, () => chance.draw()).every((outcome) => outcome === wanted));
    }
  });

  test("correlation 1 → the first outcome is repeated", () => {
    const chance = new Chance(seededRandom(2));
    chance.use(0.5, 1);
    const first = chance.draw();
    assert.ok(Array.from({ length: 1_000 }, () => chance.draw()).every((outcome) => outcome === first));
  });
});

describe("loss in bursts", () => {
  for (const rates of [
    { goodToBad: 0.02, badToGood: 0.2, lossInGood: 0, lossInBad: 1 },
    { goodToBad: 0.05, badToGood: 0.1, lossInGood: 0.01, lossInBad: 0.6 },
  ]) {
    test(`${JSON.stringify(rates)} → the long-run share is that of the two states`, () => {
      const bursts = new BurstLoss(seededRandom("bursts"));
      const outcomes = Array.from({ length: COUNT }, () => bursts.draw(rates));
      const bad = rates.goodToBad / (rates.goodToBad + rates.badToGood);
      const wanted = bad * rates.lossInBad + (1 - bad) * rates.lossInGood;
      assertNear(shareOf(outcomes), wanted, fiveErrors(wanted, 1 - rates.goodToBad - rates.badToGood));
    });
  }

  test("everything is lost in the bad state → bursts have the mean length 1 / bad-to-good", () => {
    const bursts = new BurstLoss(seededRandom("lengths"));
    const rates = { goodToBad: 0.02, badToGood: 0.2, lossInGood: 0, lossInBad: 1 };
    const lengths = [0];
    for (let drawn = 0; drawn < COUNT; drawn++) {
      if (bursts.draw(rates)) lengths.push((lengths.pop() ?? 0) + 1);
      else if (lengths.at(-1) !== 0) lengths.push(0);
    }
    const whole = lengths.filter((length) => length > 0);
    const mean = whole.reduce((sum, length) => sum + length, 0) / whole.length;
    // Geometric with parameter 0.2: mean 5, variance 0.8 / 0.04 = 20. Two bursts never touch, since
    // the good state lasts one datagram at least.
    assertNear(mean, 5, 5 * Math.sqrt(20 / whole.length));
  });

  test("neither state loses → nothing is lost", () => {
    const bursts = new BurstLoss(seededRandom(3));
    const rates = { goodToBad: 0.5, badToGood: 0.5, lossInGood: 0, lossInBad: 0 };
    assert.ok(Array.from({ length: 1_000 }, () => bursts.draw(rates)).every((isLost) => !isLost));
  });
});
