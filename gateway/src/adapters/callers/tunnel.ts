/**
 * A connection that has left HTTP (WebSocket and other upgrades, RFC 9110 §7.8): bytes go both ways
 * between caller and station until both are done. Each direction waits for its reader, ends by
 * itself (half-close), and counts what is under way in the memory for callers. If either end
 * breaks, the other is reset, because a clean end would look like an agreed one. A tunnel on which
 * nothing has moved for long is ended; the operating system finds out whether a silent peer is
 * still there (TCP keep-alive).
 */
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import type { HeldKind, MemoryRoom } from "../../fleet/held-memory.ts";

export interface TunnelOptions {
  /** Counts bytes under way. */
  readonly room: MemoryRoom;
  /** Longest time without a byte in either direction, in ms. */
  readonly idleMs: number;
  /** Breaks off the caller's end so that the caller sees an error. */
  readonly resetCaller: () => void;
}

/** Silence after which TCP asks whether the peer is there. */
const ASK_AFTER_MS = 60_000;

/** Joins both ends, until one of them breaks or both have ended. `early`: bytes already read. */
export function joinTunnel(caller: Duplex, station: Duplex, early: Uint8Array, options: TunnelOptions): void {
  const { room, idleMs, resetCaller } = options;
  const broke = (): void => {
    if (!caller.destroyed) resetCaller();
    reset(station);
  };
  for (const end of [caller, station]) {
    Object.assign(end, { allowHalfOpen: true });
    // An error is followed by a close, which tells the same.
    end.on("error", () => undefined);
    (end as Partial<Socket>).setKeepAlive?.(true, ASK_AFTER_MS);
    (end as Partial<Socket>).setNoDelay?.(true);
    (end as Partial<Socket>).setTimeout?.(0);
  }
  const isOver = (end: Duplex): boolean => end.readableEnded && end.writableFinished;
  caller.once("close", () => {
    if (isOver(caller)) station.end();
    else reset(station);
  });
  station.once("close", () => (isOver(station) ? caller.end() : broke()));
  // Bytes in either direction pass the caller's end.
  (caller as Socket).setTimeout(idleMs, broke);
  if (early.length > 0) station.write(early);
  flow(caller, station, room, "requests");
  flow(station, caller, room, "replies");
}

/** A station behind TLS sees that the end was not agreed: no `close_notify` comes before it. */
function reset(end: Duplex): void {
  if (end.destroyed) return;
  if (end instanceof Socket && !(end instanceof TLSSocket)) end.resetAndDestroy();
  else end.destroy();
}

function flow(from: Duplex, to: Duplex, room: MemoryRoom, kind: HeldKind): void {
  let under = 0;
  const written = (bytes: number): void => {
    room.giveBack(kind, bytes);
    under -= bytes;
    if (under === 0 && from.isPaused()) from.resume();
  };
  from.on("data", (chunk: Uint8Array) => {
    const bytes = chunk.length;
    room.takeAnyway(kind, bytes);
    under += bytes;
    const flows = to.write(chunk, () => written(bytes));
    if ((!flows || room.isFull) && under > 0) from.pause();
  });
  from.once("end", () => to.end());
  from.resume();
}
