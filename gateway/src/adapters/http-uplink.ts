/**
 * The way to one station over HTTP/1.1, on undici's dispatch: a pool of kept-alive connections, one request at a time on
 * each, no pipelining, no redirects and no retries of its own, because who may send a command again is decided
 * elsewhere. Host goes on as the caller sent it, so that the service behind sees what it would see without us.
 *
 * A reply is read whole where it can be judged or re-done (its length is known and within `limits.replyBytes`, or it is
 * JSON or an error), else it is streamed. Whether a failed request was sent is not guessed from an error's name: until
 * undici reports its start, nothing was written; after that, it may have arrived.
 */
import type { Readable } from "node:stream";
import { NoStationFitError, TIME_LEFT_HEADER, toGrpcTimeout, toTimeLeftHeader } from "ground-station-failover";
import type { Dispatcher } from "undici";
import { Pool } from "undici";
import type { GroupSettings, StationSettings } from "../fleet/settings.ts";
import type { CommandReply, CommandRequest, SendContext, Uplink } from "../fleet/uplink.ts";
import { EPOCH_HEADER } from "../fleet/uplink.ts";
import type { ReplyLimits } from "./http-exchange.ts";
import { HttpExchange } from "./http-exchange.ts";

/** Headers that each attempt gets anew. */
const PER_ATTEMPT: ReadonlySet<string> = new Set([EPOCH_HEADER, TIME_LEFT_HEADER, "grpc-timeout"]);

/** Longest header block of a reply. */
const REPLY_HEADER_BYTES = 64 * 1_024;

/** An uplink to `station`, with the limits and times of `group`. Dispose it to close its connections. */
export function httpUplink(group: GroupSettings, station: StationSettings): Uplink & AsyncDisposable {
  return new HttpUplink(group, station);
}

class HttpUplink implements Uplink, AsyncDisposable {
  readonly name: string;
  readonly #pool: Pool;
  /** The name to ask a station's certificate for: its own, not the one in Host. */
  readonly #servername: string | null;
  readonly #limits: ReplyLimits;

  constructor(group: GroupSettings, station: StationSettings) {
    const url = new URL(station.url);
    this.name = station.name;
    this.#servername = url.protocol === "https:" ? url.hostname.replace(/^\[|\]$/g, "") : null;
    this.#limits = { wholeBytes: group.limits.replyBytes, wholeWithinMs: group.commands.timeoutMs / 2 };
    this.#pool = new Pool(url.origin, {
      pipelining: 1,
      allowH2: false,
      // So that a station that does not answer is known as "never sent" before the attempt's own time is up.
      connect: { timeout: group.commands.timeoutMs / 2 },
      // Attempts are bounded by the failover, streams by ReplyStream.
      headersTimeout: 0,
      bodyTimeout: 0,
      maxHeaderSize: REPLY_HEADER_BYTES,
    });
  }

  send(request: CommandRequest, context: SendContext): Promise<CommandReply> {
    const body = request.body;
    if (body.kind === "stream" && body.started()) {
      return Promise.reject(new NoStationFitError("the body was streamed, and cannot be sent a second time"));
    }
    const exchange = new HttpExchange(this.name, request.method, context, this.#limits);
    const options: Dispatcher.DispatchOptions & { readonly servername: string | null } = {
      path: request.target,
      method: request.method,
      headers: headersOf(request, context),
      body: body.kind === "none" ? null : body.kind === "bytes" ? body.bytes : streamed(body.stream),
      servername: this.#servername,
    };
    if (!context.signal.aborted) this.#pool.dispatch(options, exchange);
    return exchange.reply;
  }

  async probe(path: string, signal: AbortSignal): Promise<void> {
    const { statusCode, body } = await this.#pool.request({ path: path, method: "GET", signal });
    await body.dump({ limit: PROBE_BODY_BYTES, signal });
    if (statusCode < 200 || statusCode >= 400) throw new Error(`${this.name}: ${path} answered ${statusCode}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool.destroy();
  }
}

/** What is read of a probe's answer before its connection is closed instead. */
const PROBE_BODY_BYTES = 64 * 1_024;

/** undici takes any async iterable, its types name only node's own. */
function streamed(stream: AsyncIterable<Uint8Array>): Readable {
  return stream as unknown as Readable;
}

function headersOf(request: CommandRequest, context: SendContext): string[] {
  const headers: string[] = [];
  let keyed = context.idempotencyKey === undefined;
  let grpc = false;
  for (const [name, value] of request.headers) {
    const lower = name.toLowerCase();
    if (lower === "grpc-timeout") grpc = true;
    if (PER_ATTEMPT.has(lower)) continue;
    if (lower === "idempotency-key") keyed = true;
    headers.push(name, value);
  }
  headers.push(EPOCH_HEADER, String(context.epoch));
  if (!keyed && context.idempotencyKey !== undefined) headers.push("idempotency-key", context.idempotencyKey);
  if (context.timeLeftMs < Number.POSITIVE_INFINITY) {
    headers.push(TIME_LEFT_HEADER, toTimeLeftHeader(context.timeLeftMs));
    if (grpc) headers.push("grpc-timeout", toGrpcTimeout(context.timeLeftMs));
  }
  return headers;
}
