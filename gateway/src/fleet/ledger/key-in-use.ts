/**
 * A key in use: the first request with it is on its way to a station, and others with the same key
 * wait for its answer. It outlives the caller of the first request while any other waits; when none
 * is left, the work at the station ends, as it does for a command without a key.
 */
import type { CommandReply } from "../uplink.ts";
import type { KeyUse } from "./group-keys.ts";

/** Called with the answer of the first request; with undefined if it ended without one to share. */
type Waiter = (reply: CommandReply | undefined) => void;

export class KeyInUse implements KeyUse {
  readonly fingerprint: string;
  readonly #stop: AbortController = new AbortController();
  readonly #waiters: Set<Waiter> = new Set();
  #given: CommandReply | undefined = undefined;
  #hasFirstLeft = false;

  constructor(fingerprint: string) {
    this.fingerprint = fingerprint;
  }

  /** Aborted when no caller waits any more. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** The answer, if it was given already although it is not durable yet. */
  get given(): CommandReply | undefined {
    return this.#given;
  }

  get hasFirstLeft(): boolean {
    return this.#hasFirstLeft;
  }

  /** The caller of the first request has left. True if the work goes on for others. */
  leaveFirst(reason: unknown): boolean {
    this.#hasFirstLeft = true;
    return !this.#stopIfAlone(reason);
  }

  wait(waiter: Waiter): void {
    this.#waiters.add(waiter);
  }

  /** A waiting caller has left, or its time is up. */
  leave(waiter: Waiter, reason: unknown): void {
    this.#waiters.delete(waiter);
    if (this.#hasFirstLeft) this.#stopIfAlone(reason);
  }

  /** Gives all that wait, and all that come while the key is in use, the answer. */
  give(reply: CommandReply): void {
    this.#given = reply;
    this.#wake(reply);
  }

  /** The use is over without an answer that can be shared: those that wait have to try. */
  endWithout(): void {
    this.#wake(undefined);
  }

  #wake(reply: CommandReply | undefined): void {
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    for (const waiter of waiters) waiter(reply);
  }

  #stopIfAlone(reason: unknown): boolean {
    if (this.#waiters.size > 0) return false;
    this.#stop.abort(reason);
    return true;
  }
}
