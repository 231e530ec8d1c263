/** Deadlines that travel by themselves: they only ever shrink, and what is none is refused. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigurationError } from "../core/errors.ts";
import { VirtualClock } from "../sim/virtual-clock.ts";
import { ambientDeadline, deadlineAfter, withDeadline } from "./ambient-deadline.ts";

test("[R4] the ambient deadline is the earliest one entered, across awaits, and gone outside", async () => {
  const clock = new VirtualClock();
  assert.equal(ambientDeadline(), Number.POSITIVE_INFINITY);
  const seen = await withDeadline(
    500,
    async () => {
      await Promise.resolve();
      return [ambientDeadline(), withDeadline(900, ambientDeadline, clock), withDeadline(100, ambientDeadline, clock)];
    },
    clock,
  );
  assert.deepEqual(seen, [500, 500, 100]);
  assert.equal(ambientDeadline(), Number.POSITIVE_INFINITY);
});

test("[R4] NaN and calendar time are refused: taken at face value they would mean no deadline", () => {
  assert.throws(() => withDeadline(Number.NaN, () => assert.fail("ran")), ConfigurationError);
  assert.throws(() => withDeadline(1.8e12, () => assert.fail("ran")), ConfigurationError);
});

test("[R4] an instant so many milliseconds from now, on the clock that is meant", async () => {
  const clock = new VirtualClock(40);
  assert.equal(deadlineAfter(60, clock), 100);
  assert.ok(deadlineAfter(1_000) > deadlineAfter(0));
});
