/**
 * One caller's connection. Its requests are served one after the other, in order of arrival (RFC
 * 9112 §9.3.2), because the effect of a command may depend on the one before it. If a request ends
 * the connection, because it says so or because it cannot be read, nothing after it is served: the
 * start of the next request is then unknown, or no further request is wanted.
 */
import type { IncomingMessage, ServerResponse } from "node:http";

/**
 * Most requests that may wait behind the one being served. If a caller sends more at once, these
 * are answered and the connection is then cut.
 */
const MAX_WAITING = 64;

export class CallerConnection {
  /** The answers that are due, in order. */
  readonly #due: ServerResponse[] = [];
  readonly #maxWaiting: number;
  #isOver = false;
  /** True if a request has arrived that will not be served. */
  #hasUnserved = false;

  constructor(maxWaiting: number = MAX_WAITING) {
    this.#maxWaiting = maxWaiting;
  }

  /** True if `response` is the last answer on this connection. */
  isLast(response: ServerResponse): boolean {
    return this.#isOver && this.#due.at(-1) === response;
  }

  /** True if a request has not been fully answered yet. */
  get isDue(): boolean {
    return this.#due.length > 0;
  }

  /** True if no request has arrived after that of `response`. */
  isNewest(response: ServerResponse): boolean {
    return !this.#hasUnserved && this.#due.at(-1) === response;
  }

  /** Makes `response` the last answer; requests after it are not served. */
  endWith(response: ServerResponse): void {
    this.#isOver = true;
    this.#due.length = this.#due.indexOf(response) + 1;
  }

  /**
   * Queues a request. Returns undefined if no request is before it and it may be served at once.
   * Otherwise returns a promise that resolves when its turn has come: true if it is to be served.
   * "never": neither this request nor any later one is served.
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
    // After an upgrade request, Node's parser reads no further and loses what it has already read.
    if (!response.shouldKeepAlive || message.headers.upgrade !== undefined) this.#isOver = true;
    if (before === undefined) return undefined;
    return new Promise((resolve) => {
      before.once("close", () => resolve(before.writableFinished && this.#due.includes(response)));
    });
  }

  /**
   * The data that has just arrived cannot be read. True: answers that are due for complete requests
   * are sent first, and the connection ends after them. False: there are none, so the fault can be
   * answered or the connection cut.
   */
  endsUnread(): boolean {
    this.#isOver = true;
    const newest = this.#due.at(-1);
    // The fault is in the body of the newest request.
    if (newest !== undefined && !newest.req.complete && this.#due.length > 1) this.#due.pop();
    const last = this.#due.at(-1);
    if (last === undefined || !last.req.complete) return false;
    // Its head did not announce the close.
    if (last.headersSent) last.once("close", () => last.req.socket.end());
    return true;
  }

  /** True if the current request can be answered with the problem that was found in it. */
  get isAnswerable(): boolean {
    return this.#due.every((response) => !response.headersSent && !response.req.complete);
  }
}
