/** What a call was submitted under: its deadline, its key, and what may be done with it. */
import type { CallSource } from "./learned/call-sources.ts";

export interface CallTerms {
  readonly deadline: number;
  readonly idempotencyKey: string | undefined;
  /** May it be sent again although it may have run? */
  readonly isRepeatable: boolean;
  /** Was it declared idempotent, so that running it twice does no harm, whatever its key? */
  readonly isIdempotent: boolean;
  readonly source: CallSource;
}
