/**
 * What the ledger of a group says about itself: figures for status and metrics, and the event for
 * operators when the store does not serve it.
 */
import type { RecordStoreErrorCode } from "../record-store.ts";
import type { NotKept } from "./kept-answer.ts";

/** What requests with a key found. */
type KeyUseResult = "first" | "replayed" | "waited" | "reused" | "timedOut" | "unreadable";

/** Why an answer was given without being durable. `slow`: it may become durable later. */
export type NotRemembered = RecordStoreErrorCode | "slow";

export interface LedgerCounts {
  readonly used: Record<KeyUseResult, number>;
  readonly notKept: Record<NotKept | NotRemembered, number>;
}

export function noCounts(): LedgerCounts {
  return {
    used: { first: 0, replayed: 0, waited: 0, reused: 0, timedOut: 0, unreadable: 0 },
    notKept: {
      ...{ "not-final": 0, streamed: 0, "too-large": 0 },
      ...{ full: 0, busy: 0, failed: 0, closed: 0, slow: 0 },
    },
  };
}

export interface LedgerStatus {
  /** Keys that were answered, and the bytes that they take in the store. */
  readonly keys: number;
  readonly bytes: number;
  /** Keys whose first request is on its way. */
  readonly inUse: number;
  /** Keys forgotten before their time for lack of room, since the start. */
  readonly forgottenEarly: number;
  /** Requests with a key by what they found, since the start. */
  readonly used: Readonly<Record<KeyUseResult, number>>;
  /** Answers that were not kept, by why, since the start. */
  readonly notKept: Readonly<Record<NotKept | NotRemembered, number>>;
}

/**
 * The store does not serve the ledger. `not-kept`: answers were given without being durable.
 * `not-read`: answers that were given before could not be read. `not-loaded`: which keys were
 * answered before the start is not known. At most one event of each in 10 s.
 */
export interface LedgerTrouble {
  readonly type: "ledger-trouble";
  readonly what: "not-kept" | "not-read" | "not-loaded";
  /** The store's error code, or `slow`, or `damaged`. */
  readonly reason: string;
  /** Number of answers since the last such event. */
  readonly answers: number;
  readonly atMs: number;
}
