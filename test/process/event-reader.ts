/** What a gateway tells on `/v1/events`, read by a test as it comes. */
import type { GatewayEvent } from "../../gateway/src/compose.ts";

/** An event as it is sent: `at` is the time of day. */
export type ToldEvent = GatewayEvent & { readonly at: string; readonly sentence: string };

export class EventReader implements AsyncDisposable {
  readonly told: ToldEvent[] = [];
  readonly #hangUp: AbortController = new AbortController();
  readonly #waiting: Set<() => void> = new Set();
  #reading: Promise<void> = Promise.resolve();

  /** Reads from now on. */
  static async open(control: string): Promise<EventReader> {
    const reader = new EventReader();
    const answer = await fetch(`${control}/v1/events`, { signal: reader.#hangUp.signal });
    reader.#reading = reader.#read(answer.body as unknown as AsyncIterable<Uint8Array>).catch(() => undefined);
    return reader;
  }

  /**
   * Resolves with the first event, told already or to come, that `fits`. Never rejects: the test's
   * own limit ends a vain wait.
   */
  until<Type extends ToldEvent["type"]>(
    type: Type,
    fits: (event: ToldEvent & { readonly type: Type }) => boolean = () => true,
  ): Promise<ToldEvent & { readonly type: Type }> {
    return new Promise((resolve) => {
      const look = (): void => {
        const found = this.of(type).find(fits);
        if (found === undefined) return;
        this.#waiting.delete(look);
        resolve(found);
      };
      this.#waiting.add(look);
      look();
    });
  }

  of<Type extends ToldEvent["type"]>(type: Type): (ToldEvent & { readonly type: Type })[] {
    return this.told.filter((event): event is ToldEvent & { readonly type: Type } => event.type === type);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#hangUp.abort();
    await this.#reading;
  }

  async #read(pieces: AsyncIterable<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    let text = "";
    for await (const piece of pieces) {
      text += decoder.decode(piece, { stream: true });
      const frames = text.split("\n\n");
      text = frames.pop() as string;
      for (const frame of frames) {
        const data = /^data: (.*)$/m.exec(frame)?.[1];
        if (data !== undefined && !frame.includes("event: gap")) this.told.push(JSON.parse(data) as ToldEvent);
      }
      for (const look of this.#waiting) look();
    }
  }
}
