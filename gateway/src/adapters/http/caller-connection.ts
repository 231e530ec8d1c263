/**
 * One caller's connection: its requests are served one after the other, in the order in which they
 * came (RFC 9112 §9.3.2), because what a command does may rest on the one before it. After a
 * request that ends the connection, by its own words or because it cannot be read, nothing behind
 * it is served: where it begins is not known any more, or not wanted.
 */
import type { IncomingMessage, ServerResponse } from "node:http";

/**
 * Requests that wait behind one that is being served; whoever sends more in one piece is answered
 * these, and then cut.
 */
const MAX_WAITING = 64;

export class CallerConnection {
  /** The answers that are due, in their order. */
  readonly #due: ServerResponse[] = [];
  readonly #maxWaiting: number;
  #isOver = false;
  /** Has something come that will not be served? */
  #hasUnserved = false;

  constructor(maxWaiting: number = MAX_WAITING) {
    this.#maxWaiting = maxWaiting;
  }

  /** Is `response` the last one on this connection? */
  isLast(response: ServerResponse): boolean {
    return this.#isOver && this.#due.at(-1) === response;
  }

  /** Is there a request that has not been answered to its end? */
  get isDue(): boolean {
    return this.#due.length > 0;
  }

  /** Has nothing come behind `response` yet? */
  isNewest(response: ServerResponse): boolean {
    return !this.#hasUnserved && this.#due.at(-1) === response;
  }

  /** `response` is the last one: what came behind it is not served. */
  endWith(response: ServerResponse): void {
    this.#isOver = true;
    this.#due.length = this.#due.indexOf(response) + 1;
  }

  /**
   * Nothing comes before `message`, and it may be served at once: undefined. Otherwise when its
   * turn has come: is it to be served then? "never": nor is anything behind it.
   */
  arrived(message: IncomingMessage, response: ServerResponse): Promise<boolean> | "never" | undefined {
    if (this.#due.length > this.#maxWaiting) this.#isOver = true;
    if (this.#isOver) {
      this.#hasUnserved = true;
      return "never";
    }
    const before = this.#due.at(-1);
    this.#due.push(response);
    response.once("close", () => {
      const place = this.#due.indexOf(response);
      if (place >= 0) this.#due.splice(place, 1);
    });
    // Behind an offer of another protocol Node's parser reads no further, and what it has read is
    // lost.
    if (!response.shouldKeepAlive || message.headers.upgrade !== undefined) this.#isOver = true;
    if (before === undefined) return undefined;
    return new Promise((resolve) => {
      before.once("close", () => resolve(before.writableFinished && this.#due.includes(response)));
    });
  }

  /**
   * What came now cannot be read. Answers that are due for whole requests are given, the connection
   * ends after them: true. False where there is none: it can be answered, or only cut.
   */
  endsUnread(): boolean {
    this.#isOver = true;
    const newest = this.#due.at(-1);
    // The fault is in its body.
    if (newest !== undefined && !newest.req.complete && this.#due.length > 1) this.#due.pop();
    const last = this.#due.at(-1);
    if (last === undefined || !last.req.complete) return false;
    // It did not say so in its head.
    if (last.headersSent) last.once("close", () => last.req.socket.end());
    return true;
  }

  /** May the one request that is under way be answered with what is wrong with it? */
  get isAnswerable(): boolean {
    return this.#due.every((response) => !response.headersSent && !response.req.complete);
  }
}
