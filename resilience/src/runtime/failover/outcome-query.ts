/**
 * Asks a lost station what became of a command that it had in hand (rule F4). It may be dead, so the question is short:
 * no answer in time, or one that makes no sense, is `unknown`.
 */
import { checked, DURATION_MS } from "../../core/options.ts";
import type { Clock } from "../clock.ts";
import { afterWait } from "../read-first.ts";
import type { KeyStatus } from "./operation.ts";

export type AskForKey<S> = (
  station: S,
  idempotencyKey: string,
  signal: AbortSignal,
) => PromiseLike<KeyStatus<unknown>> | KeyStatus<unknown>;

export class OutcomeQuery<S> {
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #ask: AskForKey<S>;

  constructor(clock: Clock, timeoutMs: number, ask: AskForKey<S>) {
    this.#clock = clock;
    this.#timeoutMs = checked("PrimaryBackupFailover", "keyStatusTimeoutMs", timeoutMs, DURATION_MS);
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
        (said) => answer.resolve(isKeyStatus<R>(said) ? said : "unknown"),
        () => answer.resolve("unknown"),
      )
      .finally(() => timer[Symbol.dispose]());
    return answer.promise;
  }
}

function isKeyStatus<R>(said: unknown): said is KeyStatus<R> {
  return typeof said === "object" && said !== null && "ran" in said && typeof said.ran === "boolean";
}
