/**
 * The control API over HTTP, as Toxiproxy's clients expect it: the same routes, status codes and
 * bodies, also where they are odd (errors are JSON called text/plain). `/events` and `/tls/ca` are
 * our own. Browsers are refused, since a page on the web could otherwise drive the proxies of
 * its readers. There is no authentication: listen on the loopback, or behind something that
 * has it.
 */
import { randomBytes } from "node:crypto";
import { createServer, type Server } from "node:http";
import { getRequestListener } from "@hono/node-server";
import type { Clock } from "ground-station-failover";
import { type Context, Hono } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { UserError } from "../adapters/process/exit-codes.ts";
import type { EventLog } from "./event-log.ts";
import { FaultProxyError } from "./fault-proxy-error.ts";
import { PopulateError, type ProxyList } from "./proxy-list.ts";
import { firstJson } from "./request-fields.ts";
import type { CertificateAuthority } from "./tls/certificates.ts";

export interface ProxyApiOptions {
  readonly proxies: ProxyList;
  readonly events: EventLog;
  readonly authority: CertificateAuthority;
  readonly clock: Clock;
  /** The text of `/metrics` and its type. Default: the path is not there. */
  readonly metrics?: { readonly contentType: string; text(): Promise<string> } | undefined;
}

/** The version of the API that clients are told: that of the reference. */
const API_VERSION = "2.12.0";
/** A populate of a thousand proxies is a tenth of it. */
const MAX_BODY_BYTES = 4 * 1_024 ** 2;
/** A request is answered within this time, or with 503. */
const MAX_ANSWER_MS = 25_000;
const IDLE_MS = 60_000;
const REQUEST_MS = 10_000;
const MAX_CONNECTIONS = 512;

const JSON_TYPE = { "content-type": "application/json" };
const TEXT_HEADERS = { "content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff" };

/** A server of the API that does not listen yet. */
export function proxyApiServer(options: ProxyApiOptions): Server {
  const server = createServer(
    { keepAliveTimeout: IDLE_MS, headersTimeout: REQUEST_MS, requestTimeout: REQUEST_MS },
    // Global objects stay unchanged, because the process has other users of them.
    getRequestListener(proxyApp(options).fetch, { overrideGlobalObjects: false, hostname: "localhost" }),
  );
  server.maxConnections = MAX_CONNECTIONS;
  return server;
}

type Handler = (context: Context) => Response | Promise<Response>;

/** The routes, without a socket. */
function proxyApp(options: ProxyApiOptions): Hono {
  const app = new Hono();
  app.use("*", async (context, next) => {
    const isBrowser = context.req.header("user-agent")?.startsWith("Mozilla/") === true;
    if (isBrowser) context.res = context.body("User agent not allowed\n", 403, TEXT_HEADERS);
    else
      await inTime(options.clock, next(), () => {
        context.res = context.body(null, 503);
      });
    context.header("X-Toxiproxy-Request-Id", randomBytes(10).toString("hex"));
  });
  app.onError((error, context) => failed(context, error));
  app.notFound((context) => context.body("404 page not found\n", 404, TEXT_HEADERS));
  for (const [path, methods] of Object.entries(routes(options))) {
    for (const [method, handler] of Object.entries(methods)) {
      // Hono would answer HEAD with the route of GET.
      app.on(method, path, (context) => (context.req.method === method ? handler(context) : context.body(null, 405)));
    }
    app.all(path, (context) => context.body(null, 405));
  }
  const { metrics } = options;
  if (metrics !== undefined)
    app.all("/metrics", async (context) =>
      context.body(await metrics.text(), 200, { "content-type": metrics.contentType }),
    );
  return app;
}

function routes(options: ProxyApiOptions): Readonly<Record<string, Readonly<Record<string, Handler>>>> {
  const { proxies, events, authority } = options;
  // Of a path, the names are checked first, then the body. It is read before, in any case: Node
  // closes a connection whose request was answered unread.
  const updateProxy: Handler = async (context) => {
    const [proxy, body] = [proxyIn(context), await bodyOf(context)];
    proxies.get(proxy);
    return json(context, proxies.shown(await proxies.update(proxy, firstJson(body))));
  };
  const updateToxic: Handler = async (context) => {
    const [proxy, toxic, body] = [proxyIn(context), toxicIn(context), await bodyOf(context)];
    proxies.get(proxy).toxics.get(toxic);
    return json(context, proxies.shownToxic(await proxies.updateToxic(proxy, toxic, firstJson(body))));
  };
  return {
    "/proxies": {
      GET: (context) =>
        json(context, Object.fromEntries(proxies.all.map((proxy) => [proxy.name, proxies.shown(proxy)]))),
      POST: async (context) =>
        json(context, proxies.shown(await proxies.create(firstJson(await bodyOf(context)))), 201),
    },
    "/populate": { POST: (context) => populate(context, proxies) },
    "/reset": {
      POST: async (context) => {
        await proxies.reset();
        return context.body(null, 204);
      },
    },
    "/version": {
      GET: (context) =>
        context.body(`{"version": "${API_VERSION}"}\n`, 200, { "content-type": "application/json;charset=utf-8" }),
    },
    "/events": {
      GET: (context) => {
        const after = Number(context.req.query("after") ?? 0);
        if (!Number.isSafeInteger(after)) throw new FaultProxyError(400, "after is no number of an event");
        const lines = events.since(after).map((event) => `${JSON.stringify(event)}\n`);
        return context.body(lines.join(""), 200, { "content-type": "application/x-ndjson" });
      },
    },
    "/tls/ca": {
      GET: async (context) =>
        context.body(await authority.certificate(), 200, { "content-type": "application/x-pem-file" }),
    },
    "/proxies/:proxy": {
      GET: (context) => json(context, proxies.shown(proxies.get(proxyIn(context)))),
      POST: updateProxy,
      PATCH: updateProxy,
      DELETE: async (context) => {
        await proxies.remove(proxyIn(context));
        return context.body(null, 204);
      },
    },
    "/proxies/:proxy/toxics": {
      GET: (context) => json(context, proxies.shownToxics(proxies.get(proxyIn(context)))),
      POST: async (context) => {
        const body = await bodyOf(context);
        const { name } = proxies.get(proxyIn(context));
        const made = await proxies.addToxic(name, firstJson(body));
        const [first, ...others] = made.map((toxic) => proxies.shownToxic(toxic));
        return json(context, others.length === 0 ? first : { ...first, toxics: [first, ...others] });
      },
    },
    "/proxies/:proxy/toxics/:toxic": {
      GET: (context) => json(context, proxies.shownToxic(proxies.get(proxyIn(context)).toxics.get(toxicIn(context)))),
      POST: updateToxic,
      PATCH: updateToxic,
      DELETE: async (context) => {
        await proxies.removeToxic(proxyIn(context), toxicIn(context));
        return context.body(null, 204);
      },
    },
  };
}

async function populate(context: Context, proxies: ProxyList): Promise<Response> {
  const answer = (made: ReadonlyArray<Parameters<ProxyList["shown"]>[0]>): object => ({
    proxies: made.length === 0 ? null : made.map((proxy) => proxies.shown(proxy)),
  });
  try {
    return json(context, answer(await proxies.populate(firstJson(await bodyOf(context)))), 201);
  } catch (error) {
    const [made, cause] = error instanceof PopulateError ? [error.made, error.cause] : [[], error];
    const { status, message } = asApiError(cause);
    return json(context, { error: message, status, ...answer(made) }, status);
  }
}

const proxyIn = (context: Context): string => context.req.param("proxy") ?? "";
const toxicIn = (context: Context): string => context.req.param("toxic") ?? "";

async function bodyOf(context: Context): Promise<string> {
  const { body } = context.req.raw;
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of body ?? []) {
    length += piece.length;
    if (length > MAX_BODY_BYTES) {
      // The rest stays unread.
      context.header("connection", "close");
      throw new FaultProxyError(413, `bad request body: it is larger than ${MAX_BODY_BYTES} bytes`);
    }
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString("utf8");
}

function json(context: Context, value: unknown, status = 200): Response {
  return context.newResponse(asJson(value), status as ContentfulStatusCode, JSON_TYPE);
}

/** Characters that Go writes as escapes, so that the text may stand in a page. */
const ESCAPED = /[<>&\u2028\u2029]/g;

function asJson(value: unknown): string {
  return JSON.stringify(value).replace(ESCAPED, (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

function asApiError(error: unknown): FaultProxyError {
  if (error instanceof FaultProxyError) return error;
  if (error instanceof UserError) return new FaultProxyError(400, error.message);
  return new FaultProxyError(500, error instanceof Error ? error.message : String(error));
}

function failed(context: Context, error: unknown): Response {
  const { status, message } = asApiError(error);
  return context.newResponse(`${asJson({ error: message, status })}\n`, status as ContentfulStatusCode, TEXT_HEADERS);
}

/** Calls `late` if `work` has not ended in time; what it does later is of no interest then. */
async function inTime(clock: Clock, work: Promise<void>, late: () => void): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  using _timer = clock.at(clock.nowMs() + MAX_ANSWER_MS, () => {
    late();
    resolve();
  });
  await Promise.race([work, promise]);
}
