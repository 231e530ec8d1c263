/**
 * Limits the connections of the control listener. A new connection above the limit replaces the one
 * that has been silent for longest. If the newest one were refused instead, a client that opens
 * connections and stays silent could keep a load balancer's probe out. Connections whose answer has
 * begun, such as those of event readers, are never replaced.
 */
import type { Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";

export class ControlConnections {
  readonly #most: number;
  /** Each connection with its last answer; the longest silent one first. */
  readonly #open: Map<Socket, ServerResponse | undefined> = new Map();

  constructor(server: Server, most: number) {
    this.#most = most;
    server.on("connection", (socket: Socket) => this.#opened(socket));
  }

  /** Notes a request on `socket`, which becomes the last one to be closed. */
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
