/**
 * The events of a gateway as they happen, for a command that follows them: it reads the stream of
 * the control listener, and connects again after the last event that it got if the connection
 * breaks, for example because the gateway is started anew. It ends with the process.
 */
import { setTimeout as pause } from "node:timers/promises";
import { Agent, request } from "undici";
import { UserError } from "../process/exit-codes.ts";

/** Pause between two tries to connect, in ms. */
const RETRY_MS = 1_000;
/** The gateway says something at least every 15 s. */
const SILENCE_MS = 45_000;
const MAX_FRAME = 1024 * 1024;

export class EventStream {
  readonly #at: URL;
  readonly #token: string | undefined;
  #last: string | undefined;
  #wasOpen = false;

  /** `last`: the id of the event after which the stream begins; undefined: from now on. */
  constructor(control: URL, token: string | undefined, last: string | undefined) {
    this.#at = new URL("/v1/events", control);
    this.#token = token;
    this.#last = last;
  }

  /** Says on `notes` when the connection breaks, and when it is there again. */
  async *events(notes: { write(text: string): unknown }): AsyncGenerator<object, void, void> {
    const agent = new Agent({ headersTimeout: SILENCE_MS, bodyTimeout: SILENCE_MS, connect: { timeout: 3_000 } });
    let isBroken = false;
    for (;;) {
      try {
        const body = await this.#open(agent);
        if (isBroken) notes.write("gsf: connected again\n");
        isBroken = false;
        yield* this.#read(body);
        throw new Error("the gateway ended the stream");
      } catch (error) {
        if (error instanceof UserError) throw error;
        if (!isBroken) notes.write(`gsf: ${(error as Error).message}; trying again every second\n`);
        isBroken = true;
        await pause(RETRY_MS);
      }
    }
  }

  async #open(agent: Agent): Promise<AsyncIterable<Buffer>> {
    const { statusCode, body } = await request(this.#at, {
      dispatcher: agent,
      headers: {
        accept: "text/event-stream",
        ...(this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` }),
        ...(this.#last === undefined ? {} : { "last-event-id": this.#last }),
      },
    });
    if (statusCode === 200) {
      this.#wasOpen = true;
      return body;
    }
    await body.dump();
    // A gateway that is just starting, or behind a balancer, is not the user's mistake.
    if (this.#wasOpen && statusCode >= 500) throw new Error(`the gateway answered ${statusCode}`);
    throw new UserError("promiseBroken", `the gateway refused the stream of events (${statusCode})`);
  }

  async *#read(body: AsyncIterable<Buffer>): AsyncGenerator<object, void, void> {
    const decoder = new TextDecoder();
    let text = "";
    for await (const piece of body) {
      text += decoder.decode(piece, { stream: true });
      if (text.length > MAX_FRAME) throw new Error("an event of the stream is too long");
      const frames = text.split("\n\n");
      text = frames.pop() as string;
      for (const frame of frames) {
        const id = /^id: (.*)$/m.exec(frame)?.[1];
        const data = /^data: (.*)$/m.exec(frame)?.[1];
        if (id === undefined || data === undefined) continue;
        this.#last = id;
        yield JSON.parse(data) as object;
      }
    }
  }
}
