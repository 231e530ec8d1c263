/**
 * The terms under which a call was submitted: its deadline, its key, and whether it may be sent
 * again.
 */
import type { CallSource } from "./learned/call-sources.ts";

export interface CallTerms {
  readonly deadline: number;
  readonly idempotencyKey: string | undefined;
  /** True if it may be sent again although it may have run. */
  readonly isRepeatable: boolean;
  /** True if it was declared idempotent: running it twice does no harm, with or without a key. */
  readonly isIdempotent: boolean;
  readonly source: CallSource;
}
