/**
 * Reads a request's body: whole, if that makes the command repeatable at an acceptable cost;
 * otherwise as a stream, passed on while it arrives. Short bodies of known length are read whole.
 * So are bodies of unknown length that come with an idempotency key, as long as they stay short.
 * All others are streamed and can be sent only once. The size limit and the least rate apply to
 * both kinds, however the body is framed.
 *
 * Memory is taken before anything is read, because a body that is refused halfway has already cost
 * its caller the transfer.
 */
import type { IncomingMessage } from "node:http";
import type { MemoryRoom } from "../../fleet/held-memory.ts";
import { NoRoomError, RefusedRequest, refusal } from "../../fleet/problem.ts";
import type { BodyLimits } from "../../fleet/settings.ts";
import type { RequestBody } from "../../fleet/uplink.ts";
import type { UploadPace } from "../../fleet/upload-pace.ts";

type Source = AsyncIterator<Uint8Array>;

/**
 * Most bytes of a stream held in memory: those that Node has read, and those that the receiver has
 * not taken yet.
 */
export const STREAM_BYTES: number = 64 * 1_024;

/** The first allocation for a body of unknown length. */
const FIRST_BYTES = 16 * 1_024;

/** Limits for reading a body. */
export interface BodyTerms {
  readonly limits: BodyLimits;
  /** True if the command has an idempotency key. */
  readonly isKeyed: boolean;
  readonly room: MemoryRoom;
}

/** A body that is about to arrive and for which memory has been taken. */
export interface ExpectedBody {
  readonly how: "none" | "whole" | "whole-while-short" | "streamed";
  /** Its length, if the sender gave it. */
  readonly bytes: number | undefined;
}

/**
 * Takes memory for the body of `message`. Throws {@link RefusedRequest} if it is too long, or there
 * is no room.
 */
export function expectBody(message: IncomingMessage, { limits, isKeyed, room }: BodyTerms): ExpectedBody {
  const isChunked = message.headers["transfer-encoding"] !== undefined;
  const bytes = isChunked ? undefined : Number(message.headers["content-length"] ?? 0);
  if (bytes === 0) return { how: "none", bytes };
  if (bytes !== undefined && bytes > limits.requestBytes) throw tooLarge(limits.requestBytes);
  if (bytes !== undefined && bytes <= limits.replayBytes) {
    takeRoom(room, bytes);
    return { how: "whole", bytes };
  }
  if (isChunked && isKeyed) return { how: "whole-while-short", bytes };
  takeRoom(room, STREAM_BYTES);
  return { how: "streamed", bytes };
}

/**
 * Reads or opens the body of `message`. Rejects if the body breaks off, is too long, or `caller` is
 * aborted meanwhile. A streamed body aborts `caller` before it fails, because the fault is the
 * request's and not that of the station which is reading it.
 */
export async function requestBody(
  message: IncomingMessage,
  { how, bytes }: ExpectedBody,
  { limits, room }: BodyTerms,
  pace: UploadPace,
  caller: AbortController,
): Promise<RequestBody> {
  if (how === "none") return { kind: "none" };
  // Not destroyed when a station stops reading it, because the caller still gets its answer on the
  // same connection.
  const source = message.iterator({ destroyOnReturn: false }) as Source;
  const kept = new KeptBytes(bytes, room);
  if (how !== "streamed") {
    const given = givenUp(caller.signal);
    while (kept.length <= limits.replayBytes) {
      pace.waits();
      const next = await Promise.race([source.next(), given]);
      pace.came(next.done === true ? 0 : next.value.length);
      if (next.done === true) return { kind: "bytes", bytes: kept.bytes };
      kept.add(next.value);
    }
    room.takeAnyway("requests", STREAM_BYTES);
  }
  return new StreamedBody(kept, source, limits.requestBytes, pace, caller);
}

function givenUp(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  promise.catch(() => undefined);
  signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  return promise;
}

/** Takes memory for a request; throws {@link NoRoomError}. */
export function takeRoom(room: MemoryRoom, bytes: number): void {
  const refused = room.take("requests", bytes);
  if (refused !== undefined) throw new NoRoomError(refused, bytes, room.figures);
}

/**
 * The bytes of a body that have arrived, in a single buffer: many pieces of a few bytes each would
 * take many times their size.
 */
class KeptBytes {
  length = 0;
  readonly #declared: number | undefined;
  readonly #room: MemoryRoom;
  #memory: Uint8Array = new Uint8Array();

  /** `declared`: its length, for which memory has already been taken. */
  constructor(declared: number | undefined, room: MemoryRoom) {
    this.#declared = declared;
    this.#room = room;
  }

  get bytes(): Uint8Array {
    return this.#memory.length === this.length ? this.#memory : this.#memory.subarray(0, this.length);
  }

  add(piece: Uint8Array): void {
    const length = this.length + piece.length;
    if (this.length === 0 && piece.length === this.#declared) {
      this.#memory = piece;
    } else {
      if (length > this.#memory.length) this.#grow(length);
      this.#memory.set(piece, this.length);
    }
    this.length = length;
  }

  /** Hands over the bytes; their memory is free once they have been passed on. */
  take(): Uint8Array | undefined {
    if (this.length === 0) return undefined;
    const { bytes } = this;
    this.#room.giveBack("requests", this.#memory.length);
    this.#memory = new Uint8Array();
    this.length = 0;
    return bytes;
  }

  #grow(length: number): void {
    if (this.#declared !== undefined) {
      this.#memory = Buffer.allocUnsafeSlow(this.#declared);
      return;
    }
    const before = this.#memory;
    const size = Math.max(FIRST_BYTES, length, 2 * before.length);
    takeRoom(this.#room, size - before.length);
    this.#memory = Buffer.allocUnsafeSlow(size);
    this.#memory.set(before.subarray(0, this.length));
  }
}

class StreamedBody {
  readonly kind: "stream" = "stream";
  readonly stream: AsyncIterable<Uint8Array>;
  #started = false;

  constructor(early: KeptBytes, source: Source, limit: number, pace: UploadPace, caller: AbortController) {
    this.stream = this.#read(early, source, limit, pace, caller);
  }

  started(): boolean {
    return this.#started;
  }

  async *#read(
    early: KeptBytes,
    source: Source,
    limit: number,
    pace: UploadPace,
    caller: AbortController,
  ): AsyncGenerator<Uint8Array, void, void> {
    this.#started = true;
    let bytes = 0;
    const counted = (piece: Uint8Array): Uint8Array => {
      bytes += piece.length;
      if (bytes > limit) throw tooLarge(limit);
      return piece;
    };
    try {
      const first = early.take();
      if (first !== undefined) yield counted(first);
      for (;;) {
        pace.waits();
        const next = await source.next();
        pace.came(next.done === true ? 0 : next.value.length);
        if (next.done === true) return;
        yield counted(next.value);
      }
    } catch (error) {
      caller.abort(error);
      throw error;
    } finally {
      pace.end();
    }
  }
}

function tooLarge(limit: number): RefusedRequest {
  const detail = `the body is longer than ${limit} bytes, which is the most that is accepted here`;
  return new RefusedRequest(refusal(413, "REQUEST_TOO_LARGE", detail));
}
