/**
 * What belongs to one request until its answer has been sent: the abort that its caller's end
 * triggers, its memory, its upload, its trace, and what its answer was. The listener fills it in;
 * the access log and the memory of calls read it at the end.
 */
import type { Socket } from "node:net";
import type { AsyncTerms } from "../../fleet/async/async-terms.ts";
import type { CommandTrace } from "../../fleet/command-trace.ts";
import type { MemoryRoom } from "../../fleet/held-memory.ts";
import type { Problem } from "../../fleet/problem.ts";
import type { UploadPace } from "../../fleet/upload-pace.ts";
import { plainAddress } from "../http/caller-address.ts";

export class Exchange {
  readonly caller: AbortController;
  readonly room: MemoryRoom;
  readonly pace: UploadPace;
  readonly trace: CommandTrace;
  /** Kept here, because a closed socket has none. */
  readonly callerAddress: string;
  /** Under which it is to be answered asynchronously; undefined if it is not. */
  asyncTerms: AsyncTerms | undefined = undefined;
  /** Status of the answer; 0 while there is none. */
  status = 0;
  /** When its head was sent, on the axis of the clock; 0 while it was not. */
  answeredMs = 0;
  /** Bytes of the answer's body. */
  bytesOut = 0;
  /** The gateway's own answer; undefined for a station's. */
  problem: Problem | undefined = undefined;
  /** Why there is no station's answer. */
  error: unknown = undefined;
  /** True if the answer was cut before its end. */
  isCut = false;

  #socket: Socket | undefined = undefined;
  #writtenBefore = 0;

  constructor(
    caller: AbortController,
    room: MemoryRoom,
    pace: UploadPace,
    trace: CommandTrace,
    remoteAddress: string | undefined,
  ) {
    this.callerAddress = plainAddress(remoteAddress);
    this.caller = caller;
    this.room = room;
    this.pace = pace;
    this.trace = trace;
  }

  /** The body is a stream: from now on all bytes on `socket` are its own. */
  countFrom(socket: Socket): void {
    this.#socket = socket;
    this.#writtenBefore = socket.bytesWritten;
  }

  /** The answer has ended: counts the bytes of a stream. */
  countTo(): number {
    if (this.#socket !== undefined) this.bytesOut = Math.max(0, this.#socket.bytesWritten - this.#writtenBefore);
    this.#socket = undefined;
    return this.bytesOut;
  }
}
