/**
 * Broken invariants. An operating condition (a full queue, an open breaker) is a typed error or a
 * returned decision; a broken invariant is a defect of ours, and the only right answer is to stop
 * at once, loudly, where it happened.
 */
export class InvariantViolation extends Error {
  override readonly name = "InvariantViolation";
}

/**
 * Throws {@link InvariantViolation} when `condition` is false; `claim` says what should have held.
 */
export function invariant(condition: boolean, claim: string): asserts condition {
  if (!condition) throw new InvariantViolation(`This must hold and does not: ${claim}.`);
}
