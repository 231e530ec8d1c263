/**
 * The way to one station over HTTP/1.1, on undici's dispatch: a pool of kept-alive connections, one request at a time on
 * each, no pipelining, no redirects and no retries of its own, because who may send a command again is decided
 * elsewhere. Host goes on as the caller sent it, so that the service behind sees what it would see without us.
 *
 * A reply is read whole where it can be judged or re-done (its length is known and within `limits.replyBytes`, or it is
 * JSON or an error), else it is streamed. Whether a failed request was sent is not guessed from an error's name: until
 * undici reports its start, nothing was written; after that, it may have arrived.
 */
import type { LookupFunction } from "node:net";
import type { Readable } from "node:stream";
import type { KeyStatus } from "ground-station-failover";
import { NoStationFitError, TIME_LEFT_HEADER, toGrpcTimeout, toTimeLeftHeader } from "ground-station-failover";
import type { Dispatcher } from "undici";
import { buildConnector, Pool } from "undici";
import { keyStatusOf, keyStatusPath } from "../fleet/key-status.ts";
import type { DeadlineHeader, GroupSettings, KeyStatusSettings, StationSettings } from "../fleet/settings.ts";
import type {
  CommandReply,
  CommandRequest,
  HeaderList,
  HealthPage,
  RequestBody,
  SendContext,
  Uplink,
} from "../fleet/uplink.ts";
import { EPOCH_HEADER, UnexpectedStatusError } from "../fleet/uplink.ts";
import { deadlineText } from "./deadline-header.ts";
import type { ReplyLimits } from "./http-exchange.ts";
import { HttpExchange, STATION_HEADER } from "./http-exchange.ts";
import { flat, headerValue } from "./http-headers.ts";
import type { NameCache } from "./name-cache.ts";
import { readFirst } from "./read-first.ts";

/** Headers that each attempt gets anew, besides the one with the deadline. */
const PER_ATTEMPT: readonly string[] = [EPOCH_HEADER, TIME_LEFT_HEADER, "grpc-timeout"];

/** A station that does not take a connection within this time is not there. TCP itself tries again after one second. */
const MAX_CONNECT_MS = 1_000;
/** A reply of unknown length that is not whole after this time is streamed. */
const MAX_WHOLE_MS = 500;

/** Longest header block of a reply. */
const REPLY_HEADER_BYTES = 64 * 1_024;

/** What all uplinks of a process share. */
export interface UplinkParts {
  /** Default: each connection asks the system's resolver. */
  readonly names?: NameCache;
}

/** An uplink to `station`, with the limits and times of `group`. Dispose it to close its connections. */
export function httpUplink(
  group: GroupSettings,
  station: StationSettings,
  parts: UplinkParts = {},
): Uplink & AsyncDisposable {
  return new HttpUplink(group, station, parts);
}

class HttpUplink implements Uplink, AsyncDisposable {
  readonly name: string;
  readonly #pool: Pool;
  readonly #servername: string | null;
  readonly #origin: string;
  /** By origin: a station has one health page, and perhaps a probe path at its own address. */
  readonly #probes: Map<string, ProbePool> = new Map();
  readonly #limits: ReplyLimits;
  readonly #deadline: DeadlineHeader;
  readonly #perAttempt: ReadonlySet<string>;
  readonly #keyStatus: KeyStatusSettings | undefined;
  readonly #lookup: { readonly lookup?: LookupFunction };

  constructor(group: GroupSettings, station: StationSettings, { names }: UplinkParts) {
    const url = new URL(station.url);
    this.name = station.name;
    this.#servername = servernameOf(url);
    this.#origin = url.origin;
    this.#lookup = names === undefined ? {} : { lookup: names.lookup };
    this.#deadline = group.commands.deadlineHeader;
    this.#perAttempt = new Set([...PER_ATTEMPT, this.#deadline.name.toLowerCase()]);
    this.#keyStatus = group.commands.keyStatus;
    this.#limits = {
      wholeBytes: group.limits.replyBytes,
      wholeWithinMs: Math.min(MAX_WHOLE_MS, group.commands.timeoutMs / 2),
    };
    this.#pool = new Pool(url.origin, {
      pipelining: 1,
      allowH2: false,
      // So that a station that does not answer is known as "never sent" before the attempt's own time is up.
      connect: readFirst(
        buildConnector({
          timeout: Math.min(MAX_CONNECT_MS, group.commands.timeoutMs / 2),
          allowH2: false,
          ...this.#lookup,
        }),
      ),
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
    const isLong = body.kind === "bytes" && body.bytes.length > UPLOAD_BYTES;
    const isUpload = isLong || body.kind === "stream";
    const exchange = new HttpExchange(this.name, request, context, this.#limits, isUpload);
    const headers = this.#headersOf(request, context);
    if (isLong && headerValue(request.headers, "content-length") === undefined) {
      headers.push("content-length", String(body.bytes.length));
    }
    const options: Dispatcher.DispatchOptions & { readonly servername: string | null } = {
      path: request.target,
      method: request.method,
      headers,
      body: bodyOf(body),
      servername: this.#servername,
    };
    if (!context.signal.aborted) this.#pool.dispatch(options, exchange);
    return exchange.reply;
  }

  async probe(page: HealthPage, signal: AbortSignal): Promise<number> {
    const { path, headers, expect } = page;
    const { pool, servername } = this.#probesAt(page.origin ?? this.#origin);
    const options = { path, method: "GET", headers: flat(headers), signal, servername } as const;
    const { statusCode, body } = await pool.request(options);
    await body.dump({ limit: PROBE_BODY_BYTES, signal });
    if (expect.some(([first, last]) => statusCode >= first && statusCode <= last)) return statusCode;
    throw new UnexpectedStatusError(this.name, path, statusCode);
  }

  async askOutcome(key: string, signal: AbortSignal): Promise<KeyStatus<CommandReply>> {
    const asked = this.#keyStatus;
    if (asked === undefined) return "unknown";
    const { statusCode, body } = await this.#pool.request({
      method: asked.method,
      path: keyStatusPath(asked, key),
      headers: { accept: "application/json" },
      signal,
    });
    const text = await textWithin(body, this.#limits.wholeBytes);
    const status = statusCode === 200 && text !== undefined ? keyStatusOf(asked, parsedJson(text)) : "unknown";
    if (status === "unknown" || !status.ran) return status;
    const headers: HeaderList = [...status.result.headers, [STATION_HEADER, this.name]];
    return { ran: true, result: { ...status.result, headers } };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      [this.#pool, ...[...this.#probes.values()].map(({ pool }) => pool)].map((pool) => pool.destroy()),
    );
  }

  #headersOf(request: CommandRequest, context: SendContext): string[] {
    const headers: string[] = [];
    let keyed = context.idempotencyKey === undefined;
    let grpc = false;
    for (const [name, value] of request.headers) {
      const lower = name.toLowerCase();
      if (lower === "grpc-timeout") grpc = true;
      if (this.#perAttempt.has(lower)) continue;
      if (lower === "idempotency-key") keyed = true;
      headers.push(name, value);
    }
    headers.push(EPOCH_HEADER, String(context.epoch));
    if (!keyed && context.idempotencyKey !== undefined) headers.push("idempotency-key", context.idempotencyKey);
    const { timeLeftMs, beginWithinMs = timeLeftMs } = context;
    const hasDeadline = timeLeftMs < Number.POSITIVE_INFINITY;
    if (hasDeadline) headers.push(TIME_LEFT_HEADER, toTimeLeftHeader(timeLeftMs));
    if (beginWithinMs < Number.POSITIVE_INFINITY) {
      headers.push(this.#deadline.name, deadlineText(this.#deadline.format, Date.now() + beginWithinMs));
    }
    if (hasDeadline && grpc) headers.push("grpc-timeout", toGrpcTimeout(timeLeftMs));
    return headers;
  }

  /** Probes have connections of their own: a queue of commands must not look like an ill health page. */
  #probesAt(origin: string): ProbePool {
    const known = this.#probes.get(origin);
    if (known !== undefined) return known;
    const probes = {
      pool: new Pool(origin, {
        connections: PROBE_CONNECTIONS,
        // The system repeats a lost SYN after 1, 3 and 7 s: a new connection is sooner there than an old attempt.
        connect: { timeout: PROBE_CONNECT_MS, ...this.#lookup },
        headersTimeout: 0,
        bodyTimeout: 0,
        allowH2: false,
      }),
      servername: servernameOf(new URL(origin)),
    };
    this.#probes.set(origin, probes);
    return probes;
  }
}

interface ProbePool {
  readonly pool: Pool;
  readonly servername: string | null;
}

/** The probes of a station that may be out at once: two for heartbeats, one of its command path. */
const PROBE_CONNECTIONS = 3;

const PROBE_CONNECT_MS = 1_000;

/** What is read of a probe's answer before its connection is closed instead. */
const PROBE_BODY_BYTES = 64 * 1_024;

/** The name to ask a certificate for: that of the address, not the one in Host. */
function servernameOf({ protocol, hostname }: URL): string | null {
  return protocol === "https:" ? hostname.replace(/^\[|\]$/g, "") : null;
}

/** A body of at most `most` bytes; undefined for a longer one, whose connection is closed. */
async function textWithin(body: Readable, most: number): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > most) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A body up to this goes into the buffers of the system at once. */
const UPLOAD_BYTES = 64 * 1_024;

/** A long body goes out piece by piece, so that it is known when the last one has left. */
function bodyOf(body: RequestBody): Uint8Array | Readable | null {
  if (body.kind === "none") return null;
  if (body.kind === "stream") return streamed(body.stream);
  return body.bytes.length > UPLOAD_BYTES ? streamed(pieces(body.bytes)) : body.bytes;
}

async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, void> {
  for (let from = 0; from < bytes.length; from += UPLOAD_BYTES) yield bytes.subarray(from, from + UPLOAD_BYTES);
}

/** undici takes any async iterable, its types name only node's own. */
function streamed(stream: AsyncIterable<Uint8Array>): Readable {
  return stream as unknown as Readable;
}
