/**
 * The types that callers of a failover use: the operation; its context, which is an attempt's own
 * with the station and the epoch added; and what a station may answer about a command.
 */
import type { AttemptContext } from "../guard/attempt.ts";

/** The information that an operation gets about its attempt through the failover. */
export interface FailoverContext<S> extends AttemptContext {
  /** The station to send to. */
  readonly station: S;
  readonly role: "primary" | "backup";
  /**
   * Send it with the command: a station or service that has seen a higher one refuses the command.
   */
  readonly epoch: number;
  /**
   * Milliseconds within which the station may still begin to work on the command, to be sent along;
   * at most the time left. It is shorter if stations can be asked about a keyed call. Such a call
   * does not wait for this station until its deadline, and a station that was paused meanwhile must
   * not execute a command that has gone to another station.
   */
  beginWithinMs(): number;
  /**
   * Sending the request's body begins (`true`) or has ended (`false`). In between, the attempt is
   * not judged by its age: a caller that uploads slowly says nothing about the station.
   */
  noteUploading(isUploading: boolean): void;
}

/**
 * The work of one attempt, as for a client. Do everything that must be bounded, such as reading the
 * body of an answer, inside the operation.
 */
export type FailoverOperation<S, R> = (context: FailoverContext<S>) => PromiseLike<R> | R;

/**
 * The answer of a station about a key: the command ran (with its result), it did not run and will
 * not, or the station does not know.
 */
export type KeyStatus<R> = { readonly ran: true; readonly result: R } | { readonly ran: false } | "unknown";
