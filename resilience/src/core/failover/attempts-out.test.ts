/** Attempts that are out at two stations: two sets by another name, which costs nothing. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { station } from "../../../../test/worlds/dispatching.ts";
import { NO_DEADLINE } from "../deadline.ts";
import { AttemptsOut } from "./attempts-out.ts";
import { Attempt, Call } from "./call.ts";
import { CallSources } from "./learned/call-sources.ts";

const SEED = Number(process.env["SEED"] ?? 2702003);

test("any adding and removing, twice as well → as sets do, and each station knows how many are out", () => {
  const source = new CallSources(2).of("caller");
  const terms = { deadline: NO_DEADLINE, idempotencyKey: undefined, isRepeatable: false, isIdempotent: false, source };
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat({ max: 9 })), { maxLength: 100 }), (steps) => {
      const stations = [station(0), station(1)] as const;
      const out = new AttemptsOut(2);
      const attempts = Array.from({ length: 10 }, (_, id) => {
        return new Attempt(new Call(id, terms, 0), stations[id % 2 === 0 ? 0 : 1], 1, 0);
      });
      const model = new Set<Attempt>();
      for (const [add, number] of steps) {
        const attempt = attempts[number] as Attempt;
        if (add && attempt.place < 0) {
          out.add(attempt);
          model.add(attempt);
        } else if (!add) {
          out.remove(attempt);
          model.delete(attempt);
        }
        for (const at of stations) {
          const expected = new Set([...model].filter((one) => one.station === at));
          assert.deepEqual(new Set(out.at(at)), expected);
          assert.equal(at.inFlight, expected.size);
        }
      }
    }),
    { seed: SEED, numRuns: 200 },
  );
});
