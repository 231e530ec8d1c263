/**
 * How the sender of a request signals that it no longer waits: the part of an `AbortSignal` that
 * the simulated wire needs. A request passes three hops, each with a sender of its own. A real
 * signal and a listener for each hop would cost more than all else that happens there. For
 * production code that needs one, {@link signalOf} makes a real signal.
 */

/** Called when the sender no longer waits. */
export type AbortListener = (() => void) | { handleEvent(): void };

/** The part of a signal that is used here; a real signal has it too. */
export interface Waiting {
  readonly aborted: boolean;
  readonly reason: unknown;
  addEventListener(type: "abort", listener: AbortListener, options: { readonly once: true }): void;
  removeEventListener(type: "abort", listener: AbortListener): void;
}

/** Has one listener at a time: the code that has the request at that moment. */
export class HangUp implements Waiting {
  aborted = false;
  reason: unknown = undefined;
  #listener: AbortListener | undefined = undefined;

  /** The sender no longer waits. */
  abort(reason: unknown): void {
    if (this.aborted) return;
    this.aborted = true;
    this.reason = reason;
    const listener = this.#listener;
    this.#listener = undefined;
    if (typeof listener === "function") listener();
    else listener?.handleEvent();
  }

  addEventListener(_type: "abort", listener: AbortListener): void {
    if (this.#listener !== undefined) throw new Error("somebody else has this request in hand");
    if (!this.aborted) this.#listener = listener;
  }

  removeEventListener(_type: "abort", listener: AbortListener): void {
    if (this.#listener === listener) this.#listener = undefined;
  }
}

/**
 * A real signal that is aborted together with `waiting`, for its reason or for the one that
 * `reasonOf` gives. `waiting` must not be aborted yet.
 */
export function signalOf(waiting: Waiting, reasonOf = (): unknown => waiting.reason): AbortSignal {
  const controller = new AbortController();
  waiting.addEventListener("abort", () => controller.abort(reasonOf()), { once: true });
  return controller.signal;
}
