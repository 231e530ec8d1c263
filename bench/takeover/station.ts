/**
 * A ground station as a process: it executes commands, appends each executed key to a file, and
 * misbehaves on order. The file survives a kill and is read again at the start, so that the bench
 * knows what was really executed and a repeated key is answered without a second execution.
 * `POST /commands` needs an `Idempotency-Key`; the optional contract is `X-Deadline` (milliseconds
 * since 1970; an expired command gets 504 and is not executed), `GET /commands/KEY` and
 * `DELETE /commands/KEY` (cancel-or-learn). The admin port is the bench's alone.
 */
import { closeSync, existsSync, openSync, readFileSync, writeSync } from "node:fs";
import http, { type IncomingMessage, type ServerResponse } from "node:http";
import { parseArgs } from "node:util";
import type { StationMode } from "./cases.ts";
import { chanceOf } from "./chance.ts";

interface Answer {
  readonly status: string;
  readonly key: string;
  readonly station: string;
}

type Result = readonly [status: number, body: object];

const HOST = "127.0.0.1";
/**
 * Work that a refused command still costs, in commands; a storm therefore lowers what is served.
 */
const REFUSAL_COST = 0.5;
/** A repeated key is answered from memory after this long. */
const REPLAY_MS = 5;

const { values } = parseArgs({
  options: {
    name: { type: "string", default: "station" },
    port: { type: "string" },
    "health-port": { type: "string" },
    "admin-port": { type: "string" },
    log: { type: "string" },
    latency: { type: "string", default: "80" },
    "executed-at": { type: "string", default: "0.5" },
    capacity: { type: "string", default: "0" },
    burst: { type: "string", default: "0" },
    warming: { type: "string", default: "0" },
    seed: { type: "string", default: "0" },
    standby: { type: "boolean", default: false },
  },
});
// On standby the process is loaded and does nothing until it is told to start: then it is there
// within milliseconds.
if (values.standby)
  await new Promise((resolve) => process.stdin.once("data", resolve).once("end", () => process.exit(0)));
const name = values.name;
const logFile = String(values.log);
const baseLatencyMs = Number(values.latency);
const executedAt = Number(values["executed-at"]);
const capacity = Number(values.capacity);
const burst = Number(values.burst);
const coin = chanceOf("station", name, values.seed);
const nowMs = (): number => performance.timeOrigin + performance.now();
const bornMs = nowMs();

const answers = new Map<string, Answer>();
if (existsSync(logFile)) {
  for (const line of readFileSync(logFile, "utf8").split("\n")) if (line !== "") remember(JSON.parse(line).key);
}
const log = openSync(logFile, "a");
const running = new Map<string, Promise<Result>>();
/** Keys that will never be executed here. */
const cancelled = new Set<string>();
const counts = { received: 0, executed: 0, replayed: 0, refused: 0, expired: 0, cancelled: 0, failed: 0, inFlight: 0 };
const arrivalsMs: number[] = [];
let mode: StationMode = { name: "ok" };
let tokens = burst;
let refilledMs = nowMs();

function remember(key: string): Answer {
  const answer = { status: "ok", key, station: name };
  answers.set(key, answer);
  return answer;
}

/** Token bucket: a refused arrival costs half a command, with up to one second of debt. */
function admit(): boolean {
  if (capacity === 0) return true;
  const atMs = nowMs();
  tokens = Math.min(burst, tokens + ((atMs - refilledMs) / 1_000) * capacity);
  refilledMs = atMs;
  if (tokens >= 1) {
    tokens -= 1;
    return true;
  }
  tokens = Math.max(-capacity, tokens - REFUSAL_COST);
  return false;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function send(response: ServerResponse, status: number, body: object, headers: Record<string, string> = {}): void {
  if (response.destroyed || response.writableEnded) return;
  const text = JSON.stringify(body);
  const length = Buffer.byteLength(text);
  response.writeHead(status, { "content-type": "application/json", "content-length": length, ...headers });
  response.end(text);
}

/** The command was executed and its answer gets lost. */
function cut(response: ServerResponse, how: "reset-mid" | "reset-before"): void {
  if (response.destroyed) return;
  if (how === "reset-before") {
    response.socket?.resetAndDestroy();
    return;
  }
  const text = JSON.stringify({ status: "ok", padding: "x".repeat(200) });
  response.writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(text) });
  response.write(text.slice(0, 40), () => setTimeout(() => response.socket?.resetAndDestroy(), 3));
}

async function execute(key: string, deadlineMs: number): Promise<Result> {
  const latencyMs = mode.name === "slow" ? mode.latencyMs : baseLatencyMs;
  await sleep(latencyMs * executedAt);
  if (deadlineMs > 0 && Date.now() > deadlineMs) {
    counts.expired++;
    return [504, { status: "expired", key }];
  }
  if (cancelled.has(key)) {
    counts.cancelled++;
    return [409, { status: "cancelled", key }];
  }
  writeSync(log, `${JSON.stringify({ key, atMs: Number(nowMs().toFixed(2)), station: name })}\n`);
  counts.executed++;
  const answer = remember(key);
  await sleep(latencyMs * (1 - executedAt));
  return [200, answer];
}

async function resultOf(key: string, request: IncomingMessage): Promise<Result> {
  const known = answers.get(key);
  if (known !== undefined && !running.has(key)) {
    counts.replayed++;
    await sleep(REPLAY_MS);
    return [200, { ...known, replayed: true }];
  }
  const underWay = running.get(key);
  if (underWay !== undefined) {
    counts.replayed++;
    return await underWay;
  }
  const fresh = execute(key, Number(request.headers["x-deadline"]) || 0).finally(() => running.delete(key));
  running.set(key, fresh);
  return await fresh;
}

/** What this station answers without executing anything, or undefined where the command may run. */
function refusalOf(key: string): Result | undefined {
  if (mode.name === "error500") return [500, { status: "error" }];
  if (mode.name === "semantic") return [200, { status: "error", error: "antenna not pointed" }];
  if (mode.name === "failsome" && coin() < mode.failureRate) return [500, { status: "error" }];
  if (nowMs() - bornMs < Number(values.warming)) return [503, { status: "warming" }];
  if (cancelled.has(key)) return [409, { status: "cancelled", key }];
  return undefined;
}

async function command(request: IncomingMessage, response: ServerResponse): Promise<void> {
  counts.received++;
  counts.inFlight++;
  arrivalsMs.push(nowMs());
  try {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    JSON.parse(Buffer.concat(chunks).toString());
    const key = request.headers["idempotency-key"];
    if (typeof key !== "string") return send(response, 400, { status: "error", error: "Idempotency-Key is missing" });
    const refusal = refusalOf(key);
    if (refusal !== undefined) {
      counts.failed++;
      return send(response, ...refusal);
    }
    if (!admit()) {
      counts.refused++;
      return send(response, 503, { status: "overloaded" }, { "retry-after": "1" });
    }
    const result = await resultOf(key, request);
    if (mode.name === "reset-mid" || mode.name === "reset-before") return cut(response, mode.name);
    send(response, ...result);
  } catch {
    response.destroy();
  } finally {
    counts.inFlight--;
  }
}

async function health(response: ServerResponse): Promise<void> {
  if (mode.name === "error500") return send(response, 500, { status: "error" });
  if (mode.name === "slow" && mode.healthLatencyMs !== undefined) await sleep(mode.healthLatencyMs);
  send(response, 200, { status: "ok", station: name });
}

/**
 * `GET` tells what became of a key; `DELETE` cancels it, or tells that it is too late and what was
 * answered.
 */
function keyStatus(method: string | undefined, key: string, response: ServerResponse): void {
  const executed = answers.has(key);
  if (method === "DELETE" && !executed) cancelled.add(key);
  const answer = answers.get(key);
  send(response, 200, {
    key,
    executed,
    inflight: running.has(key) && !executed,
    cancelled: cancelled.has(key),
    ...(answer !== undefined && { answer }),
  });
}

function onMain(request: IncomingMessage, response: ServerResponse): void {
  response.on("error", () => {});
  request.on("error", () => {});
  if (request.method === "POST" && request.url === "/commands") return void command(request, response);
  if (request.url === "/health") return void health(response);
  if (mode.name === "error500") return send(response, 500, { status: "error" });
  const key = /^\/commands\/(.+)$/.exec(request.url ?? "")?.[1];
  if (key !== undefined && (request.method === "GET" || request.method === "DELETE"))
    return keyStatus(request.method, decodeURIComponent(key), response);
  send(response, 404, { status: "error" });
}

async function onAdmin(request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method === "POST" && request.url === "/mode") {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    mode = JSON.parse(Buffer.concat(chunks).toString()) as StationMode;
  }
  send(response, 200, { ...counts, arrivalsMs });
}

function serve(port: string | undefined, listener: http.RequestListener): Promise<void> {
  const server = http.createServer(listener);
  server.keepAliveTimeout = 120_000;
  server.headersTimeout = 130_000;
  server.requestTimeout = 0;
  server.maxRequestsPerSocket = 0;
  server.on("clientError", (_error, socket) => socket.destroy());
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port: Number(port), host: HOST, backlog: 1024 }, resolve);
  });
}

process.on("exit", () => closeSync(log));
await serve(values["admin-port"], (request, response) => void onAdmin(request, response));
await serve(values["health-port"], (_request, response) => void health(response));
await serve(values.port, onMain);
// The station ends with the bench that started it.
process.stdin.on("error", () => {});
process.stdin.on("end", () => process.exit(0)).resume();
process.stdout.write("READY\n");
