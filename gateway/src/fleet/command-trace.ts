/**
 * What happened to one command on its way: when it came, which stations it was sent to, and how
 * each attempt ended. It is kept for the access log and for `gsf explain`. A command that its first
 * station answers costs three fields and no listener: how an attempt ended is asked only once a
 * second attempt begins or the command has failed. Decides nothing.
 */
import {
  AmbiguousOutcomeError,
  AttemptTimeoutError,
  CallAbortedError,
  DeadlineExceededError,
  NoEligibleStationError,
} from "ground-station-failover";
import { failureInWords } from "./failure-words.ts";
import type { CommandObserver, CommandReply } from "./uplink.ts";

/** One sending of the command to one station. */
export interface AttemptRecord {
  readonly station: string;
  readonly epoch: number;
  /** On the axis of the group's clock. */
  readonly startedMs: number;
  /** When its end was seen; undefined while it is out, or if nobody waited for it. */
  endedMs: number | undefined;
  /** How it ended: a status (`503`), {@link NO_ANSWER} or plain words; undefined while it is out. */
  result: string | undefined;
}

/** Most attempts that are described; later ones are only counted. */
const MAX_DESCRIBED = 16;

export class CommandTrace implements CommandObserver {
  readonly requestId: string;
  readonly startedMs: number;
  /** How many attempts were sent, at all stations together. */
  attempts = 0;
  /** Station and epoch of the newest attempt; empty and 0 before the first. */
  station = "";
  epoch = 0;
  /** When the first attempt was sent; undefined if none was. */
  firstSentMs: number | undefined = undefined;
  /** How long the sender said it waits; undefined if it did not say. */
  timeLeftMs: number | undefined = undefined;
  #submittedMs = 0;
  #newest: AttemptRecord | undefined = undefined;
  #newestReply: Promise<CommandReply> | undefined = undefined;
  #newestStartedMs = 0;
  #described: AttemptRecord[] | undefined = undefined;

  constructor(requestId: string, startedMs: number) {
    this.requestId = requestId;
    this.startedMs = startedMs;
  }

  /** How long it waited from the group's taking it until its first attempt; 0 if there was none. */
  get waitedMs(): number {
    return this.firstSentMs === undefined ? 0 : this.firstSentMs - this.#submittedMs;
  }

  noteSubmitted(nowMs: number, timeLeftMs: number | undefined): void {
    this.#submittedMs = nowMs;
    this.timeLeftMs = timeLeftMs;
  }

  noteAttempt(station: string, epoch: number, reply: Promise<CommandReply>, nowMs: () => number): void {
    const startedMs = nowMs();
    if (this.attempts > 0) this.#describeNewest(nowMs);
    else this.firstSentMs = startedMs;
    this.attempts++;
    this.station = station;
    this.epoch = epoch;
    this.#newest = undefined;
    this.#newestReply = reply;
    this.#newestStartedMs = startedMs;
  }

  /**
   * The attempts in order. Resolves once the ends of those that have ended are known; those that
   * are still out have no result. Does not wait for a station.
   */
  async described(nowMs: () => number): Promise<readonly AttemptRecord[]> {
    this.#describeNewest(nowMs);
    // The ends of attempts that are over arrive in this turn of the loop.
    await undefined;
    await undefined;
    return this.#described ?? [];
  }

  #describeNewest(nowMs: () => number): void {
    if (this.#newestReply === undefined || this.#newest !== undefined) return;
    const record: AttemptRecord = {
      station: this.station,
      epoch: this.epoch,
      startedMs: this.#newestStartedMs,
      endedMs: undefined,
      result: undefined,
    };
    this.#newest = record;
    this.#described ??= [];
    if (this.#described.length < MAX_DESCRIBED) this.#described.push(record);
    const ended = (result: string): void => {
      record.endedMs = nowMs();
      record.result = result;
    };
    this.#newestReply.then(
      ({ status }) => ended(String(status)),
      (error: unknown) => ended(wasGivenUp(error) ? NO_ANSWER : failureInWords(error)),
    );
  }
}

/** Result of an attempt that the gateway waited for no longer. */
export const NO_ANSWER = "no answer";

/** True if the gateway ended the attempt itself: the station had not answered. */
function wasGivenUp(error: unknown): boolean {
  if (error instanceof NoEligibleStationError) return error.message === "the call was given up";
  return (
    error instanceof AmbiguousOutcomeError ||
    error instanceof AttemptTimeoutError ||
    error instanceof CallAbortedError ||
    error instanceof DeadlineExceededError
  );
}
