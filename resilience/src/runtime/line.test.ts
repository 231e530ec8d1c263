import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../core/random.ts";
import { Line } from "./line.ts";

test("first come, first served; whoever leaves early is not served, whoever comes back is last", () => {
  const seed = 4_711;
  const random = seededRandom(seed);
  const line = new Line<{ readonly id: number }>();
  let expected: { readonly id: number }[] = [];
  for (let step = 0; step < 20_000; step++) {
    const draw = random.next();
    if (draw < 0.5) {
      const member = { id: step };
      line.add(member);
      expected.push(member);
    } else if (draw < 0.8) {
      const first = line.first;
      assert.equal(first, expected[0], `seed ${seed}`);
      if (first !== undefined) line.leave(first);
      expected.shift();
    } else if (draw < 0.95) {
      const somebody = expected[Math.floor(random.next() * expected.length)];
      if (somebody !== undefined) line.leave(somebody);
      expected = expected.filter((other) => other !== somebody);
      if (somebody !== undefined && draw > 0.9) {
        line.add(somebody);
        expected.push(somebody);
      }
    } else if (draw > 0.999) {
      assert.deepEqual(line.takeAll(), expected, `seed ${seed}`);
      expected = [];
    }
    assert.equal(line.size, expected.length, `seed ${seed}`);
    assert.equal(line.first, expected[0], `seed ${seed}`);
  }
});

test("serving 100,000 takes steps in proportion, not in their square", () => {
  const line = new Line<object>();
  for (let member = 0; member < 100_000; member++) line.add({});
  let served = 0;
  for (let first = line.first; first !== undefined; first = line.first, served++) line.leave(first);
  assert.equal(served, 100_000);
});
