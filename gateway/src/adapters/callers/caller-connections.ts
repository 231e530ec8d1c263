/**
 * The connections of one listener: so many at most, and of those so many from one address. One that
 * is too many is closed as it comes, because an answer would cost what there is too little of; it
 * is counted by why (`unserved-connections.ts`).
 */
import type { Server } from "node:http";
import type { Socket } from "node:net";
import { FairShare } from "../../fleet/fair-share.ts";
import { callerOf } from "../http/caller-address.ts";
import type { UnservedConnections } from "./unserved-connections.ts";

export interface ConnectionBounds {
  /** Most at once; `Infinity` for as many as the system gives. */
  readonly max: number;
  /** The part of these that one address may have while nobody else is connected; 1 for no bound. */
  readonly callerRatio: number;
}

export class CallerConnections {
  readonly #share: FairShare;

  constructor(server: Server, bounds: ConnectionBounds, unserved: UnservedConnections) {
    this.#share = new FairShare(bounds);
    server.on("connection", (socket: Socket) => {
      const caller = callerOf(socket.remoteAddress);
      const refused = this.#share.take(caller, 1);
      if (refused === undefined) return void socket.once("close", () => this.#share.giveBack(caller, 1));
      const { max } = this.#share;
      if (refused === "caller") unserved.note("caller", { caller, connections: this.#share.heldBy(caller), max });
      else unserved.note("refused", { max });
      socket.destroy();
    });
  }

  get open(): number {
    return this.#share.held;
  }

  get max(): number {
    return this.#share.max;
  }
}
