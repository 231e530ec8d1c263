/**
 * Limits the connections of one listener: in total, and for each address. A connection above a
 * limit is closed on arrival, because an answer would cost the resource that is short.
 * `unserved-connections.ts` counts it by reason.
 */
import type { Server } from "node:http";
import type { Socket } from "node:net";
import { FairShare } from "../../fleet/fair-share.ts";
import { callerOf } from "../http/caller-address.ts";
import type { UnservedConnections } from "./unserved-connections.ts";

export interface ConnectionBounds {
  /** Most at once; `Infinity`: as many as the operating system gives. */
  readonly max: number;
  /**
   * The part of `max` that one address may have while no other address is connected; 1: no bound.
   */
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

  /** Other bounds from now on; open connections stay. */
  use(bounds: ConnectionBounds): void {
    this.#share.use(bounds);
  }

  get open(): number {
    return this.#share.held;
  }

  get max(): number {
    return this.#share.max;
  }
}
