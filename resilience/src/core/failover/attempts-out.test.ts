/** Attempts that are out: a set by another name, which costs nothing. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { AttemptsOut } from "./attempts-out.ts";

const SEED = Number(process.env["SEED"] ?? 2702003);

test("any adding and removing, twice as well → as a set does", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat({ max: 9 })), { maxLength: 100 }), (steps) => {
      const out = new AttemptsOut<{ place: number }>();
      const attempts = Array.from({ length: 10 }, () => ({ place: -1 }));
      const model = new Set<{ place: number }>();
      for (const [add, number] of steps) {
        const attempt = attempts[number] as { place: number };
        if (add && attempt.place < 0) {
          out.add(attempt);
          model.add(attempt);
        } else if (!add) {
          out.remove(attempt);
          model.delete(attempt);
        }
        assert.equal(out.size, model.size);
        assert.deepEqual(new Set(out), model);
      }
    }),
    { seed: SEED, numRuns: 200 },
  );
});
