/**
 * One request on its way to a station and its reply on the way back, as reported by undici's
 * dispatch. Its states:
 *
 *   connecting ──start──► sent ──head──► reading whole ──end──► reply (bytes)
 *       │                  │                  │ too long, or too slow
 *       │ never sent       │ may have run     ▼
 *       ▼                  ▼              streaming ──head handed out──► reply (stream)
 *     error              error
 *
 * If a body that is read whole breaks off, the exchange fails, and the command is repeated if that
 * is safe. If a streamed body breaks off, its stream ends with an error.
 */
import type { StaleEpochError as StaleEpoch } from "ground-station-failover";
import { StaleEpochError, wasConnectionLost, wasNeverSent } from "ground-station-failover";
import type { Dispatcher } from "undici";
import { wasCertificateRefused } from "../../fleet/failure-words.ts";
import type { MemoryRoom } from "../../fleet/held-memory.ts";
import type { CommandReply, CommandRequest, HeaderList, OpenStream, SendContext } from "../../fleet/uplink.ts";
import { EPOCH_HEADER, EPOCH_SEEN_HEADER, NOT_SENT, OUTCOME_HEADER, UnreadableReplyError } from "../../fleet/uplink.ts";
import { STREAM_BYTES } from "../callers/request-body.ts";
import { endToEnd, headerValue, isJson, rawValues, unsendable } from "../http/http-headers.ts";
import { ReplyStream } from "./reply-stream.ts";
import { type Departing, noteDeparting, type StationConnection } from "./station-connection.ts";
import { whyTooLarge, whyUnreadable } from "./unreadable-reply.ts";

/** Header that tells a caller which station answered. */
export const STATION_HEADER = "gsf-station";

export interface ReplyLimits {
  /** A longer body is streamed. */
  readonly wholeBytes: number;
  /**
   * A JSON body of unknown length that is not complete after this time is streamed, because it may
   * never end.
   */
  readonly wholeWithinMs: number;
}

type Head = Pick<CommandReply, "status" | "statusText" | "headers">;
type Asked = Pick<CommandRequest, "method" | "room">;

/** Something failed before a byte was written. The library recognizes it by `syscall`. */
class NotSentError extends Error {
  readonly code: string;
  readonly syscall: "connect" = "connect";

  constructor(station: string, cause: Error) {
    super(`${station}: nothing was sent: ${cause.message}`, { cause });
    this.code = codeOf(cause);
  }
}

/** The exchange broke off after the request was sent. */
class ReplyLostError extends Error {
  readonly code: "ECONNRESET" = "ECONNRESET";

  /**
   * A cause that looks like "never sent" is included only as text: as a cause it would count as
   * proof.
   */
  constructor(station: string, cause: Error) {
    super(`${station}: no complete reply: ${cause.message}`, wasNeverSent(cause) ? {} : { cause });
  }
}

export class HttpExchange implements Dispatcher.DispatchHandler, Departing {
  readonly reply: Promise<CommandReply>;
  readonly #station: string;
  readonly #method: string;
  readonly #room: MemoryRoom | undefined;
  readonly #context: SendContext;
  readonly #limits: ReplyLimits;
  readonly #sink: PromiseWithResolvers<CommandReply> = Promise.withResolvers();
  #controller: Dispatcher.DispatchController | undefined = undefined;
  #connection: StationConnection | undefined = undefined;
  #aborted: Error | undefined = undefined;
  #head: Head | undefined = undefined;
  #chunks: Uint8Array[] = [];
  #bytes = 0;
  #stream: ReplyStream | undefined = undefined;
  #patience: NodeJS.Timeout | undefined = undefined;
  #ended = false;
  readonly #isUpload: boolean;
  #isUploading = false;
  /**
   * The answer came before the request's body was complete. The station may then close the
   * connection without reading the rest.
   */
  #isEarly = false;

  /** `isUpload`: the request's body takes time to send. */
  constructor(station: string, request: Asked, context: SendContext, limits: ReplyLimits, isUpload = false) {
    this.#station = station;
    this.#method = request.method;
    this.#room = request.room;
    this.#context = context;
    this.#limits = limits;
    this.#isUpload = isUpload;
    this.reply = this.#sink.promise;
    if (context.signal.aborted) this.handleEvent();
    else context.signal.addEventListener("abort", this);
  }

  /**
   * True if the station had closed the connection for being idle, so that it most likely never read
   * the command.
   */
  get wasOnStaleConnection(): boolean {
    return this.#aborted === undefined && this.#connection?.wasStale === true;
  }

  /**
   * The result of this attempt is no longer needed. The object itself is the listener, which saves
   * a closure.
   */
  handleEvent(): void {
    const reason: unknown = this.#context.signal.reason;
    this.#aborted = reason instanceof Error ? reason : new Error("nobody waits for this attempt any more");
    this.#fail(this.#aborted);
    this.#controller?.abort(this.#aborted);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#controller !== undefined) return controller.abort(new Error("it was about to be sent a second time"));
    this.#controller = controller;
    if (this.#aborted !== undefined) return controller.abort(this.#aborted);
    this.#noteUploading(this.#isUpload);
    noteDeparting(this);
  }

  onConnection(connection: StationConnection): void {
    this.#connection = connection;
  }

  /** The whole request, body included, has been handed to the operating system. */
  onRequestSent(): void {
    this.#noteUploading(false);
  }

  /** The station has changed to another protocol: the connection belongs to the caller now. */
  onRequestUpgrade(
    controller: Dispatcher.DispatchController,
    status: number,
    _headers: unknown,
    socket: OpenStream & { on(event: "error", listener: () => void): unknown },
  ): void {
    this.#ended = true;
    this.#connection?.leave();
    socket.on("error", () => undefined);
    const raw = strings(controller.rawHeaders);
    const headers = endToEnd(raw, CONTENT_LENGTH);
    const bad = whyTooLarge(raw) ?? unsendable(headers);
    if (this.#aborted !== undefined || bad !== undefined || status !== 101) {
      const error = this.#aborted ?? new UnreadableReplyError(this.#station, bad ?? `its status is ${status}`);
      socket.destroy(error);
      return this.#fail(error);
    }
    headers.push(["connection", "Upgrade"], ["upgrade", rawValues(raw, "upgrade").join()]);
    headers.push([STATION_HEADER, this.#station], [EPOCH_HEADER, String(this.#context.epoch)]);
    this.#settle();
    this.#context.noteStreaming?.(socket);
    const body = { kind: "bytes", bytes: new Uint8Array() } as const;
    const statusText = "Switching Protocols";
    this.#sink.resolve({ status, statusText, headers, body, json: undefined, trailers: [], tunnel: socket });
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    _headers: unknown,
    statusText?: string,
  ): void {
    // Interim replies (1xx) concern this connection only.
    if (status < 200) return;
    this.#isEarly = this.#isUploading;
    this.#noteUploading(false);
    const raw = strings(controller.rawHeaders);
    const excess = whyTooLarge(raw);
    if (excess !== undefined) return this.#unreadable(controller, excess);
    if (status === 412) {
      const seen = rawValues(raw, EPOCH_SEEN_HEADER)[0];
      if (seen !== undefined) return this.#stale(controller, seen);
    }
    if (status === 502 && rawValues(raw, OUTCOME_HEADER)[0] === NOT_SENT) return this.#notSent(controller);
    const codings = rawValues(raw, "transfer-encoding");
    if (codings.length > 0 && codings.join().trim().toLowerCase() !== "chunked") {
      return this.#unreadable(controller, `its transfer coding is ${codings.join()}; only chunked is understood`);
    }
    // If a message has both, Content-Length is wrong (RFC 9112 §6.3).
    const headers = endToEnd(raw, codings.length > 0 ? CONTENT_LENGTH : undefined);
    const bad = unsendable(headers);
    if (bad !== undefined) return this.#unreadable(controller, `there are control characters in ${bad}`);
    headers.push([STATION_HEADER, this.#station], [EPOCH_HEADER, String(this.#context.epoch)]);
    this.#head = { status, statusText: printable(statusText), headers };
    this.#chooseHow(status, headers);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Uint8Array): void {
    if (this.#stream !== undefined) {
      if (!this.#stream.arrived(chunk)) controller.pause();
      return;
    }
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    this.#room?.takeAnyway("replies", chunk.length);
    // If memory is short, the reply is streamed instead: it can then no longer be judged or
    // replaced, but it is not lost.
    if (this.#bytes > this.#limits.wholeBytes || this.#room?.isFull === true) this.#beginStream();
  }

  onResponseEnd(controller: Dispatcher.DispatchController): void {
    this.#ended = true;
    const trailers = endToEnd(strings(controller.rawTrailers));
    if (this.#stream !== undefined) return this.#stream.ended(trailers);
    const head = this.#head as Head;
    const bytes = this.#chunks.length === 1 ? (this.#chunks[0] as Uint8Array) : Buffer.concat(this.#chunks);
    this.#settle();
    this.#sink.resolve({ ...head, body: { kind: "bytes", bytes }, json: parsed(head.headers, bytes), trailers });
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#ended = true;
    const told = this.#judged(error);
    // The part that the station has sent is its answer; the caller sees where it broke off.
    if (this.#isEarly && this.#head !== undefined && this.#aborted === undefined && this.#stream === undefined) {
      this.#beginStream();
    }
    if (this.#stream !== undefined) this.#stream.destroy(told);
    else this.#fail(told);
  }

  /**
   * Until undici reports the start of a request, nothing was written. After that, it is not known
   * how much was.
   */
  #judged(error: Error): Error {
    if (this.#controller === undefined) return wasNeverSent(error) ? error : new NotSentError(this.#station, error);
    if (error instanceof UnreadableReplyError) return error;
    if (this.#head === undefined && wasCertificateRefused(error)) return new NotSentError(this.#station, error);
    const why = whyUnreadable(error, this.#head !== undefined);
    if (why !== undefined) return new UnreadableReplyError(this.#station, why);
    const lost = wasConnectionLost(error) && !wasNeverSent(error);
    return lost ? error : new ReplyLostError(this.#station, error);
  }

  /**
   * The station's relay has received the command, but the service behind it accepted no connection.
   */
  #notSent(controller: Dispatcher.DispatchController): void {
    const refused = Object.assign(new Error("its service takes no connection"), { code: "ECONNREFUSED" });
    const error = new NotSentError(this.#station, refused);
    this.#fail(error);
    controller.abort(error);
  }

  #unreadable(controller: Dispatcher.DispatchController, why: string): void {
    controller.abort(new UnreadableReplyError(this.#station, why));
  }

  #stale(controller: Dispatcher.DispatchController, seen: string): void {
    const details = /^\d{1,15}$/.test(seen) ? { seenEpoch: Number(seen) } : {};
    const sentence = `${this.#station} refuses epoch ${this.#context.epoch}: it has seen ${seen.slice(0, 20)}`;
    const error: StaleEpoch = new StaleEpochError(sentence, details);
    this.#fail(error);
    controller.abort(error);
  }

  /**
   * Chooses between reading the reply whole and streaming it. A reply known to be short is read
   * whole. So are JSON, errors and replies to be kept of unknown length, as long as they stay
   * short. All others are streamed.
   */
  #chooseHow(status: number, headers: HeaderList): void {
    if (this.#method === "HEAD" || status === 204 || status === 304) return;
    const length = headerValue(headers, "content-length");
    if (length !== undefined) {
      if (Number(length) > this.#limits.wholeBytes) this.#beginStream();
      return;
    }
    const failure = status >= 500 || status === 408 || status === 429;
    const type = headerValue(headers, "content-type");
    const { wholeWithinMs } = this.#limits;
    const isKept = this.#context.isKept === true && !(type !== undefined && NEVER_ENDING.test(type));
    if (!failure && !isKept && !isJson(type)) return this.#beginStream();
    const withinMs = failure || isJson(type) ? wholeWithinMs : Math.min(KEPT_WITHIN_MS, wholeWithinMs);
    this.#patience = setTimeout(() => this.#beginStream(), withinMs);
  }

  #beginStream(): void {
    const controller = this.#controller as Dispatcher.DispatchController;
    const stream = new ReplyStream({
      resume: () => {
        this.#giveBack();
        controller.resume();
      },
      abort: (reason) => {
        if (!this.#ended) controller.abort(reason);
      },
    });
    this.#stream = stream;
    for (const chunk of this.#chunks) if (!stream.arrived(chunk)) controller.pause();
    this.#chunks = [];
    this.#room?.takeAnyway("replies", STREAM_BYTES);
    this.#settle();
    this.#context.noteStreaming?.(stream);
    const body = { kind: "stream", stream, trailers: () => stream.trailers() } as const;
    this.#sink.resolve({ ...(this.#head as Head), body, json: undefined, trailers: [] });
  }

  #noteUploading(isUploading: boolean): void {
    if (isUploading === this.#isUploading) return;
    this.#isUploading = isUploading;
    this.#context.noteUploading?.(isUploading);
  }

  #fail(error: Error): void {
    this.#giveBack();
    this.#settle();
    this.#sink.reject(error);
  }

  /** Releases the bytes read so far: they were discarded, or are on their way to the reader. */
  #giveBack(): void {
    this.#room?.giveBack("replies", this.#bytes);
    this.#bytes = 0;
  }

  #settle(): void {
    clearTimeout(this.#patience);
    this.#context.signal.removeEventListener("abort", this);
  }
}

/** Media types that are made to be read while they arrive. */
const NEVER_ENDING =
  /^\s*(text\/event-stream|application\/(x-)?ndjson|application\/jsonl|application\/grpc|multipart\/)/i;
/**
 * A reply to be kept, of unknown length and no JSON, that is not complete after this time is
 * streamed: a short one comes in one piece, and the reader of a long one must not wait for long.
 */
const KEPT_WITHIN_MS = 100;

const CONTENT_LENGTH: ReadonlySet<string> = new Set(["content-length"]);

/** undici passes raw headers as bytes; on the wire they are Latin-1. */
function strings(raw: Dispatcher.DispatchController["rawHeaders"]): string[] {
  if (!Array.isArray(raw)) return [];
  return raw.map((part) => (typeof part === "string" ? part : part.toString("latin1")));
}

/** The reason phrase, or an empty one if it contains characters that cannot be sent. */
function printable(statusText: string | undefined): string {
  return statusText !== undefined && /^[\t\x20-\x7e]*$/.test(statusText) ? statusText : "";
}

/** The parsed JSON body; undefined if it has another type, is compressed, or is broken. */
function parsed(headers: HeaderList, bytes: Uint8Array): unknown {
  const coding = headerValue(headers, "content-encoding");
  if (bytes.length === 0 || (coding !== undefined && coding.trim().toLowerCase() !== "identity")) return undefined;
  if (!isJson(headerValue(headers, "content-type"))) return undefined;
  try {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8"));
  } catch {
    return undefined;
  }
}

/**
 * The first code in the chain of causes: an error closer to the operating system says more than its
 * wrappers.
 */
function codeOf(error: Error): string {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
    if ("code" in at) return String(at.code);
  }
  return "UNKNOWN";
}
