/**
 * Callbacks of users, called so that they can do no harm: the caller's state is already consistent, a listener may call
 * back in, add or remove listeners, and one that throws stops neither the others nor the call that it was told about;
 * its error surfaces as an uncaught exception, as with the platform's own event targets.
 */
export class Listeners<Event> {
  #listeners: ReadonlyArray<(event: Event) => void> = [];

  add(listener: (event: Event) => void): Disposable {
    this.#listeners = [...this.#listeners, listener];
    return {
      [Symbol.dispose]: () => {
        this.#listeners = this.#listeners.filter((other) => other !== listener);
      },
    };
  }

  get any(): boolean {
    return this.#listeners.length > 0;
  }

  tell(event: Event): void {
    for (const listener of this.#listeners) {
      try {
        listener(event);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
