/**
 * What callers of a failover hand in and get: an operation, which is told what its attempt is sent
 * to and under which epoch, and what a station may say of a command that it was asked about. The
 * context is an attempt's own, with the station added.
 */
import type { AttemptContext } from "../guard/attempt.ts";

/** What an operation is told about the attempt it makes through the failover. */
export interface FailoverContext<S> extends AttemptContext {
  /** The station to send to. */
  readonly station: S;
  readonly role: "primary" | "backup";
  /** To be sent along: a station or service that has seen a higher one refuses the command. */
  readonly epoch: number;
  /**
   * Milliseconds within which the station may still begin to work on it, for the wire; at most the
   * time left. Shorter where stations can be asked about a keyed call: it is not waited for as long
   * as its deadline would allow, and a station that stood still meanwhile must not execute what has
   * gone elsewhere.
   */
  beginWithinMs(): number;
  /**
   * The request's body is being sent from now on (`true`), or has been sent (`false`). Meanwhile
   * the attempt is not judged by its age: a caller that uploads slowly says nothing about the
   * station.
   */
  noteUploading(isUploading: boolean): void;
}

/**
 * As an operation of a client: what is to be bounded, such as reading an answer's body, happens
 * inside.
 */
export type FailoverOperation<S, R> = (context: FailoverContext<S>) => PromiseLike<R> | R;

/**
 * What a station says of a key it was asked about: it ran (with its result), it did not and will
 * not, or it cannot say.
 */
export type KeyStatus<R> = { readonly ran: true; readonly result: R } | { readonly ran: false } | "unknown";
