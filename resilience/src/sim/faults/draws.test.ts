/** Draws: right distributions, one number each, and the same digits on every engine. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Random, seededRandom } from "../../core/random.ts";
import {
  between,
  chance,
  exponential,
  exponentialAt,
  logUniform,
  naturalExp,
  naturalLog,
  pareto,
  pick,
  shuffled,
  wholeBetween,
} from "./draws.ts";

const DRAWS = 50_000;
const sample = (draw: () => number): number[] => Array.from({ length: DRAWS }, draw);
const mean = (numbers: readonly number[]): number => numbers.reduce((sum, one) => sum + one, 0) / numbers.length;
const share = (numbers: readonly number[], is: (one: number) => boolean): number => numbers.filter(is).length / DRAWS;

test("logarithm and exponential agree with the engine's to thirteen digits, and undo each other", () => {
  const random = seededRandom("log");
  for (let round = 0; round < 2_000; round++) {
    const value = (random.next() + 1e-9) * 10 ** wholeBetween(random, -12, 12);
    const log = naturalLog(value);
    assert.ok(Math.abs(log - Math.log(value)) <= 1e-14 * Math.max(1, Math.abs(log)), `ln ${value}`);
    assert.ok(Math.abs(naturalExp(log) / value - 1) < 1e-13, `exp ln ${value}`);
  }
  assert.equal(naturalLog(1), 0);
  assert.equal(naturalExp(0), 1);
  assert.equal(naturalExp(-1000), 0);
  assert.equal(naturalExp(1000), Number.POSITIVE_INFINITY);
  for (const refused of [0, -1, Number.NaN, Number.POSITIVE_INFINITY])
    assert.throws(() => naturalLog(refused), /above 0/);
  assert.throws(() => naturalExp(Number.NaN), /NaN/);
});

test("the digits are these, on every engine: seeds in old reports stay good", () => {
  const random = seededRandom("CN-2702-003");
  assert.deepEqual(
    [
      exponential(random, 10),
      pareto(random, 2, 1.5, 1e6),
      logUniform(random, 1, 1e6),
      naturalLog(10),
      naturalExp(1),
    ].map(String),
    ["6.359454093165995", "2.688015961266397", "671.9526165920748", "2.3025850929940455", "2.7182818284590455"],
  );
});

test("exponential draws have their mean and their tail", () => {
  const random = seededRandom("exponential");
  const gaps = sample(() => exponential(random, 40));
  // Five deviations of the mean of 50,000: 5 × 40 / √50,000 ≈ 0.9. The seed is fixed: this cannot
  // flicker.
  assert.ok(Math.abs(mean(gaps) - 40) < 0.9, `${mean(gaps)}`);
  assert.ok(Math.abs(share(gaps, (one) => one > 80) - 0.1353) < 0.008);
  assert.ok(exponentialAt(1 - 2 ** -32, 1) < 22.2);
});

test("pareto draws start at their minimum, have a heavy tail, and stop at their cap", () => {
  const random = seededRandom("pareto");
  const delays = sample(() => pareto(random, 10, 1.5, 5_000));
  assert.ok(Math.min(...delays) >= 10 && Math.max(...delays) <= 5_000);
  assert.ok(Math.abs(share(delays, (one) => one > 100) - 0.0316) < 0.004);
});

test("log-uniform draws favour no decade", () => {
  const random = seededRandom("decades");
  const strengths = sample(() => logUniform(random, 1, 1_000));
  for (const low of [1, 10, 100]) {
    assert.ok(Math.abs(share(strengths, (one) => one >= low && one < low * 10) - 1 / 3) < 0.011, `${low}`);
  }
});

test("whole numbers, picks and coins reach both ends and favour none", () => {
  const random = seededRandom("whole");
  const dice = sample(() => wholeBetween(random, 1, 6));
  for (const side of [1, 2, 3, 4, 5, 6])
    assert.ok(Math.abs(share(dice, (one) => one === side) - 1 / 6) < 0.009, `${side}`);
  const letters = sample(() => "abc".indexOf(pick(random, ["a", "b", "c"])));
  for (const letter of [0, 1, 2]) assert.ok(Math.abs(share(letters, (one) => one === letter) - 1 / 3) < 0.011);
  assert.equal(
    share(
      sample(() => Number(chance(random, 0))),
      (one) => one === 1,
    ),
    0,
  );
  assert.equal(
    share(
      sample(() => Number(chance(random, 1))),
      (one) => one === 1,
    ),
    1,
  );
  const lengths = sample(() => between(random, -5, 5));
  assert.ok(lengths.every((one) => one >= -5 && one < 5));
  assert.throws(() => pick(random, []), /empty/);
});

test("a shuffle keeps every item, leaves the list alone and makes each order as likely", () => {
  const random = seededRandom("shuffle");
  const list = ["a", "b", "c"];
  const orders = new Map<string, number>();
  for (let round = 0; round < 12_000; round++) {
    const order = shuffled(random, list).join("");
    orders.set(order, (orders.get(order) ?? 0) + 1);
  }
  assert.deepEqual(list, ["a", "b", "c"]);
  assert.equal(orders.size, 6);
  // Five deviations of 12,000 × 1/6: 5 × √(12,000 × 1/6 × 5/6) ≈ 204.
  for (const [order, count] of orders) assert.ok(Math.abs(count - 2_000) < 204, `${order}: ${count}`);
});

test("each draw takes one number from its stream, whatever comes out", () => {
  const draws: ((random: Random) => unknown)[] = [
    (random) => chance(random, 0),
    (random) => between(random, 3, 3),
    (random) => wholeBetween(random, 1, 1),
    (random) => pick(random, ["one"]),
    (random) => exponential(random, 0),
    (random) => pareto(random, 1, 2, 1),
    (random) => logUniform(random, 1, 1),
  ];
  for (const draw of draws) {
    const used = seededRandom("count");
    draw(used);
    const plain = seededRandom("count");
    plain.next();
    assert.equal(used.next(), plain.next(), String(draw));
  }
});
