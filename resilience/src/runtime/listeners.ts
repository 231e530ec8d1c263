/**
 * Calls users' callbacks in a way that does no harm. The caller's state is already consistent, so a
 * listener may call back in, and may add or remove listeners. A listener that throws stops neither
 * the others nor the call that it was informed about; its error becomes an uncaught exception, as
 * with the platform's own event targets.
 */
import { refusal } from "../core/options.ts";

export class Listeners<Event> {
  #entries: ReadonlyArray<{ readonly listener: (event: Event) => void }> = [];

  /**
   * A listener that is added twice is called twice; disposing ends only the entry that it was
   * returned for.
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

/** Throws `ConfigurationError` if `listener` is no function. */
export function checkListener(part: string, listener: unknown): void {
  if (typeof listener !== "function") throw refusal(part, "it", listener, "a function");
}

/**
 * Runs code of others whose error must not stop this library: the error becomes an uncaught
 * exception instead.
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
