/**
 * One asynchronous command in memory: what its record says, and where it is in its life. The
 * request and the answer stay in the store.
 *
 *   accepting ──record durable──► queued ──released──► starting ──"sent" durable──► running
 *       │                        ▲    │                    │                           │
 *   (refused)                    │    └─expired, cancelled─┼──────────┐                │
 *                                └──────another round──────┴──────────┼────────────────┤
 *                                                                     ▼                ▼
 *                                        ended ◄──result durable── ending ◄──final answer, failed
 *                                          │
 *                                     (forgotten)
 *
 * The result becomes durable in the same commit that removes the request. A command whose record
 * says `sent` may have been executed, whatever happened to this process.
 */
import type { CommandMeta, RecordedState } from "./command-record.ts";

export type CommandPhase = "accepting" | "queued" | "starting" | "running" | "ending" | "ended";

/** The state that callers are told. */
export type ShownState = "queued" | "running" | "done" | "expired" | "cancelled" | "failed";

/** How a command ended. */
export interface CommandEnding {
  readonly state: Exclude<RecordedState, "queued" | "sent">;
  readonly status?: number;
  readonly answerBytes?: number;
  readonly isBodyOmitted?: boolean;
  readonly reason?: string;
  readonly outcomeUnknown?: boolean;
}

export class QueuedCommand {
  meta: CommandMeta;
  phase: CommandPhase;
  /** It may have been executed. */
  mayHaveRun: boolean;
  rounds = 0;
  /** Attempts in the round that is under way. */
  attemptsOfRound = 0;
  /** Of these, those that may have arrived. */
  sentOfRound = 0;
  /** When its next round may begin; only valid while it waits for that. */
  nextRoundAtMs = 0;
  /** Its caller has read the result. */
  isFetched = false;
  /** Ends the round that is under way, if nothing of it has been sent. */
  isCancelAsked = false;

  constructor(meta: CommandMeta, phase: CommandPhase) {
    this.meta = meta;
    this.phase = phase;
    this.mayHaveRun = meta.state === "sent";
  }

  get id(): string {
    return this.meta.id;
  }

  get isEnded(): boolean {
    return this.phase === "ended";
  }

  get shownState(): ShownState {
    if (this.phase === "ended") return this.meta.state as ShownState;
    return this.phase === "accepting" || this.phase === "queued" ? "queued" : "running";
  }

  get attempts(): number {
    return this.meta.attempts + this.attemptsOfRound;
  }

  /** Bytes that it takes in the store, with what surrounds its records there. */
  get storedBytes(): number {
    const { requestBytes, answerBytes = 0 } = this.meta;
    return RECORD_BYTES + (this.phase === "ended" ? answerBytes : requestBytes);
  }

  /** Is nothing of it at a station, and was it never? */
  get isCancellable(): boolean {
    if (this.mayHaveRun) return false;
    if (this.phase === "queued" || this.phase === "starting") return true;
    return this.phase === "running" && this.sentOfRound === 0;
  }
}

/** What is known of a command takes about this much, and as much again for its indexes. */
const RECORD_BYTES = 1_024;
