/**
 * Callbacks of users, called so that they can do no harm: the caller's state is already consistent,
 * a listener may call back in, add or remove listeners, and one that throws stops neither the
 * others nor the call that it was told about; its error surfaces as an uncaught exception, as with
 * the platform's own event targets.
 */
import { refusal } from "../core/options.ts";

export class Listeners<Event> {
  #entries: ReadonlyArray<{ readonly listener: (event: Event) => void }> = [];

  /**
   * The same listener added twice is told twice; disposing ends the one that it was returned for.
   */
  add(listener: (event: Event) => void): Disposable {
    checkListener("a listener", listener);
    const added = { listener };
    this.#entries = [...this.#entries, added];
    return {
      [Symbol.dispose]: () => {
        this.#entries = this.#entries.filter((entry) => entry !== added);
      },
    };
  }

  get any(): boolean {
    return this.#entries.length > 0;
  }

  tell(event: Event): void {
    for (const { listener } of this.#entries) guarded(() => listener(event));
  }
}

/** Throws `ConfigurationError` where `listener` is no function. */
export function checkListener(part: string, listener: unknown): void {
  if (typeof listener !== "function") throw refusal(part, "it", listener, "a function");
}

/**
 * Runs somebody else's code where its error may not stop ours: it surfaces as an uncaught exception
 * instead.
 */
export function guarded(run: () => void): void {
  try {
    run();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
