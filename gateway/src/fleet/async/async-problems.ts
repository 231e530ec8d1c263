/**
 * Why an asynchronous command is not accepted, not executed, or has no result, as callers are told.
 * Nothing was accepted, except after STORE_FAILED, where that is not known.
 *
 * | code                   | status | meaning                                                        |
 * | ---------------------- | ------ | -------------------------------------------------------------- |
 * | ASYNC_UNAVAILABLE      | 501    | the gateway has no durable store                               |
 * | ASYNC_QUEUE_FULL       | 503    | too many commands wait                                         |
 * | ASYNC_RESULTS_FULL     | 503    | too many results are kept that nobody has read                 |
 * | ASYNC_BYTES_FULL       | 503    | requests and results take all the room that they may           |
 * | STORE_FULL, STORE_BUSY | 503    | the store has no room, or too much is being written            |
 * | STORE_FAILED           | 503    | the device of the store failed                                 |
 * | STORE_CLOSED           | 503    | the gateway stops                                              |
 * | KEY_REUSED             | 422    | another command was accepted under this key                    |
 * | NO_SUCH_COMMAND        | 404    | no such command, or its result is not kept any more            |
 * | COMMAND_PENDING        | 409    | there is no answer yet                                         |
 * | NO_ANSWER              | 409    | the command ended without an answer, or its answer was not kept |
 * | TOO_LATE_TO_CANCEL     | 409    | the command may have reached a station, or has ended           |
 */
import { INTERNAL, type Problem, refusal } from "../problem.ts";
import { RecordStoreError } from "../record-store.ts";
import type { AsyncSettings } from "../settings.ts";

export const KEY_REUSED: Problem = refusal(
  422,
  "KEY_REUSED",
  "another command was accepted under this Idempotency-Key; use a new key for another command",
);
/** Status 400: there is nothing to be sent again. */
export const DAMAGED: Problem = refusal(400, "RECORD_DAMAGED", "its request is missing in the store, or damaged");
export const NOT_SENT_IN_TIME: Problem = refusal(504, "DEADLINE_EXCEEDED", "it was not sent");

export const ASYNC_UNAVAILABLE: Problem = refusal(
  501,
  "ASYNC_UNAVAILABLE",
  "asynchronous commands need a durable store (`state` in the configuration); send the command without respond-async",
);
export const NO_SUCH_COMMAND: Problem = refusal(
  404,
  "NO_SUCH_COMMAND",
  "there is no such command, or its result is not kept any more",
);
export const STORE_UNREADABLE: Problem = {
  status: 503,
  code: "STORE_FAILED",
  detail: "the store of the gateway cannot be read",
  retryAfterMs: 30_000,
};

export function storeProblem(error: unknown): Problem {
  if (!(error instanceof RecordStoreError)) return INTERNAL;
  const { code } = error;
  if (code === "full" || code === "busy") {
    const why = code === "full" ? "the store of the gateway is full" : "the store of the gateway is busy";
    return { status: 503, code: `STORE_${code.toUpperCase()}`, detail: `not accepted: ${why}`, retryAfterMs: 5_000 };
  }
  const detail =
    code === "failed"
      ? "the device of the gateway's store failed: it is unknown whether the command is durable"
      : "not accepted: the store of the gateway is closed";
  return {
    status: 503,
    code: `STORE_${code.toUpperCase()}`,
    detail,
    retryAfterMs: 30_000,
    outcomeUnknown: code === "failed",
  };
}

export function refusedFor(
  reason: string,
  retryAfterMs: number,
  { maxQueued, maxResults, maxBytes }: AsyncSettings,
): Problem {
  switch (reason) {
    case "too-large":
      return refusal(413, "REQUEST_TOO_LARGE", `it takes more than async.maxBytes, which is ${maxBytes}`);
    case "queue-full":
      return { status: 503, code: "ASYNC_QUEUE_FULL", detail: `async.maxQueued is ${maxQueued}`, retryAfterMs };
    case "results-full":
      return {
        ...{ status: 503, code: "ASYNC_RESULTS_FULL", retryAfterMs },
        detail: `${maxResults} results are kept that nobody has read (async.maxResults)`,
      };
    default:
      return { status: 503, code: "ASYNC_BYTES_FULL", detail: `async.maxBytes is ${maxBytes}`, retryAfterMs };
  }
}
