/**
 * The connections of the control listener: so many at most, and a new one takes the place of the
 * one that has been silent for longest. Refusing the newest instead would let anybody who opens
 * connections and says nothing keep a balancer's probe out. Those whose answer has begun, such as
 * readers of events, keep their place.
 */
import type { Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";

export class ControlConnections {
  readonly #most: number;
  /** Each with the answer that it was last given, silent for longest first. */
  readonly #open: Map<Socket, ServerResponse | undefined> = new Map();

  constructor(server: Server, most: number) {
    this.#most = most;
    server.on("connection", (socket: Socket) => this.#opened(socket));
  }

  /** `socket` has spoken, and is the last to be closed. */
  asked(socket: Socket, response: ServerResponse): void {
    if (!this.#open.delete(socket)) return;
    this.#open.set(socket, response);
  }

  #opened(socket: Socket): void {
    if (this.#open.size >= this.#most && !this.#makeRoom()) return void socket.destroy();
    this.#open.set(socket, undefined);
    socket.once("close", () => this.#open.delete(socket));
  }

  #makeRoom(): boolean {
    for (const [socket, answer] of this.#open) {
      if (answer?.headersSent === true && !answer.writableFinished) continue;
      this.#open.delete(socket);
      socket.destroy();
      return true;
    }
    return false;
  }
}
