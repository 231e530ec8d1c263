/**
 * The budget machine: what is charged when, and its invariant at every send over random traffic.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ConfigurationError } from "../errors.ts";
import { InvariantViolation } from "../invariant.ts";
import { RetryBudgetMachine } from "./retry-budget.ts";

const SEED = Number(process.env["SEED"] ?? 2702003);
const REPLAY = `seed ${SEED}; replay: SEED=${SEED} node --conditions=@gsf/source --test resilience/src/core/guard/retry-budget.test.ts`;

function after(calls: number, atMs: number, options = {}): RetryBudgetMachine {
  const budget = new RetryBudgetMachine(options);
  for (let call = 0; call < calls; call++) budget.deposit(atMs);
  return budget;
}

test("[R2] an extra attempt is charged before it is sent: those asleep use up the budget", () => {
  const budget = after(20, 0, { reserve: 0 });
  assert.ok(budget.withdraw(0) && budget.withdraw(0));
  assert.equal(budget.withdraw(0), false);
  assert.deepEqual(budget.status(0), { calls: 20, sent: 0, pending: 2, allowed: 2, refused: 1 });
});

test("[R2] one that is not sent after all gives its place to another", () => {
  const budget = after(10, 0);
  assert.ok(budget.withdraw(0));
  budget.refund();
  assert.ok(budget.withdraw(0));
});

test("[R2] traffic that ebbed while a retry slept: it is refused when it wakes, and gives its place back", () => {
  const budget = after(30, 0, { reserve: 1 });
  for (let retry = 0; retry < 3; retry++) assert.ok(budget.withdraw(0));
  assert.ok(budget.send(60_000), "the reserve");
  assert.equal(budget.send(60_000), false);
  assert.equal(budget.send(60_000), false);
  assert.deepEqual(budget.status(60_000), { calls: 0, sent: 1, pending: 0, allowed: 1, refused: 2 });
});

test("[R2] no reserve given → what the ratio gives at ten calls a second, so that from there on the ratio rules", () => {
  for (const [options, reserve] of [
    [{}, 10],
    [{ windowMs: 1_000 }, 1],
    [{ windowMs: 100 }, 1],
    [{ windowMs: 60_000 }, 60],
    [{ ratio: 0.05 }, 5],
    [{ ratio: 0.07 }, 7],
    [{ ratio: 0.055 }, 5],
    [{ ratio: 1 }, 100],
    [{ ratio: 0.001 }, 1],
    [{ ratio: 0 }, 0],
    [{ ratio: 1, windowMs: 2_000_000_000 }, 1_000_000],
  ] as const) {
    assert.equal(new RetryBudgetMachine(options).reserve, reserve, JSON.stringify(options));
  }
});

test("[R2] with few calls the reserve rules, and it may be none", () => {
  assert.ok(after(1, 0).withdraw(0));
  assert.equal(after(9, 0, { reserve: 0 }).withdraw(0), false);
  assert.ok(after(10, 0, { reserve: 0 }).withdraw(0));
});

test("sending or refunding what was never withdrawn stops at once", () => {
  assert.throws(() => new RetryBudgetMachine().refund(), InvariantViolation);
  const budget = after(10, 0);
  assert.ok(budget.withdraw(0) && budget.send(0));
  assert.throws(() => budget.send(0), InvariantViolation);
});

test("[R2] an extra attempt counts for a whole window, wherever in its slice it was sent", () => {
  const budget = new RetryBudgetMachine({ ratio: 0, reserve: 1, windowMs: 1_000 });
  assert.ok(budget.withdraw(49) && budget.send(49));
  assert.equal(budget.withdraw(1_040), false, "991 ms later");
  assert.ok(budget.withdraw(1_100));
});

test("[R2] what is stopped before it left is taken off the books it stood on", () => {
  const budget = after(10, 0, { reserve: 0 });
  assert.ok(budget.withdraw(0) && budget.send(0));
  budget.retract(true, 0);
  assert.deepEqual([budget.status(0).calls, budget.status(0).sent], [10, 0]);
  budget.retract(false, 0);
  assert.deepEqual([budget.status(0).calls, budget.status(0).sent], [9, 0]);
});

test("status: what is allowed is a number of whole attempts", () => {
  assert.equal(after(19, 0, { reserve: 0 }).status(0).allowed, 1);
});

test("options out of range are refused", () => {
  for (const options of [{ ratio: -0.1 }, { ratio: 1.1 }, { windowMs: 0 }, { reserve: 0.5 }, { reserve: -1 }]) {
    assert.throws(() => new RetryBudgetMachine(options), ConfigurationError);
  }
});

test("[R2] at every send, the extra attempts of the exact trailing window are within max(ratio × calls, reserve)", () => {
  const act = fc.record({
    kind: fc.constantFrom("call", "call", "call", "withdraw", "send", "refund"),
    gapMs: fc.nat(120),
  });
  const property = fc.property(
    fc.array(act, { maxLength: 400 }),
    fc.constantFrom(0, 1, 3),
    fc.constantFrom(0.05, 0.3, 1),
    (acts, reserve, ratio) => {
      const budget = new RetryBudgetMachine({ ratio, reserve, windowMs: 1_000 });
      const calls: number[] = [];
      const sent: number[] = [];
      let pending = 0;
      let nowMs = 0;
      const young = (instants: number[]): number => instants.filter((atMs) => atMs > nowMs - 1_000).length;
      for (const { kind, gapMs } of acts) {
        nowMs += gapMs;
        if (kind === "call") {
          budget.deposit(nowMs);
          calls.push(nowMs);
        } else if (kind === "withdraw") pending += budget.withdraw(nowMs) ? 1 : 0;
        else if (pending > 0) {
          pending--;
          if (kind === "refund") budget.refund();
          else if (budget.send(nowMs)) {
            sent.push(nowMs);
            const allowed = Math.max(ratio * young(calls), reserve);
            assert.ok(young(sent) <= allowed, `${young(sent)} sent of ${allowed} at ${nowMs}; ${REPLAY}`);
          }
        }
        assert.equal(budget.status(nowMs).pending, pending, REPLAY);
      }
    },
  );
  fc.assert(property, { seed: SEED, numRuns: 300 });
});
