/**
 * The control listener: shows the gateway's state to people and programs, and takes the few orders
 * that exist. Every answer is JSON, every error is `application/problem+json` (RFC 9457) with a
 * sentence that says what is allowed. It is one file because all routes share the rules of access.
 *
 * Access: if there is a token, every client that presents it. Without a token, only this machine. A
 * website can make a browser on this machine send requests (DNS rebinding); therefore the Host
 * header must name this machine, and orders must be JSON, which a foreign page cannot send without
 * permission. `/healthz` and `/readyz` are open to all and reveal nothing.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { STATUS_CODES } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { getRequestListener, type HttpBindings } from "@hono/node-server";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import { ResilienceError } from "ground-station-failover";
import { type Context, Hono, type MiddlewareHandler } from "hono";
import { bearerAuth } from "hono/bearer-auth";
import { HTTPException } from "hono/http-exception";
import { z } from "zod";
import type { AsyncCommands } from "../../fleet/async/async-commands.ts";
import type { Group } from "../../fleet/group.ts";
import type { HeldMemory } from "../../fleet/held-memory.ts";
import type { ListenSettings } from "../../fleet/settings.ts";
import type { LastProbe } from "../../fleet/station-prober.ts";
import type { ListenerFigures } from "../callers/http-proxy.ts";
import type { BeatStreams } from "../heartbeats/beat-streams.ts";
import { callerOf } from "../http/caller-address.ts";
import { PROBLEM_TYPE } from "../http/problem.ts";
import { isLoopback } from "../process/addresses.ts";
import type { Log } from "../telemetry/log.ts";
import { type CertificateFacts, shownFacts } from "../tls/certificates.ts";
import type { ServerContexts } from "../tls/server-contexts.ts";
import { type AsyncRefusal, commandCancelled, commandsListed } from "./async-routes.ts";
import { ControlServer } from "./control-server.ts";
import { type Explainer, explanation } from "./explain-api.ts";
import { asksForPage, eventPage } from "./history-api.ts";
import type { LiveFeed } from "./live-feed.ts";
import { SharedAnswer } from "./shared-answer.ts";

export interface ControlOptions {
  readonly listen: ListenSettings;
  /**
   * Most connections at once; above that, the connection that has been silent for longest is
   * closed. Default 512.
   */
  readonly maxConnections?: number;
  /** Token that clients must present; undefined: only this machine has access. */
  readonly token: string | undefined;
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
}

export interface ControlListener extends AsyncDisposable {
  readonly address: ListenSettings;
}

type Env = { Bindings: HttpBindings };

/** An order is short. */
const MAX_BODY_BYTES = 16 * 1024;
/** For dashboards, scrapers and event readers; commands do not use this listener. */
const MAX_CONNECTIONS = 512;
/** Most bytes of answers in transit: a few of the largest, which describe 10,000 stations. */
const MAX_ANSWERS_BYTES = 64 * 1_024 ** 2;
const LONGEST_REASON = 500;
/** Maintenance ends by an order, or by itself after at most 30 days. */
const LONGEST_MAINTENANCE_MS = 30 * 24 * 3_600_000;

export async function listenForControl(options: ControlOptions): Promise<ControlListener> {
  const control = new ControlServer({
    maxConnections: options.maxConnections ?? MAX_CONNECTIONS,
    isReady: options.ready,
    tls: options.tls,
    // Global objects stay unchanged, because the process has other users of them. A request of
    // HTTP/1.0 need not name a host.
    serve: getRequestListener(controlApp(options).fetch, { overrideGlobalObjects: false, hostname: "localhost" }),
  });
  const { server } = control;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(options.listen, () => {
    server.off("error", reject);
    server.on("error", (error) => options.log.error({ err: error }, "control listener failed"));
    resolve();
  });
  await promise;
  const { address: host, port } = server.address() as AddressInfo;
  return {
    address: { host, port },
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
function controlApp(options: ControlOptions): Hono<Env> {
  const { groups, feed, metrics, log } = options;
  const statusAnswer = new SharedAnswer(() => JSON.stringify(statusOf(options)));
  const metricsAnswer = new SharedAnswer(() => metrics.text());
  const app = new Hono<Env>();
  const named = (context: Context<Env, "/:group">): Group => groupOf(groups, context.req.param("group"));
  app.onError((error, context) => problemAnswer(error, context, log));
  app.notFound(() => problem(404, "there is no such path; see docs/guide/configuration.md for those that there are"));
  app.use("*", options.token === undefined ? fromThisMachine(options.listen.host) : withToken(options.token));
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
  app.get("/v1/groups/:group/explain", (context) => explanation(context, options.explainer, named(context)));
  app.post("/v1/groups/:group/switchover", async (context) => {
    const group = groupOf(groups, context.req.param("group"));
    const order = await orderOf(context, switchoverOrder);
    refuseUnknown(group, "to", order.to);
    const epoch = await carriedOut(group.switchover(order.to, order.reason));
    log.info({ group: group.name, to: order.to, reason: order.reason, epoch }, "switchover on request");
    return context.json({ group: group.name, active: group.activeStation, epoch });
  });
  app.post("/v1/groups/:group/maintenance", async (context) => {
    const group = groupOf(groups, context.req.param("group"));
    const { station, reason, forMs } = await orderOf(context, maintenanceOrder);
    refuseUnknown(group, "station", station);
    group.setMaintenance(station, reason ?? undefined, forMs);
    log.info({ group: group.name, station, reason, forMs }, "maintenance on request");
    return context.json({ group: group.name, station, reason, active: group.activeStation, epoch: group.epoch });
  });
  app.get("/v1/groups/:group/commands", async (context) => {
    const { name } = groupOf(groups, context.req.param("group"));
    const query = { state: context.req.query("state"), limit: context.req.query("limit") };
    return asyncAnswer(context, await commandsListed(name, options.asyncCommands?.get(name), query));
  });
  app.delete("/v1/groups/:group/commands/:id", async (context) => {
    const { name } = groupOf(groups, context.req.param("group"));
    const id = context.req.param("id");
    const answer = await commandCancelled(options.asyncCommands?.get(name), id);
    if (!("detail" in answer)) log.info({ group: name, id }, "asynchronous command cancelled on request");
    return asyncAnswer(context, answer);
  });
  for (const [path, allowed] of METHODS) {
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
  { env: { incoming, outgoing } }: Context<Env>,
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

function asyncAnswer(context: Context<Env>, answer: object | AsyncRefusal): Response {
  if ("detail" in answer) throw refusal(answer.status, answer.detail);
  return context.json(answer, 200, { "cache-control": "no-store" });
}

const METHODS: ReadonlyMap<string, string> = new Map([
  ["/v1/status", "GET, HEAD"],
  ["/v1/events", "GET"],
  ["/metrics", "GET, HEAD"],
  ["/healthz", "GET, HEAD"],
  ["/readyz", "GET, HEAD"],
  ["/v1/groups/:group/beats", "GET"],
  ["/v1/groups/:group/explain", "GET, HEAD"],
  ["/v1/groups/:group/switchover", "POST"],
  ["/v1/groups/:group/maintenance", "POST"],
  ["/v1/groups/:group/commands", "GET, HEAD"],
  ["/v1/groups/:group/commands/:id", "DELETE"],
]);

const reason = z.string().trim().min(1).max(LONGEST_REASON);
const switchoverOrder = z.strictObject({ to: z.string(), reason });
const maintenanceOrder = z.strictObject({
  station: z.string(),
  /** Null ends the maintenance. */
  reason: reason.nullable(),
  forMs: z.number().positive().max(LONGEST_MAINTENANCE_MS).default(LONGEST_MAINTENANCE_MS),
});

/** The answer to `GET /v1/status`. Infinite numbers appear as null. */
function statusOf(options: ControlOptions): object {
  const { groups, asyncCommands, heartbeats, lostLogLines, memory, state, listeners, ready, nowMs, tls } = options;
  const figures = listeners();
  const ofGroup = (name: string, group: Group): object => ({
    ...groupStatus(group, figures[name], nowMs()),
    async: asyncCommands?.get(name)?.status,
  });
  return {
    ready: ready(),
    nowMs: nowMs(),
    heartbeats: heartbeats(),
    lostLogLines: lostLogLines(),
    memory: memory.status,
    state: state?.() ?? null,
    certificates: certificatesOf(tls?.facts),
    groups: Object.fromEntries([...groups].map(([name, group]) => [name, ofGroup(name, group)])),
  };
}

function groupStatus(group: Group, figures: ListenerFigures | undefined, nowMs: number): object {
  const { detector, supervisor, heartbeat, commands, stations } = group.settings;
  const status = group.status;
  const urls = new Map(stations.map((station) => [station.name, station.url]));
  return {
    ...status,
    connections: figures && { ...figures.connections, unserved: figures.unserved },
    tooSlow: figures?.tooSlow,
    certificates: certificatesOf(figures?.certificates),
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
    })),
  };
}

/** Absent without TLS. */
function certificatesOf(facts: readonly CertificateFacts[] | undefined): object[] | undefined {
  return facts === undefined || facts.length === 0 ? undefined : facts.map((one) => shownFacts(one, Date.now()));
}

function withAge(probe: LastProbe | undefined, nowMs: number): (LastProbe & { readonly ageMs: number }) | undefined {
  return probe && { ...probe, ageMs: Math.max(0, Math.round(nowMs - probe.atMs)) };
}

function groupOf(groups: ReadonlyMap<string, Group>, name: string): Group {
  const group = groups.get(name);
  if (group === undefined)
    throw refusal(404, `there is no group "${name}"; there are ${[...groups.keys()].join(", ")}`);
  return group;
}

function refuseUnknown(group: Group, field: string, station: string): void {
  const names = group.settings.stations.map(({ name }) => name);
  if (!names.includes(station))
    throw refusal(400, `${field}: there is no station "${station}" in ${group.name}; there are ${names.join(", ")}`);
}

/** The body of an order. Throws a problem that names the faulty field. */
async function orderOf<Order>(context: Context<Env>, schema: z.ZodType<Order>): Promise<Order> {
  const type = context.req.header("content-type") ?? "nothing";
  if (!/^application\/json\s*(;|$)/i.test(type)) throw refusal(415, `the body is ${type}; allowed is application/json`);
  let body: unknown;
  try {
    body = JSON.parse(await textOf(context.env.incoming));
  } catch (error) {
    if (error instanceof HTTPException) throw error;
    throw refusal(400, `the body is not JSON: ${(error as Error).message}`);
  }
  const read = schema.safeParse(body);
  if (read.success) return read.data;
  const sentences = read.error.issues.map(({ path, message }) =>
    path.length === 0 ? message : `${path.join(".")}: ${message}`,
  );
  throw refusal(400, sentences.join("; "));
}

/** Enforces the limit even if the length was not announced. */
async function textOf(incoming: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of incoming as AsyncIterable<Buffer>) {
    bytes += piece.length;
    if (bytes > MAX_BODY_BYTES) throw refusal(413, `the body is too large; allowed are ${MAX_BODY_BYTES} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString("utf8");
}

/** If the group refuses an order, the answer is a conflict (409) with the group's reason. */
async function carriedOut<Result>(order: Promise<Result>): Promise<Result> {
  try {
    return await order;
  } catch (error) {
    if (error instanceof ResilienceError) throw refusal(409, error.message);
    throw error;
  }
}

// ── access ─────────────────────────────────────────────────────────────────────────────────────

/**
 * Compares digests, so that the time taken reveals neither the content nor the length of the token.
 */
function withToken(token: string): MiddlewareHandler {
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  const expected = digest(token);
  return bearerAuth({ verifyToken: (given) => timingSafeEqual(digest(given), expected) });
}

/**
 * The Host header must name this machine. The port does not matter, because a tunnel may use
 * another one.
 */
function fromThisMachine(listenHost: string): MiddlewareHandler {
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

// ── problems ───────────────────────────────────────────────────────────────────────────────────

type ProblemStatus = 400 | 403 | 404 | 409 | 413 | 415;

function refusal(status: ProblemStatus, detail: string): HTTPException {
  return new HTTPException(status, { message: detail });
}

function problem(status: number, detail: string, headers: Readonly<Record<string, string>> = {}): Response {
  const body = JSON.stringify({ type: "about:blank", title: STATUS_CODES[status], status, detail });
  return new Response(body, {
    status,
    headers: { ...headers, "content-type": PROBLEM_TYPE, "cache-control": "no-store" },
  });
}

function problemAnswer(error: Error, context: Context, log: Log): Response {
  if (error instanceof HTTPException) {
    const challenge = error.res?.headers.get("www-authenticate");
    if (challenge === null || challenge === undefined) return problem(error.status, error.message);
    return problem(error.status, "allowed is: Authorization: Bearer <the token of control.tokenFile>", {
      "www-authenticate": challenge,
    });
  }
  log.error({ err: error, path: context.req.path }, "control request failed");
  return problem(500, "this is a fault of the gateway; its log says more");
}
