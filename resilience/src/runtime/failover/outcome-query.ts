/**
 * Asks a lost station what became of a command that it had (rule F4). The station may be dead, so
 * the timeout is short: no answer in time, or an invalid answer, is `unknown`.
 */
import { propertyOf, UNREADABLE } from "../../core/unknown-value.ts";
import type { Clock } from "../time/clock.ts";
import { afterWait } from "../time/read-first.ts";
import type { KeyStatus } from "./operation.ts";

/** Asks a station for the outcome of the command with this key. */
export type OutcomeQuery<S> = (
  station: S,
  idempotencyKey: string,
  signal: AbortSignal,
) => PromiseLike<KeyStatus<unknown>> | KeyStatus<unknown>;

export class OutcomeQueries<S> {
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #ask: OutcomeQuery<S>;

  constructor(clock: Clock, timeoutMs: number, ask: OutcomeQuery<S>) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#ask = ask;
  }

  /** Never rejects. */
  ask<R>(station: S, idempotencyKey: string, deadline: number): Promise<KeyStatus<R>> {
    const giveUp = new AbortController();
    const answer = Promise.withResolvers<KeyStatus<R>>();
    const over = (): void => {
      answer.resolve("unknown");
      giveUp.abort();
    };
    const timer = afterWait(this.#clock, this.#timeoutMs, over, deadline);
    Promise.resolve()
      .then(() => this.#ask(station, idempotencyKey, giveUp.signal))
      .then(
        (said) => answer.resolve(keyStatusOf<R>(said)),
        () => answer.resolve("unknown"),
      )
      .finally(() => timer[Symbol.dispose]());
    return answer.promise;
  }
}

/** The answer, read once; an answer that cannot be read is `unknown`. */
function keyStatusOf<R>(said: unknown): KeyStatus<R> {
  const ran = propertyOf(said, "ran");
  if (ran === false) return { ran };
  const result = propertyOf(said, "result");
  return ran === true && result !== UNREADABLE ? { ran, result: result as R } : "unknown";
}
