/**
 * The answer on a stream of HTTP/2, written like one of HTTP/1.1 (`ServerResponse`). Fields of the
 * connection are left out, and names are in lower case (RFC 9113 §8.2). A caller that does not read
 * stops the writer, by the flow control of its stream.
 */
import type { IncomingMessage } from "node:http";
import { constants, type OutgoingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import { Writable } from "node:stream";
import { ofMessage } from "./http-headers.ts";
import type { StreamSocket } from "./stream-request.ts";

const BODILESS: ReadonlySet<number> = new Set([204, 205, 304]);

export class StreamResponse extends Writable {
  readonly req: IncomingMessage;
  readonly shouldKeepAlive = true;
  statusCode = 200;
  headersSent = false;
  readonly #stream: ServerHttp2Stream;
  readonly #socket: StreamSocket;
  readonly #onBegin: () => void;
  #isBodiless = false;
  #trailers: OutgoingHttpHeaders = {};

  /** `onBegin` is called when the head of the answer is sent. */
  constructor(stream: ServerHttp2Stream, message: IncomingMessage, socket: StreamSocket, onBegin: () => void) {
    super({ highWaterMark: stream.writableHighWaterMark });
    this.#stream = stream;
    this.req = message;
    this.#socket = socket;
    this.#onBegin = onBegin;
    const gone = (): void => {
      if (!this.writableFinished) this.destroy();
    };
    stream.on("aborted", gone).on("close", gone).on("error", gone);
    // The end of the stream is told by its close.
    this.on("error", () => undefined);
    stream.on("wantTrailers", () => this.#sendTrailers());
  }

  writeContinue(): void {
    if (!this.destroyed && !this.#stream.closed) this.#stream.additionalHeaders({ ":status": 100 });
  }

  /** `fields`: names and values alternating. */
  writeHead(status: number, _statusText: string, fields: readonly string[]): this {
    if (this.destroyed || this.#stream.destroyed || this.#stream.closed) return this;
    this.statusCode = status;
    this.headersSent = true;
    this.#isBodiless = this.req.method === "HEAD" || BODILESS.has(status);
    const headers: OutgoingHttpHeaders = { ":status": status };
    const options = this.#isBodiless ? { endStream: true } : { waitForTrailers: true };
    addFields(headers, fields);
    try {
      this.#stream.respond(headers, options);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ERR_HTTP2_HEADER_SINGLE_VALUE") throw error;
      this.#stream.respond(joined(headers), options);
    }
    this.#onBegin();
    return this;
  }

  /** The head is never held back. */
  flushHeaders(): void {}

  addTrailers(trailers: readonly (readonly [name: string, value: string])[]): void {
    addFields(this.#trailers, trailers.flat());
  }

  override _write(piece: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.#isBodiless) return done();
    this.#socket.bytesWritten += piece.length;
    this.#stream.write(piece, done);
  }

  override _final(done: (error?: Error | null) => void): void {
    if (!this.#isBodiless) return void this.#stream.end(done);
    this.#stopUpload();
    done();
  }

  #sendTrailers(): void {
    try {
      this.#stream.sendTrailers(joined(this.#trailers));
      this.#stopUpload();
    } catch {
      // Without them the answer is not whole.
      if (!this.#stream.closed) this.#stream.close(constants.NGHTTP2_INTERNAL_ERROR);
    }
  }

  /** The answer has ended: the caller need not send the rest of its request (RFC 9113 §8.1). */
  #stopUpload(): void {
    setImmediate(() => {
      if (!this.req.complete && !this.#stream.closed) this.#stream.close(constants.NGHTTP2_NO_ERROR);
    });
  }
}

function addFields(headers: OutgoingHttpHeaders, fields: readonly string[]): void {
  for (const [name, value] of ofMessage(fields)) {
    const lower = name.toLowerCase();
    const before = headers[lower];
    if (before === undefined) headers[lower] = value;
    else headers[lower] = Array.isArray(before) ? [...before, value] : [String(before), value];
  }
}

/** Node sends some fields once only; repeated ones are a list (RFC 9110 §5.3). */
function joined(headers: OutgoingHttpHeaders): OutgoingHttpHeaders {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name,
      Array.isArray(value) && name !== "set-cookie" ? value.join(", ") : value,
    ]),
  );
}
