/** A broken invariant stops at once and says what should have held. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ResilienceError } from "./errors.ts";
import { InvariantViolation, invariant } from "./invariant.ts";

test("a claim that holds is silent, one that does not throws with the claim", () => {
  invariant(true, "never seen");
  assert.throws(() => invariant(false, "two and two are four"), /This must hold and does not: two and two are four\./);
});

test("a defect of ours is not in the family of operating errors, so that nobody retries it as one", () => {
  assert.equal(new InvariantViolation("x") instanceof ResilienceError, false);
});
