/**
 * The control listener: shows the gateway's state to people and programs, and takes orders
 * (`order-api.ts`). Every answer is JSON, every error is `application/problem+json` (RFC 9457) with
 * a sentence that says what is allowed. The routes are listed in `control-routes.ts`.
 *
 * Access: if there are tokens, every client that presents one; a token may only read, or also
 * operate (`control-access.ts`). Without a token, only this machine. A website can make a browser
 * on this machine send requests (DNS rebinding); therefore the Host header must name this machine,
 * and orders must be JSON, which a foreign page cannot send without permission. `/healthz` and
 * `/readyz` are open to all and reveal nothing; so are the pages for the health checks of balancers
 * (`active-page.ts`), which tell one bit.
 */
import type { AddressInfo, Socket } from "node:net";
import { getRequestListener } from "@hono/node-server";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import { type Context, Hono, type MiddlewareHandler } from "hono";
import type { AsyncCommands } from "../../fleet/async/async-commands.ts";
import type { ForgedHeartbeats, Group } from "../../fleet/group.ts";
import type { HeldMemory } from "../../fleet/held-memory.ts";
import type { ListenSettings } from "../../fleet/settings.ts";
import type { StandingOrders } from "../../fleet/standing-orders.ts";
import type { LastProbe } from "../../fleet/station-prober.ts";
import type { ListenerFigures } from "../callers/http-proxy.ts";
import type { BeatStreams } from "../heartbeats/beat-streams.ts";
import { callerOf } from "../http/caller-address.ts";
import { isLoopback } from "../process/addresses.ts";
import { Slices } from "../process/slices.ts";
import type { Log } from "../telemetry/log.ts";
import { type CertificateFacts, shownFacts } from "../tls/certificates.ts";
import type { ServerContexts } from "../tls/server-contexts.ts";
import { type AsyncRefusal, commandCancelled, commandsListed } from "./async-routes.ts";
import type { ControlAccess } from "./control-access.ts";
import { problem, problemAnswer, refusal } from "./control-problem.ts";
import { allowedMethods, reloadOrder } from "./control-routes.ts";
import { ControlServer } from "./control-server.ts";
import { type Explainer, explanation } from "./explain-api.ts";
import { asksForPage, eventPage } from "./history-api.ts";
import type { LiveFeed } from "./live-feed.ts";
import { openApi } from "./open-api.ts";
import { addOrderRoutes, type ControlEnv, groupOf, orderOf } from "./order-api.ts";
import { NO_FILE, RELOAD_PATH, type ReloadControl, reloadAnswer } from "./reload-order.ts";
import { SharedAnswer } from "./shared-answer.ts";

export interface ControlOptions {
  /** `fd`: at a socket that another process has opened. */
  readonly listen: ListenSettings & { readonly fd?: number | undefined };
  /**
   * Most connections at once; above that, the connection that has been silent for longest is
   * closed. Default 512.
   */
  readonly maxConnections?: number;
  /** Decides who may ask. */
  readonly access: ControlAccess;
  readonly orders: StandingOrders;
  /** Version of the gateway. */
  readonly version: string;
  readonly groups: ReadonlyMap<string, Group>;
  /** By group. Default: none. */
  readonly asyncCommands?: ReadonlyMap<string, AsyncCommands>;
  readonly feed: LiveFeed;
  readonly explainer: Explainer;
  readonly beats: BeatStreams;
  /** Counts the memory of answers, and is shown in the status. */
  readonly memory: HeldMemory;
  readonly listeners: () => Readonly<Record<string, ListenerFigures>>;
  /** The durable state. Default: none is kept. */
  readonly state?: (() => object) | undefined;
  readonly metrics: { readonly contentType: string; text(): Promise<string> };
  readonly heartbeats: () => Readonly<Record<string, number>>;
  readonly lostLogLines: () => number;
  /** False until all listeners are open, and again once the gateway is stopping. */
  readonly ready: () => boolean;
  /** Clock of the instants in the status. */
  readonly nowMs: () => number;
  readonly log: Log;
  /** Certificates of a listener that speaks TLS. Default: it does not. */
  readonly tls?: ServerContexts | undefined;
  /** The configuration in force, and how it is read again. Default: it cannot be. */
  readonly configuration?: ReloadControl | undefined;
}

export interface ControlListener extends AsyncDisposable {
  readonly address: ListenSettings;
  /**
   * Accepts no more connections; those that are open, such as event streams, go on for `withinMs`
   * at most.
   */
  leave(withinMs: number): Promise<void>;
}

/** For dashboards, scrapers and event readers; commands do not use this listener. */
const MAX_CONNECTIONS = 512;
/** Most bytes of answers in transit: a few of the largest, which describe 10,000 stations. */
const MAX_ANSWERS_BYTES = 64 * 1_024 ** 2;

export async function listenForControl(options: ControlOptions): Promise<ControlListener> {
  const control = new ControlServer({
    maxConnections: options.maxConnections ?? MAX_CONNECTIONS,
    isReady: options.ready,
    groups: options.groups,
    tls: options.tls,
    // Global objects stay unchanged, because the process has other users of them. A request of
    // HTTP/1.0 need not name a host.
    serve: getRequestListener(controlApp(options).fetch, { overrideGlobalObjects: false, hostname: "localhost" }),
  });
  const { server } = control;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  const { fd } = options.listen;
  server.listen(fd === undefined ? options.listen : { fd }, () => {
    server.off("error", reject);
    server.on("error", (error) => options.log.error({ err: error }, "control listener failed"));
    resolve();
  });
  await promise;
  const { address: host, port } = server.address() as AddressInfo;
  return {
    address: { host, port },
    async leave(withinMs) {
      const closed = new Promise<void>((done) => server.close(() => done()));
      const cut = setTimeout(() => server.closeAllConnections(), withinMs).unref();
      await closed;
      clearTimeout(cut);
    },
    async [Symbol.asyncDispose]() {
      options.feed.close();
      options.beats.close();
      const closed = new Promise<void>((done) => server.close(() => done()));
      control.cutAll();
      await closed;
    },
  };
}

/** The routes, without a socket. */
export function controlApp(options: ControlOptions): Hono<ControlEnv> {
  const { groups, feed, metrics, log } = options;
  const statusAnswer = new SharedAnswer(() => statusText(options));
  const metricsAnswer = new SharedAnswer(() => metrics.text());
  const app = new Hono<ControlEnv>();
  app.onError((error, context) => problemAnswer(error, context, log));
  app.notFound(() => problem(404, "there is no such path; /v1/openapi.json lists those that there are"));
  app.use("*", whoMay(options));
  app.get("/v1/status", (context) => shared(context, options, statusAnswer, "application/json"));
  app.get("/v1/events", (context) => {
    // Hono answers HEAD with the GET route, which would open a stream without a reader.
    if (context.req.method === "HEAD") return problem(405, "allowed here is GET", { allow: "GET" });
    if (asksForPage(context)) return eventPage(context, options.explainer.history, Date.now());
    const { socket } = context.env.incoming;
    const caller = callerOf(socket.remoteAddress);
    const stream = feed.open(context.req.header("last-event-id"), caller, () => socket.destroy());
    if (stream === undefined)
      return problem(503, "there are too many readers of events already", { "retry-after": "5" });
    endWithReader(socket);
    return context.body(stream, 200, {
      "content-type": "text/event-stream",
      "cache-control": "no-store",
      "x-accel-buffering": "no",
    });
  });
  app.get("/metrics", (context) => shared(context, options, metricsAnswer, metrics.contentType));
  app.get("/v1/groups/:group/beats", (context) => {
    if (context.req.method === "HEAD") return problem(405, "allowed here is GET", { allow: "GET" });
    const group = groupOf(groups, context.req.param("group"));
    const { socket } = context.env.incoming;
    const stream = options.beats.open(group, callerOf(socket.remoteAddress), () => socket.destroy());
    if (stream === undefined) return problem(503, "there are too many recordings already", { "retry-after": "5" });
    endWithReader(socket);
    return context.body(stream, 200, { "content-type": "application/x-ndjson", "cache-control": "no-store" });
  });
  app.get("/v1/groups/:group/explain", (context) =>
    explanation(context, options.explainer, groupOf(groups, context.req.param("group"))),
  );
  app.get("/v1/groups/:group/commands", async (context) => {
    const { name } = groupOf(groups, context.req.param("group"));
    const query = { state: context.req.query("state"), limit: context.req.query("limit") };
    return asyncAnswer(context, await commandsListed(name, options.asyncCommands?.get(name), query));
  });
  app.delete("/v1/groups/:group/commands/:id", async (context) => {
    const { name } = groupOf(groups, context.req.param("group"));
    const id = context.req.param("id");
    const answer = await commandCancelled(options.asyncCommands?.get(name), id);
    if (!("detail" in answer)) {
      const { token } = context.var;
      log.info({ group: name, id, token }, "asynchronous command cancelled on request");
    }
    return asyncAnswer(context, answer);
  });
  app.get("/v1/openapi.json", (context) => context.json(openApi(options.version)));
  addOrderRoutes(app, options);
  app.post(RELOAD_PATH, async (context) => {
    await orderOf(context, reloadOrder);
    return reloadAnswer((await options.configuration?.reload()) ?? NO_FILE);
  });
  for (const [path, allowed] of allowedMethods()) {
    app.all(path, () => problem(405, `allowed here is ${allowed}`, { allow: allowed }));
  }
  return app;
}

/**
 * Sends a long answer and counts it until the client has read it: slow readers of many such answers
 * could use up all memory. It has its own bound, because the status must be available even when
 * callers use up their memory.
 */
async function shared(
  { env: { incoming, outgoing } }: Context<ControlEnv>,
  { memory }: ControlOptions,
  answer: SharedAnswer,
  type: string,
): Promise<Response> {
  const bytes = await answer.get();
  if (outgoing.destroyed) return RESPONSE_ALREADY_SENT;
  const room = memory.roomFor(callerOf(incoming.socket.remoteAddress));
  if (memory.status.held.control + bytes.length > MAX_ANSWERS_BYTES)
    return problem(503, "answers that nobody takes fill the memory for answers", { "retry-after": "1" });
  room.takeAnyway("control", bytes.length);
  outgoing.once("close", () => room.release());
  // Node omits the bytes from the answer to a HEAD.
  outgoing.writeHead(200, { "content-type": type, "content-length": bytes.length }).end(bytes);
  return RESPONSE_ALREADY_SENT;
}

/**
 * Ends a stream when its reader closes its side of the connection: the reader is then gone, or
 * cannot be told apart from one that is.
 */
function endWithReader(socket: Socket): void {
  socket.once("end", () => socket.destroy());
}

function asyncAnswer(context: Context<ControlEnv>, answer: object | AsyncRefusal): Response {
  if ("detail" in answer) throw refusal(answer.status, answer.detail);
  return context.json(answer, 200, { "cache-control": "no-store" });
}

/**
 * The answer to `GET /v1/status`. Infinite numbers appear as null. Groups are read in slices: those
 * of one answer may be some milliseconds apart.
 */
async function statusText(options: ControlOptions): Promise<string> {
  const { groups, asyncCommands, listeners } = options;
  const slices = new Slices();
  const figures = listeners();
  const shown: string[] = [];
  for (const [name, group] of groups) {
    if (slices.isOver) await slices.next();
    const status = { ...groupStatus(group, figures[name], options), async: asyncCommands?.get(name)?.status };
    shown.push(`${JSON.stringify(name)}:${JSON.stringify(status)}`);
  }
  await slices.next();
  const ofGateway = JSON.stringify(gatewayStatus(options));
  return `${ofGateway.slice(0, -1)},"groups":{${shown.join()}}}`;
}

function gatewayStatus(options: ControlOptions): object {
  const { configuration, heartbeats, lostLogLines, memory, state, ready, nowMs, tls } = options;
  return {
    ready: ready(),
    nowMs: nowMs(),
    configuration: configuration?.status,
    heartbeats: heartbeats(),
    lostLogLines: lostLogLines(),
    memory: memory.status,
    state: state?.() ?? null,
    certificates: certificatesOf(tls?.facts),
  };
}

function groupStatus(group: Group, figures: ListenerFigures | undefined, options: ControlOptions): object {
  const nowMs = options.nowMs();
  const { detector, supervisor, heartbeat, commands, stations } = group.settings;
  const status = group.status;
  const urls = new Map(stations.map((station) => [station.name, station.url]));
  return {
    ...status,
    connections: figures && { ...figures.connections, unserved: figures.unserved },
    tooSlow: figures?.tooSlow,
    certificates: certificatesOf(figures?.certificates),
    isDraining: group.drain !== undefined,
    orders: options.orders.standing(group.name),
    thresholds: {
      clear: supervisor.clearThreshold,
      suspect: supervisor.suspectThreshold,
      declare: detector.threshold,
    },
    heartbeat: { kind: heartbeat.kind, intervalMs: heartbeat.intervalMs },
    ambiguousKeyed: commands.ambiguousKeyed,
    stations: status.stations.map(({ level, ...station }) => ({
      ...station,
      url: urls.get(station.name),
      phi: level,
      lastProbe: withAge(group.probeOf(station.name), nowMs),
      nameConflict: group.conflictOf(station.name),
      wrongSecret: withAge(group.forgedOf(station.name), nowMs),
    })),
  };
}

/** Absent without TLS. */
function certificatesOf(facts: readonly CertificateFacts[] | undefined): object[] | undefined {
  return facts === undefined || facts.length === 0 ? undefined : facts.map((one) => shownFacts(one, Date.now()));
}

function withAge<Seen extends LastProbe | ForgedHeartbeats>(
  seen: Seen | undefined,
  nowMs: number,
): (Seen & { readonly ageMs: number }) | undefined {
  return seen && { ...seen, ageMs: Math.max(0, Math.round(nowMs - seen.atMs)) };
}

// ── access ─────────────────────────────────────────────────────────────────────────────────────

/** With tokens, their bearers; without, this machine. What is read is GET or HEAD. */
function whoMay({ access, listen, log }: ControlOptions): MiddlewareHandler<ControlEnv> {
  const isLocal = fromThisMachine(listen.host);
  return async (context, next) => {
    if (!access.needsToken) return isLocal(context, next);
    const { method, path } = context.req;
    const address = callerOf(context.env.incoming.socket.remoteAddress);
    const decided = access.check(context.req.header("authorization"), address);
    if (decided.type === "too-many") {
      const seconds = String(Math.max(1, Math.ceil(decided.retryAfterMs / 1_000)));
      return problem(429, "too many wrong tokens came from this address", { "retry-after": seconds });
    }
    if (decided.type === "unknown") {
      if (decided.isTold) log.warn({ address, wrong: decided.wrong, path }, "a wrong control token was presented");
      const challenge = `Bearer realm="gsf"${decided.wrong > 0 ? ', error="invalid_token"' : ""}`;
      const allowed = "allowed is: Authorization: Bearer <a token that the configuration names under control>";
      return problem(401, allowed, { "www-authenticate": challenge });
    }
    if (decided.may === "read" && method !== "GET" && method !== "HEAD") {
      log.warn({ address, token: decided.token, method, path }, "a token that may only read was used for an order");
      return problem(403, `the token ${decided.token} may only read: allowed is GET`);
    }
    context.set("token", decided.token);
    return next();
  };
}

/**
 * The Host header must name this machine. The port does not matter, because a tunnel may use
 * another one.
 */
function fromThisMachine(listenHost: string): MiddlewareHandler<ControlEnv> {
  return async (context, next) => {
    const host = context.req.header("host") ?? "";
    // HTTP/1.0 has no Host. A browser, against which this check is made, always sends one.
    if (host === "") return next();
    const name = /^(?:\[([^\]]+)\]|([^:]+))(?::\d+)?$/.exec(host);
    const named = (name?.[1] ?? name?.[2] ?? "").toLowerCase();
    if (isLoopback(named) || named === listenHost) return next();
    throw refusal(403, `the Host header says "${host.slice(0, 80)}"; allowed is localhost or a loopback address`);
  };
}
