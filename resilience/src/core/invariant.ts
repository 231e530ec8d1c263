/**
 * Broken invariants. An operating condition (a full queue, an open breaker) is a typed error or a
 * returned decision. A broken invariant is a defect of this library, and the only right reaction is
 * to stop at once, with a clear error, at the place where it happened.
 */
export class InvariantViolation extends Error {
  override readonly name = "InvariantViolation";
}

/**
 * Throws {@link InvariantViolation} if `condition` is false; `claim` says what should have been
 * true.
 */
export function invariant(condition: boolean, claim: string): asserts condition {
  if (!condition) throw new InvariantViolation(`This must hold and does not: ${claim}.`);
}
