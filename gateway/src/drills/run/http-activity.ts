/**
 * The provider `http`: one request, as Chaos Toolkit sends it. Arguments are the query of a GET,
 * JSON where the request says `Content-Type: application/json`, else a form. Any status is a
 * result; only a connection that fails, a timeout and an answer that is too large are failures. The
 * body is parsed only if the answer's type is exactly `application/json`. Redirects are followed.
 */
import { readFileSync } from "node:fs";
import { Agent, type Dispatcher, interceptors, request } from "undici";
import type { HttpProvider, Json, JsonObject } from "../experiment/experiment.ts";
import { ActivityFailed, ActivityInterrupted } from "./activity-failure.ts";
import { shownArgument } from "./process-activity.ts";

/** An answer with a larger body, in bytes, fails the activity. */
export const MAX_BODY_BYTES = 8_388_608;
/**
 * Where the experiment names no timeout, in seconds: a probe that never ends would hold the run.
 */
const DEFAULT_TIMEOUT_S = 300;
/** As many as the library that Chaos Toolkit uses. */
const MAX_REDIRECTS = 30;
const MAX_RETRIES = 100;
const JSON_TYPE = "application/json";

/** Sends the request; `provider` with all values filled in. */
export async function runHttp(provider: HttpProvider, signal: AbortSignal): Promise<JsonObject> {
  if (signal.aborted) throw new ActivityInterrupted();
  const sent = requestOf(provider);
  const agent = new Agent(agentOptions(provider));
  const dispatcher = agent.compose(interceptors.redirect({ maxRedirections: MAX_REDIRECTS }));
  try {
    return await withRetries(retriesOf(provider.max_retries), sent, dispatcher, signal);
  } finally {
    await agent.destroy().catch(() => undefined);
  }
}

interface SentRequest {
  readonly url: string;
  readonly method: Dispatcher.HttpMethod;
  readonly headers: Record<string, string>;
  readonly body: string | undefined;
}

/** Exported for the dry run, which shows it. */
export function requestOf(provider: HttpProvider): SentRequest {
  const method = (provider.method ?? "GET").toUpperCase() as Dispatcher.HttpMethod;
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(provider.headers ?? {})) headers[name] = shownArgument(value);
  const given = provider.arguments ?? null;
  const isEmpty = given === null || given === "" || (typeof given === "object" && Object.keys(given).length === 0);
  if (!URL.canParse(provider.url)) throw new ActivityFailed(`${provider.url} is not a URL`);
  if (isEmpty) return { url: provider.url, method, headers, body: undefined };
  if (method === "GET") return { url: withQuery(provider.url, encoded(given)), method, headers, body: undefined };
  const type = Object.entries(headers).find(([name]) => name.toLowerCase() === "content-type")?.[1];
  if (type === JSON_TYPE) return { url: provider.url, method, headers, body: JSON.stringify(given) };
  if (typeof given !== "string" && type === undefined) headers["Content-Type"] = "application/x-www-form-urlencoded";
  return { url: provider.url, method, headers, body: encoded(given) };
}

function withQuery(url: string, query: string): string {
  const [address = "", fragment] = url.split("#", 2);
  const joint = address.includes("?") ? "&" : "?";
  return `${address}${joint}${query}${fragment === undefined ? "" : `#${fragment}`}`;
}

/** As a form: a list gives its name several times, null is left out, a text is sent as it is. */
function encoded(given: Json): string {
  if (typeof given !== "object" || given === null) return shownArgument(given);
  const form = new URLSearchParams();
  const pairs: ReadonlyArray<readonly Json[]> = Array.isArray(given)
    ? (given as readonly Json[]).filter((pair) => Array.isArray(pair))
    : Object.entries(given as JsonObject);
  for (const [name = "", value = null] of pairs)
    for (const one of (Array.isArray(value) ? value : [value]) as readonly Json[])
      if (one !== null) form.append(shownArgument(name), shownArgument(one));
  return form.toString();
}

function agentOptions(provider: HttpProvider): Agent.Options {
  const [connectS, readS] = timeoutsOf(provider.timeout);
  const verify = provider.verify_tls ?? true;
  const tls =
    typeof verify === "string" && verify !== ""
      ? { ca: certificatesIn(verify) }
      : { rejectUnauthorized: !isFalse(verify) };
  return {
    connect: { timeout: connectS * 1_000, ...tls },
    headersTimeout: readS * 1_000,
    bodyTimeout: readS * 1_000,
  };
}

function isFalse(value: Json): boolean {
  return value === false || value === 0 || value === null || value === "";
}

function certificatesIn(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new ActivityFailed(`verify_tls names a file that cannot be read: ${(cause as Error).message}`, { cause });
  }
}

/** Seconds to connect and between two bytes: one number for both, or a pair. */
function timeoutsOf(timeout: Json | undefined): readonly [connect: number, read: number] {
  if (timeout === undefined || timeout === null) return [DEFAULT_TIMEOUT_S, DEFAULT_TIMEOUT_S];
  const asked = Array.isArray(timeout) ? timeout : [timeout, timeout];
  const seconds = asked.map((one) => (one === null ? DEFAULT_TIMEOUT_S : Number(one)));
  const [connect, read] = seconds;
  if (seconds.length !== 2 || connect === undefined || read === undefined || !(connect > 0) || !(read > 0))
    throw new ActivityFailed(
      `timeout is ${JSON.stringify(timeout)}; it must be seconds above 0, or [connect, read] in seconds`,
    );
  return [connect, read];
}

function retriesOf(given: Json | undefined): number {
  const retries = Number(given ?? 0);
  if (!Number.isInteger(retries) || retries < 0)
    throw new ActivityFailed(`max_retries is ${JSON.stringify(given)}; it must be a whole number, 0 or more`);
  return Math.min(retries, MAX_RETRIES);
}

async function withRetries(
  retries: number,
  sent: SentRequest,
  dispatcher: Dispatcher,
  signal: AbortSignal,
): Promise<JsonObject> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await exchange(sent, dispatcher, signal);
    } catch (error) {
      if (signal.aborted) throw new ActivityInterrupted();
      if (error instanceof ActivityFailed) throw error;
      if (attempt >= retries || !mayRepeat(error, sent.method)) throw failureOf(error, sent.url);
    }
  }
}

const NOT_CONNECTED = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "UND_ERR_CONNECT_TIMEOUT",
]);
const TOO_LATE = new Set(["UND_ERR_CONNECT_TIMEOUT", "UND_ERR_HEADERS_TIMEOUT", "UND_ERR_BODY_TIMEOUT", "ETIMEDOUT"]);
const IDEMPOTENT = new Set(["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"]);

/** A request that was never sent may be repeated; one that was, only if its method allows it. */
function mayRepeat(error: unknown, method: string): boolean {
  return NOT_CONNECTED.has(codeOf(error)) || IDEMPOTENT.has(method);
}

function codeOf(error: unknown): string {
  return String((error as NodeJS.ErrnoException | null)?.code ?? "");
}

function failureOf(error: unknown, url: string): ActivityFailed {
  const code = codeOf(error);
  if (TOO_LATE.has(code)) return new ActivityFailed(`${url} took too long to answer`, { cause: error });
  const text = (error as Error)?.message;
  return new ActivityFailed(`failed to connect to ${url}: ${text === undefined || text === "" ? code : text}`, {
    cause: error,
  });
}

async function exchange(sent: SentRequest, dispatcher: Dispatcher, signal: AbortSignal): Promise<JsonObject> {
  const { url, method, headers, body } = sent;
  const answer = await request(url, {
    dispatcher,
    method,
    headers: { "user-agent": "gsf-drill", accept: "*/*", ...headers },
    ...(body === undefined ? {} : { body }),
    signal,
    responseHeaders: "raw",
  });
  const received = headersOf(answer.headers as unknown as readonly string[]);
  const bytes = await bodyOf(answer.body, url);
  const type = Object.entries(received).find(([name]) => name.toLowerCase() === "content-type")?.[1] ?? "";
  return {
    status: answer.statusCode,
    headers: received,
    body: type === JSON_TYPE ? parsed(bytes, url) : text(bytes, type),
  };
}

/** Names as they were sent; several of one name are joined. */
function headersOf(raw: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {};
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = String(raw[index]);
    const value = String(raw[index + 1]);
    headers[name] = Object.hasOwn(headers, name) ? `${headers[name]}, ${value}` : value;
  }
  return headers;
}

async function bodyOf(stream: AsyncIterable<Buffer>, url: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw new ActivityFailed(`the answer of ${url} is larger than ${MAX_BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function parsed(bytes: Buffer, url: string): Json {
  try {
    return JSON.parse(bytes.toString("utf8")) as Json;
  } catch (cause) {
    throw new ActivityFailed(`${url} says that it answers JSON, and does not: ${(cause as Error).message}`, { cause });
  }
}

function text(bytes: Buffer, type: string): string {
  const charset = /charset\s*=\s*"?([\w.:-]+)/i.exec(type)?.[1] ?? "utf-8";
  try {
    return new TextDecoder(charset).decode(bytes);
  } catch {
    return bytes.toString("utf8");
  }
}
