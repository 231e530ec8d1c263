/**
 * How the sender of a request says that it waits no longer: as much of an `AbortSignal` as the
 * simulated wire needs. A request passes three doors, each with a sender of its own, and making a
 * real signal and a listener for each costs more than all else that happens there. Where code that
 * ships is to be told, {@link signalOf} makes a real one.
 */

/** Is told of the end. */
export type AbortListener = (() => void) | { handleEvent(): void };

/** What is asked of a signal here; a real one will do. */
export interface Waiting {
  readonly aborted: boolean;
  readonly reason: unknown;
  addEventListener(type: "abort", listener: AbortListener, options: { readonly once: true }): void;
  removeEventListener(type: "abort", listener: AbortListener): void;
}

/** Has one listener at a time: whoever has the request in hand. */
export class HangUp implements Waiting {
  aborted = false;
  reason: unknown = undefined;
  #listener: AbortListener | undefined = undefined;

  /** Its sender waits no longer. */
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
 * A real signal that is aborted with `waiting`, which was not aborted before, for its reason or the
 * one that `reasonOf` gives.
 */
export function signalOf(waiting: Waiting, reasonOf = (): unknown => waiting.reason): AbortSignal {
  const controller = new AbortController();
  waiting.addEventListener("abort", () => controller.abort(reasonOf()), { once: true });
  return controller.signal;
}
