/**
 * The control listener over a real socket: what it tells, what it does when ordered, and how it
 * refuses, including those who may not ask at all. The gateway behind it is the real composition
 * with stations that exist only in memory.
 */
import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { after, test } from "node:test";
import type { VirtualClock } from "ground-station-failover/sim";
import { Agent, request } from "undici";
import { probedPair } from "../../../../test/worlds/probed-pair.ts";
import type { Gateway, GatewayEvent } from "../../compose.ts";
import { CallHistory } from "../../fleet/call-history.ts";
import { EventHistory } from "../../fleet/event-history.ts";
import { HeldMemory } from "../../fleet/held-memory.ts";
import { StandingOrders } from "../../fleet/standing-orders.ts";
import { BeatStreams } from "../heartbeats/beat-streams.ts";
import { createLog } from "../telemetry/log.ts";
import { ControlAccess, type ControlToken } from "./control-access.ts";
import { type ControlListener, listenForControl } from "./control-api.ts";
import { Explainer } from "./explain-api.ts";
import { LiveFeed } from "./live-feed.ts";

const READ_TOKEN = "a-read-token-of-many-bytes";

interface Fixture {
  readonly control: ControlListener;
  readonly gateway: Gateway;
  readonly feed: LiveFeed;
  readonly clock: VirtualClock;
  readonly silent: Set<string>;
  readonly state: { ready: boolean };
  readonly logged: string[];
  readonly memory: HeldMemory;
  /** How often the metrics were made. */
  readonly made: { metrics: number };
  ask(path: string, options?: Asked): Promise<Answer>;
}
interface Asked {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}
interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test reads whatever the API said
  readonly json: any;
}

const agent = new Agent({ keepAliveTimeout: 1 });
const opened: AsyncDisposable[] = [];
after(async () => {
  for (const part of opened) await part[Symbol.asyncDispose]();
  await agent.destroy();
});

async function controlOf(token?: string): Promise<Fixture> {
  const tokens: ControlToken[] =
    token === undefined
      ? []
      : [
          { name: "sara", may: "operate", value: token },
          { name: "prometheus", may: "read", value: READ_TOKEN },
        ];
  const { gateway, clock, silent } = probedPair();
  const stop = new AbortController();
  const running = gateway.run(stop.signal);
  const history = new EventHistory({ clock, timeOfDayMs: () => clock.nowMs() });
  const feed = new LiveFeed({ clock, history });
  const calls = new CallHistory({ groups: 1 });
  const { settings } = gateway;
  const explainer = new Explainer({ settings, calls, history, timeOfDayMs: () => clock.nowMs() });
  gateway.onEvent((event) => explainer.note(feed.publish(event, new Date(0)), event));
  await clock.advanceBy(5_000);
  const logged: string[] = [];
  const state = { ready: true };
  const memory = new HeldMemory({ maxBytes: 64 * 1_024 ** 2 });
  const made = { metrics: 0 };
  const control = await listenForControl({
    listen: { host: "127.0.0.1", port: 0 },
    access: new ControlAccess(tokens, clock),
    orders: new StandingOrders({
      groups: gateway.groups,
      clock,
      unixNowMs: () => 1e12 + clock.nowMs(),
      drainDelayMs: 1_000,
    }),
    version: "0.0.0",
    groups: gateway.groups,
    feed,
    explainer,
    beats: new BeatStreams({ clock }),
    memory,
    listeners: () => ({}),
    metrics: { contentType: "text/plain", text: async () => `gsf_up ${Math.min(1, ++made.metrics)}\n` },
    heartbeats: () => ({ accepted: 3 }),
    ready: () => state.ready,
    nowMs: () => clock.nowMs(),
    lostLogLines: () => 7,
    log: createLog({ level: "info", json: true, to: { write: (line) => void logged.push(line) } }),
  });
  opened.push(control, {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running;
    },
  });
  const ask = async (path: string, { method = "GET", headers = {}, body }: Asked = {}): Promise<Answer> => {
    const answer = await request(`http://127.0.0.1:${control.address.port}${path}`, {
      method: method as "GET",
      headers,
      body: body ?? null,
      dispatcher: agent,
    });
    const text = await answer.body.text();
    const json = text !== "" && /json/.test(String(answer.headers["content-type"])) ? JSON.parse(text) : undefined;
    return { status: answer.statusCode, headers: answer.headers, text, json };
  };
  return { control, gateway, feed, clock, silent, state, logged, memory, made, ask };
}

function order(body: unknown, type = "application/json"): Asked {
  return {
    method: "POST",
    headers: { "content-type": type },
    body: typeof body === "string" ? body : JSON.stringify(body),
  };
}

function assertProblem(answer: Answer, status: number, detail: RegExp): void {
  assert.equal(answer.status, status, answer.text);
  assert.equal(answer.headers["content-type"], "application/problem+json");
  assert.equal(answer.json.status, status);
  assert.equal(typeof answer.json.title, "string");
  assert.match(answer.json.detail, detail);
}

test("[G10] callers hold all that they may → the status says so; answers that nobody takes have a bound of their own", async () => {
  const { ask, memory } = await controlOf();
  memory.roomFor("127.0.0.1").takeAnyway("requests", 64 * 1_024 ** 2);
  const { status, json } = await ask("/v1/status");
  assert.equal(status, 200);
  assert.deepEqual(json.memory.largest, { caller: "127.0.0.1", heldBytes: 64 * 1_024 ** 2 });
  assert.equal((await ask("/metrics")).status, 200);
  const untaken = memory.roomFor("127.0.0.1");
  untaken.takeAnyway("control", 64 * 1_024 ** 2);
  assertProblem(await ask("/v1/status"), 503, /answers that nobody takes/);
  assert.equal((await ask("/healthz")).status, 200);
  untaken.release();
  assert.equal((await ask("/v1/status")).status, 200);
  while (memory.status.held.control > 0) await new Promise(setImmediate);
});

test("[G3] status tells who serves, the evidence, phi and its thresholds; nothing infinite breaks it", async () => {
  const { ask, silent, clock } = await controlOf();
  const { status, json } = await ask("/v1/status");
  assert.equal(status, 200);
  assert.equal(json.ready, true);
  assert.deepEqual(json.heartbeats, { accepted: 3 });
  const { atlantic } = json.groups;
  assert.equal(atlantic.active, "primary");
  assert.equal(atlantic.epoch, 1);
  assert.deepEqual(atlantic.thresholds, { clear: 2, suspect: 8, declare: 12 });
  assert.equal(atlantic.stations[0].url, "http://127.0.0.1:9001");
  assert.equal(atlantic.stations[0].liveness, "alive");
  assert.deepEqual(
    { ...atlantic.stations[0].lastProbe, atMs: "any", ageMs: "any" },
    { isWell: true, text: "HTTP 200 in 0 ms", atMs: "any", ageMs: "any" },
  );
  const { atMs, ageMs } = atlantic.stations[0].lastProbe;
  assert.equal(ageMs, Math.round(json.nowMs - atMs));
  assert.ok(atlantic.stations[0].phi >= 0 && atlantic.stations[0].phi < 2, String(atlantic.stations[0].phi));
  assert.equal(atlantic.stations[0].ramp.limit, null);
  assert.equal(atlantic.stations[0].breaker.state, "closed");
  silent.add("primary");
  await clock.advanceBy(2_000);
  const later = (await ask("/v1/status")).json.groups.atlantic;
  assert.equal(later.active, "backup");
  assert.equal(later.epoch, 2);
  assert.match(JSON.stringify(later.stations[0].assessment.evidence), /heartbeats down/);
});

test("[F7] a switchover is carried out and answered with the new epoch, and in the trail with its reason", async () => {
  const { ask, gateway } = await controlOf();
  const told: GatewayEvent[] = [];
  gateway.onEvent((event) => told.push(event));
  const answer = await ask("/v1/groups/atlantic/switchover", order({ to: "backup", reason: "antenna work" }));
  assert.equal(answer.status, 200, answer.text);
  assert.deepEqual(answer.json, { group: "atlantic", active: "backup", epoch: 2 });
  assert.equal(gateway.groups.get("atlantic")?.activeStation, "backup");
  const given = told.find((event) => event.type === "order");
  assert.deepEqual(
    { ...given, atMs: 0 },
    {
      ...{ type: "order", group: "atlantic", order: "switchover", outcome: "done", station: "backup" },
      ...{ reason: "antenna work", by: { token: undefined, address: "127.0.0.1", name: undefined }, atMs: 0 },
    },
  );
});

test("[F7] a switchover to a station that is not eligible, or active already, is a conflict with its reason", async () => {
  const { ask, silent, clock } = await controlOf();
  assertProblem(
    await ask("/v1/groups/atlantic/switchover", order({ to: "primary", reason: "x" })),
    409,
    /primary is active already/,
  );
  silent.add("backup");
  await clock.advanceBy(2_000);
  assertProblem(
    await ask("/v1/groups/atlantic/switchover", order({ to: "backup", reason: "x" })),
    409,
    /backup is not eligible to be active: .*heartbeats down/,
  );
});

test("[G6] a bad order is refused with what is allowed, and changes nothing", async () => {
  const { ask, gateway } = await controlOf();
  const path = "/v1/groups/atlantic/switchover";
  assertProblem(await ask("/v1/groups/pacific/switchover", order({ to: "a", reason: "b" })), 404, /there are atlantic/);
  assertProblem(await ask(path, order({ to: "moon", reason: "x" })), 400, /to: .*there are primary, backup/);
  assertProblem(await ask(path, order("{")), 400, /not JSON/);
  assertProblem(await ask(path, order("[]")), 400, /expected object/);
  assertProblem(await ask(path, order({ to: "backup" })), 400, /reason: /);
  assertProblem(await ask(path, order({ to: "backup", reason: " " })), 400, /reason: /);
  assertProblem(await ask(path, order({ to: "backup", reason: "x", force: true })), 400, /force/);
  assertProblem(
    await ask(path, order({ to: "backup", reason: "x" }, "text/plain")),
    415,
    /allowed is application\/json/,
  );
  assertProblem(await ask(path, order("x".repeat(20_000))), 413, /16384 bytes/);
  assertProblem(await ask(path), 405, /POST/);
  assertProblem(await ask("/v1/status", { method: "DELETE" }), 405, /GET/);
  assertProblem(await ask("/v2"), 404, /no such path/);
  assertProblem(await ask("/v1/groups/%E0%A4%A/switchover", order({ to: "backup", reason: "x" })), 404, /no group/);
  assert.equal(gateway.groups.get("atlantic")?.epoch, 1);
});

test("[F7] maintenance of the active station makes another one active, and can be ended", async () => {
  const { ask, clock } = await controlOf();
  const path = "/v1/groups/atlantic/maintenance";
  const begun = await ask(path, order({ station: "primary", reason: "new disk", forMs: 60_000 }));
  assert.equal(begun.status, 200, begun.text);
  await clock.advanceBy(5_000);
  const { atlantic } = (await ask("/v1/status")).json.groups;
  assert.equal(atlantic.active, "backup");
  assert.equal(atlantic.stations[0].maintenance.reason, "new disk");
  assert.equal((await ask(path, order({ station: "primary", reason: null }))).status, 200);
  assert.equal((await ask("/v1/status")).json.groups.atlantic.stations[0].maintenance, undefined);
  assertProblem(await ask(path, order({ station: "primary", reason: "x", forMs: -1 })), 400, /forMs/);
});

test("[F7] an order is kept with its giver, its reason and its end; the status and the trail show it until it ends", async () => {
  const { ask, clock } = await controlOf("a-token-of-many-bytes");
  const authorization = "Bearer a-token-of-many-bytes";
  const given = (body: unknown): Asked => {
    const asked = order(body);
    return { ...asked, headers: { ...asked.headers, authorization } };
  };
  const path = "/v1/groups/atlantic/maintenance";
  const begun = await ask(path, given({ station: "backup", reason: "new disk", forMs: 60_000, by: "Sara" }));
  assert.deepEqual(
    { ...begun.json, untilUnixMs: 0 },
    {
      ...{ group: "atlantic", station: "backup", active: "primary", epoch: 1, reason: "new disk" },
      ...{ untilUnixMs: 0, durable: false },
    },
  );
  const [shown] = (await ask("/v1/status", { headers: { authorization } })).json.groups.atlantic.orders;
  assert.deepEqual([shown.kind, shown.by.token, shown.by.name, shown.leftMs], ["maintenance", "sara", "Sara", 60_000]);
  await clock.advanceBy(60_000);
  const { inForce, trail } = (await ask("/v1/orders", { headers: { authorization } })).json;
  assert.deepEqual(inForce, []);
  assert.deepEqual(
    trail.map(({ outcome, unixMs }: { outcome: string; unixMs: number }) => [outcome, unixMs - trail[0].unixMs]),
    [
      ["begun", 0],
      ["expired", 60_000],
    ],
  );
});

test("[F7] failback and drain are taken, and refused with the reason where they cannot be", async () => {
  const { ask, clock, silent } = await controlOf();
  const at = (name: string): string => `/v1/groups/atlantic/${name}`;
  assertProblem(await ask(at("failback"), order({ reason: "x" })), 409, /primary is active already/);
  await ask(at("switchover"), order({ to: "backup", reason: "antenna work" }));
  const back = ask(at("failback"), order({ reason: "it is done" }));
  let isBack = false;
  back.then(() => {
    isBack = true;
  });
  while (!isBack) {
    await clock.advanceBy(100);
    await new Promise(setImmediate);
  }
  assert.deepEqual((await back).json, { group: "atlantic", active: "primary", epoch: 3 });
  const drained = await ask(at("drain"), order({ reason: "move", forMs: 60_000 }));
  assert.deepEqual([drained.status, drained.json.station, drained.json.reason], [200, null, "move"]);
  assert.equal((await ask("/v1/status")).json.groups.atlantic.isDraining, true);
  assert.equal((await ask(at("drain"), order({ reason: null }))).json.reason, null);
  assert.equal((await ask("/v1/status")).json.groups.atlantic.isDraining, false);
  silent.add("backup");
  await clock.advanceBy(2_000);
  assertProblem(await ask(at("drain"), order({ station: "primary", reason: "x" })), 409, /no other station/);
  assertProblem(await ask(at("drain"), order({ station: "moon", reason: "x" })), 400, /there are primary, backup/);
  assertProblem(await ask(at("drain"), order({ reason: "x", forMs: 1e12 })), 400, /forMs/);
});

test("[G6] a token that may only read reads everything and orders nothing", async () => {
  const { ask, gateway } = await controlOf("a-token-of-many-bytes");
  const authorization = `Bearer ${READ_TOKEN}`;
  for (const path of ["/v1/status", "/metrics", "/v1/orders", "/v1/openapi.json"])
    assert.equal((await ask(path, { headers: { authorization } })).status, 200, path);
  for (const name of ["switchover", "failback", "maintenance", "drain"]) {
    const asked = order({ to: "backup", reason: "x" });
    const answer = await ask(`/v1/groups/atlantic/${name}`, { ...asked, headers: { ...asked.headers, authorization } });
    assertProblem(answer, 403, /prometheus may only read/);
  }
  for (const method of ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
    assertProblem(await ask("/v1/status", { method, headers: { authorization } }), 403, /may only read/);
  assert.equal(gateway.groups.get("atlantic")?.epoch, 1);
});

test("[G6] a flood of wrong tokens → 429 with Retry-After; probes are answered, no token is logged", async () => {
  const { ask, logged } = await controlOf("a-token-of-many-bytes");
  const guesses: Answer[] = [];
  for (let guess = 0; guess < 12; guess++)
    guesses.push(await ask("/v1/status", { headers: { authorization: `Bearer guess-${guess}` } }));
  assert.deepEqual(
    guesses.map(({ status }) => status),
    [...Array<number>(10).fill(401), 429, 429],
  );
  assert.equal(guesses.at(-1)?.headers["retry-after"], "3");
  assert.equal((await ask("/readyz")).status, 200);
  assert.equal(logged.filter((line) => line.includes("a wrong control token")).length, 1);
  assert.doesNotMatch(logged.join(), /guess-|a-token-of-many-bytes/);
});

test("events are streamed as they happen", async () => {
  const { control, ask } = await controlOf();
  const stream = await request(`http://127.0.0.1:${control.address.port}/v1/events`, { dispatcher: agent });
  assert.equal(stream.headers["content-type"], "text/event-stream");
  await ask("/v1/groups/atlantic/switchover", order({ to: "backup", reason: "antenna work" }));
  let text = "";
  for await (const piece of stream.body) {
    text += piece;
    if (/event: promoted[\s\S]*\n\n/.test(text)) break;
  }
  assert.match(text, /"sentence":"backup is active in place of primary \(switchover\), epoch 2: antenna work/);
});

test("[D10] a group's heartbeats are streamed to who may see them, and to nobody else", async () => {
  const { ask, control, clock } = await controlOf("a-token-that-is-long-enough");
  const authorization = "Bearer a-token-that-is-long-enough";
  const path = "/v1/groups/atlantic/beats";
  assert.equal((await ask(path)).status, 401);
  assertProblem(await ask("/v1/groups/pacific/beats", { headers: { authorization } }), 404, /there are atlantic/);
  assertProblem(await ask(path, { method: "POST", headers: { authorization } }), 405, /allowed here is GET/);
  assert.equal((await ask(path, { method: "HEAD", headers: { authorization } })).status, 405);
  const { host, port } = control.address;
  const { statusCode, headers, body } = await request(`http://${host}:${port}${path}`, {
    dispatcher: agent,
    headers: { authorization },
  });
  assert.deepEqual([statusCode, headers["content-type"]], [200, "application/x-ndjson"]);
  body.setEncoding("utf8");
  let text = "";
  for await (const piece of body) {
    text += piece;
    if (/"node":"backup"/.test(text)) break;
    await clock.advanceBy(50);
  }
  assert.match(text, /^\{"recording":"atlantic","kind":"http","intervalMs":50,"startedMs":\d+\}\n/);
  assert.match(text, /\n\{"node":"primary","arrival":\d+\}\n/);
});

test("a HEAD of the events leaves no reader behind", async () => {
  const { ask, feed } = await controlOf();
  assert.equal((await ask("/v1/events", { method: "HEAD" })).status, 405);
  assert.equal(feed.readers, 0);
});

test("[G3] with a token, only whoever shows it may ask; health stays open", async () => {
  const { ask } = await controlOf("a-token-of-many-bytes");
  const denied = await ask("/v1/status");
  assertProblem(denied, 401, /Bearer/);
  assert.match(String(denied.headers["www-authenticate"]), /^Bearer/);
  assertProblem(await ask("/metrics", { headers: { authorization: "Bearer wrong" } }), 401, /Bearer/);
  assert.equal((await ask("/v1/status", { headers: { authorization: "Bearer a-token-of-many-bytes" } })).status, 200);
  assert.equal((await ask("/healthz")).status, 200);
  assert.equal((await ask("/readyz")).status, 200);
});

test("[G6] without a token, a page of a foreign name that resolves to this machine is refused", async () => {
  const { ask } = await controlOf();
  assertProblem(await ask("/v1/status", { headers: { host: "evil.example:7070" } }), 403, /evil\.example/);
  for (const host of ["localhost", "localhost:9999", "127.0.0.1:1", "[::1]:7070"]) {
    assert.equal((await ask("/v1/status", { headers: { host } })).status, 200, host);
  }
});

test("readyz follows the gateway; healthz only says that the process answers", async () => {
  const { ask, state } = await controlOf();
  state.ready = false;
  assertProblem(await ask("/readyz"), 503, /stopping/);
  assert.equal((await ask("/healthz")).status, 200);
});

test("metrics come in Prometheus' text format", async () => {
  const { ask } = await controlOf();
  assert.equal((await ask("/metrics")).text, "gsf_up 1\n");
});

/**
 * What the listener answers to `text`, until it closes, or as far as an answer's first line where
 * it does not.
 */
function raw(port: number, text: string): Promise<string> {
  return new Promise((resolve) => {
    let said = "";
    const socket = connect(port, "127.0.0.1", () => socket.end(text));
    socket.setTimeout(20_000, () => socket.destroy());
    socket.on("data", (piece) => {
      said += piece;
    });
    socket.on("error", () => undefined);
    socket.on("close", () => resolve(said));
  });
}

test("[G3] an order in pieces of unknown length is carried out; one that is too long, broken or cut off is refused", async () => {
  const { control, gateway } = await controlOf();
  const { port } = control.address;
  const head =
    "POST /v1/groups/atlantic/switchover HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n";
  const body = JSON.stringify({ to: "backup", reason: "a chunked order" });
  const chunk = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`;
  const chunked = `${head}Transfer-Encoding: chunked\r\n\r\n`;
  assert.match(
    await raw(port, `${chunked}${chunk(body.slice(0, 9))}${chunk(body.slice(9))}0\r\n\r\n`),
    /^HTTP\/1\.1 200 /,
  );
  assert.equal(gateway.groups.get("atlantic")?.activeStation, "backup");
  const tooLong = chunk("x".repeat(10_000)).repeat(3);
  assert.match(await raw(port, `${chunked}${tooLong}0\r\n\r\n`), /^HTTP\/1\.1 413 /);
  assert.match(await raw(port, `${chunked}zz\r\n`), /^HTTP\/1\.1 400 /);
  assert.doesNotMatch(await raw(port, `${chunked}5\r\n{`), /^HTTP\/1\.1 [25]/);
});

test("[G3] whatever reaches it, and is a request, is answered 2xx or 4xx, and nothing is logged as a fault of ours", async () => {
  const { control, logged, feed } = await controlOf();
  const { port } = control.address;
  const methods = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "PROPFIND", "QUERY"];
  const paths = [
    "/",
    "/v1/status",
    "/metrics",
    "/healthz",
    "/v1/groups/atlantic/switchover",
    "/v1/groups/%ff/switchover",
    "/v1/groups/%2e%2e/maintenance",
    "//",
    "/%",
    "/v1/status?a=%zz",
    "http://localhost/v1/status",
    "http://[/",
    "*",
    "/\u00e9",
  ];
  const more = [
    "",
    "Transfer-Encoding: chunked\r\n",
    "Content-Length: 0\r\n",
    "Expect: 100-continue\r\n",
    "Expect: fire\r\n",
    "Upgrade: websocket\r\nConnection: upgrade\r\n",
    "Content-Type: application/json\r\nContent-Length: 2\r\n",
    "Host: \r\n",
    "Host: a b\r\n",
    "Host: [::1\r\n",
    "Authorization: Bearer\r\n",
    "Last-Event-ID: \u0001x\r\n",
    "Content-Type: multipart/form-data\r\nContent-Length: 2\r\n",
    "Range: bytes=0-\r\n",
    "If-None-Match: *\r\n",
  ];
  for (const method of methods)
    for (const path of paths)
      for (const fields of more) {
        const host = fields.startsWith("Host") ? "" : "Host: localhost\r\n";
        const said = await raw(port, `${method} ${path} HTTP/1.1\r\n${host}Connection: close\r\n${fields}\r\n{}`);
        assert.match(
          said,
          /^HTTP\/1\.1 (?:100 Continue\r\n\r\nHTTP\/1\.1 )?[24]\d\d /,
          `${method} ${path} ${fields}: ${said.slice(0, 200)}`,
        );
      }
  feed.close();
  assert.deepEqual(
    logged.filter((line) => line.includes('"error"')),
    [],
  );
});

test("[G6] more connections that say nothing than there may be → a probe is answered, and readers of events stay", async () => {
  const { control, feed, clock } = await controlOf();
  const { port } = control.address;
  const reader = await fetch(`http://127.0.0.1:${port}/v1/events`);
  const flood: Socket[] = [];
  for (let place = 0; place < 1_200; place++) {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => undefined);
    flood.push(socket);
    if (place % 2 === 0) socket.write("GET /healthz HTTP/1.1\r\nHost: loc");
  }
  for (let probe = 0; probe < 20; probe++) {
    assert.match(
      await raw(port, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
      /^HTTP\/1\.1 200 /,
    );
  }
  assert.equal(feed.readers, 1);
  await clock.advanceBy(15_000);
  const piece = await reader.body?.getReader().read();
  assert.match(new TextDecoder().decode(piece?.value), /retry|still here/);
  for (const socket of flood) socket.destroy();
});

test("[G6] 20 connections ask 1,000 times each and take nothing → little is made, probes are answered, and nothing once they closed", async () => {
  const { control, made, ask } = await controlOf();
  const { port } = control.address;
  const flood = Array.from({ length: 20 }, () => {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => undefined);
    socket.write("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(1_000));
    return socket.pause();
  });
  for (let probe = 0; probe < 50; probe++) assert.equal((await ask("/healthz")).status, 200);
  assert.equal((await ask("/v1/status")).status, 200);
  assert.ok(made.metrics >= 1 && made.metrics <= 20 * 5, `made ${made.metrics} times`);
  for (const socket of flood) socket.destroy();
  for (let probe = 0; probe < 50; probe++) await ask("/healthz");
  const before = made.metrics;
  await ask("/metrics");
  assert.equal(made.metrics, before + 1);
});

test("[G6] requests on one connection are answered one after the other; the first few of many, and the connection ends", async () => {
  const { control, made } = await controlOf();
  const { port } = control.address;
  const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
  const order = JSON.stringify({ to: "backup", reason: "first" });
  const post = `POST /v1/groups/atlantic/switchover HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${order.length}\r\n\r\n${order}`;
  const said = await raw(
    port,
    `${post}${get("/v1/status")}${get("/healthz")}GET /x HTTP/1.1\r\n\r\n${get("/metrics")}`,
  );
  assert.deepEqual(
    [...said.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => status),
    ["200", "200", "200", "400"],
  );
  assert.match(said, /"epoch":2\}[\s\S]*"active":"backup"[\s\S]*"status":"alive"/);
  assert.equal(made.metrics, 0);
  const many = await raw(port, get("/healthz").repeat(5_000));
  const answers = many.split("HTTP/1.1 200").length - 1;
  assert.ok(answers >= 1 && answers <= 20, `${answers} answers`);
});

test("[G3] probes of HTTP/1.0, without a Host or with an empty one, are answered; a Host that is none or missing is refused", async () => {
  const { control, state } = await controlOf();
  const { port } = control.address;
  const status = async (text: string): Promise<string | undefined> =>
    /^HTTP\/1\.1 (\d{3})/.exec(await raw(port, text))?.[1];
  for (const path of [
    "/healthz",
    "/readyz",
    "/readyz?from=balancer",
    "http://gateway/readyz",
    "/v1/status",
    "/metrics",
  ]) {
    assert.equal(await status(`GET ${path} HTTP/1.0\r\n\r\n`), "200", path);
    assert.equal(await status(`HEAD ${path} HTTP/1.0\r\n\r\n`), "200", path);
    assert.equal(await status(`GET ${path} HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n`), "200", path);
    assert.equal(await status(`GET ${path} HTTP/1.1\r\n\r\n`), "400", path);
    assert.equal(await status(`GET ${path} HTTP/1.1\r\nHost: a b\r\n\r\n`), "400", path);
    assert.equal(await status(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n`), "400", path);
  }
  state.ready = false;
  assert.equal(await status("GET /readyz HTTP/1.0\r\n\r\n"), "503");
  assert.equal(await status("GET /healthz HTTP/1.0\r\n\r\n"), "200");
  assert.equal(await status("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n"), "501");
});
