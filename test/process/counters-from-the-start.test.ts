/**
 * A counter that first appears with 1 shows no increase, so whoever watches for increases misses
 * the first event. Here the counters of a gateway that has just started are compared with those
 * after a busy life: faults, mistakes, switchovers, attacks. The counters are enumerated from what
 * the gateway shows, so that one that is added later is looked at too.
 */
import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { type IncomingMessage, type RequestListener, request, type ServerResponse } from "node:http";
import { connect } from "node:net";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { createLog } from "../../gateway/src/adapters/telemetry/log.ts";
import { parseConfiguration } from "../../gateway/src/config/config.ts";
import { type RunningGateway, runGateway } from "../../gateway/src/main.ts";
import { type RigStation, rigStation } from "./proxy-rig.ts";

/** Series that cannot be known before they are needed, and why. */
const NOT_KNOWN_BEFORE: readonly RegExp[] = [
  // Kinds of garbage collection are the engine's business; which there are shows when one happens.
  /^nodejs_gc_duration_seconds/,
];

const silent = createLog({ level: "silent", json: true, to: { write: () => undefined } });

function serving(name: string): { readonly serve: RequestListener; isIll: boolean } {
  const state = {
    isIll: false,
    serve(message: IncomingMessage, response: ServerResponse): void {
      const url = message.url ?? "";
      if (url === "/healthz") return void response.writeHead(state.isIll ? 500 : 200).end();
      if (url === "/never") return;
      if (url === "/cut") return void message.socket.resetAndDestroy();
      if (url === "/events") return void response.writeHead(200, { "content-type": "text/event-stream" }).write("a\n");
      if (url === "/stale") return void response.writeHead(412, { "gsf-epoch-seen": "999999999999999" }).end();
      const status = Number(/^\/(\d{3})$/.exec(url)?.[1] ?? 200);
      message.resume().on("error", () => undefined);
      if (url === "/lie") return void response.setHeader("content-type", "application/json").end('{"error":"no"}');
      response.writeHead(status).end(name);
    },
  };
  return state;
}

function configuration(ports: readonly number[]): string {
  const [one, other, third, fourth] = ports;
  return `
groups:
  - name: pulled
    listen: 127.0.0.1:0
    heartbeat: { kind: http, interval: 20ms, path: /healthz }
    stations: [{ name: north, url: "http://127.0.0.1:${one}" }, { name: south, url: "http://127.0.0.1:${other}" }]
    commands: { deadline: 1s, maxWait: 200ms, maxWaiting: 20 }
    breaker: { minimumVolume: 1, failureRateThreshold: 0.01, openDuration: 50ms }
  - name: pushed
    listen: 127.0.0.1:0
    detector: { gracePeriod: 100ms }
    stations: [{ name: east, url: "http://127.0.0.1:${third}" }, { name: west, url: "http://localhost:${fourth}" }]
    commands: { deadline: 500ms, maxWait: 100ms }
heartbeats: { listen: "127.0.0.1:0", secretEnv: SECRET }
control: { listen: "127.0.0.1:0" }
callers: { maxMemory: 4MiB, maxConnections: 100, maxUploadPause: 100ms }
drain: 100ms
`;
}

/** Every series of every counter and histogram that the gateway shows. */
async function counterSeries(gateway: RunningGateway): Promise<Set<string>> {
  const text = await (await fetch(`http://127.0.0.1:${gateway.addresses.control.port}/metrics`)).text();
  const counters = new Set([...text.matchAll(/^# TYPE (\S+) (?:counter|histogram)$/gm)].map(([, name]) => name));
  const series = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  const nameOf = (line: string): string => /^[a-zA-Z_:]+/.exec(line)?.[0] ?? "";
  const isCounter = (name: string): boolean =>
    counters.has(name) || counters.has(name.replace(/_(bucket|sum|count)$/, ""));
  return new Set(series.filter((line) => isCounter(nameOf(line))).map((line) => line.replace(/ \S+$/, "")));
}

/** One command; how it ended does not matter. */
async function command(port: number, path: string, headers: Record<string, string> = {}, body = "x"): Promise<void> {
  const sent = request({ host: "127.0.0.1", port, path, method: "POST", agent: false, headers });
  sent.on("error", () => undefined).end(body);
  const given = new Promise<void>((resolve) => {
    sent.on("response", (message) =>
      message
        .resume()
        .on("error", () => undefined)
        .on("close", () => resolve()),
    );
    sent.on("close", () => resolve());
  });
  await given;
}

async function order(gateway: RunningGateway, path: string, body: object): Promise<number> {
  const at = `http://127.0.0.1:${gateway.addresses.control.port}/v1/groups/pulled/${path}`;
  const headers = { "content-type": "application/json" };
  const answer = await fetch(at, { method: "POST", headers, body: JSON.stringify(body) });
  await answer.text();
  return answer.status;
}

async function raw(port: number, bytes: string, waitMs: number): Promise<void> {
  const socket = connect(port, "127.0.0.1").on("error", () => undefined);
  socket.write(bytes);
  socket.resume();
  await pause(waitMs);
  socket.destroy();
}

async function busyLife(
  gateway: RunningGateway,
  states: ReturnType<typeof serving>[],
  stations: RigStation[],
): Promise<void> {
  const pulled = gateway.addresses.groups["pulled"]?.port as number;
  const pushed = gateway.addresses.groups["pushed"]?.port as number;
  // Refused until both have been heard.
  while ((await order(gateway, "switchover", { to: "south", reason: "busy" })) !== 200) await pause(20);
  while ((await order(gateway, "switchover", { to: "north", reason: "busy" })) !== 200) await pause(20);
  for (const path of ["/", "/201", "/301", "/404", "/500", "/503", "/429", "/999", "/lie", "/stale", "/cut"]) {
    await command(pulled, path);
    await command(pulled, path, { "idempotency-key": `${path} 1` });
  }
  await Promise.all(
    Array.from({ length: 30 }, (_, each) => command(pulled, "/cut", { "idempotency-key": `cut ${each}` })),
  );
  await Promise.all(Array.from({ length: 40 }, () => command(pulled, "/never", { "x-time-left-ms": "200" })));
  await Promise.all([
    command(pulled, "/", { "x-time-left-ms": "soon" }),
    command(pushed, "/"),
    command(pushed, "/never"),
  ]);
  await raw(pulled, "rubbish\r\n\r\n", 20);
  await raw(pulled, "POST /never HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx", 50);
  await raw(pulled, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nx", 400);
  await raw(pulled, "GET /events HTTP/1.1\r\nHost: a\r\n\r\n", 50);
  const many = Array.from({ length: 8 }, () =>
    command(pulled, "/never", { "x-time-left-ms": "300" }, "x".repeat(1_000_000)),
  );
  await Promise.all(many);
  const idle = Array.from({ length: 90 }, () => connect(pulled, "127.0.0.1").on("error", () => undefined));
  // One too many is closed as it comes.
  await Promise.race(idle.map((socket) => new Promise((resolve) => socket.resume().once("close", resolve))));
  for (const socket of idle) socket.destroy();
  const datagrams = createSocket("udp4");
  datagrams.send("forged", gateway.addresses.heartbeats?.port as number, "127.0.0.1");
  const events = raw(pulled, "GET /events HTTP/1.1\r\nHost: a\r\n\r\n", 3_000);
  await order(gateway, "maintenance", { station: "north", reason: "busy", forMs: 60_000 });
  await order(gateway, "maintenance", { station: "north", reason: null });
  const [north, south] = states as [ReturnType<typeof serving>, ReturnType<typeof serving>];
  south.isIll = true;
  await pause(1_500);
  north.isIll = true;
  await Promise.all(Array.from({ length: 20 }, () => command(pulled, "/")));
  await pause(1_500);
  for (const station of stations) await station.kill();
  await Promise.all(
    Array.from({ length: 20 }, (_, each) => command(pulled, "/", { "idempotency-key": `dead ${each}` })),
  );
  await events;
  datagrams.close();
}

test("every counter of a gateway after a busy life was there at its start", async () => {
  const states = ["north", "south", "east", "west"].map(serving);
  const stations = await Promise.all(states.map(({ serve }) => rigStation(serve)));
  const source = configuration(stations.map(({ port }) => port));
  const environment = { SECRET: "0123456789abcdef0123456789abcdef" };
  const { settings } = parseConfiguration(source, "fleet.yaml", { environment, readFile: () => "" });
  const gateway = await runGateway(settings, { log: silent });
  try {
    const before = await counterSeries(gateway);
    await busyLife(gateway, states, stations);
    const after = await counterSeries(gateway);
    const born = [...after].filter(
      (series) => !before.has(series) && !NOT_KNOWN_BEFORE.some((one) => one.test(series)),
    );
    assert.deepEqual(born, []);
    assert.ok(before.size > 100, `${before.size}`);
    await assertBusy(gateway);
  } finally {
    await gateway.stop();
    for (const station of stations) await station.kill();
  }
});

/**
 * A quiet life would prove nothing: most of these must have moved. Which ones is for the faults to
 * decide, which meet each other.
 */
async function assertBusy(gateway: RunningGateway): Promise<void> {
  const text = await (await fetch(`http://127.0.0.1:${gateway.addresses.control.port}/metrics`)).text();
  const moved = ([name, labels]: readonly [string, string]): boolean =>
    new RegExp(`^${name}\\{[^}]*${labels}[^}]*\\} [1-9]`, "m").test(text);
  const watched = [
    ["gsf_declarations_total", 'to="down"'],
    ["gsf_promotions_total", 'cause="switchover"'],
    ["gsf_promotions_total", 'cause="failure"'],
    ["gsf_breaker_transitions_total", 'to="open"'],
    ["gsf_commands_total", 'outcome="AMBIGUOUS_OUTCOME"'],
    ["gsf_commands_total", 'outcome="other"'],
    ["gsf_commands_total", 'outcome="CALL_ABORTED"'],
    ["gsf_commands_total", 'outcome="DEADLINE_EXCEEDED"'],
    ["gsf_commands_total", 'outcome="error-body"'],
    ["gsf_epochs_refused_total", ""],
    ["gsf_requests_too_slow_total", 'part="body"'],
    ["gsf_memory_refused_total", 'reason="caller"'],
    ["gsf_connections_unserved_total", 'reason="caller"'],
    ["gsf_heartbeats_total", 'result="malformed"'],
    ["gsf_streams_cut_total", 'reason="'],
  ] as const;
  const still = watched.filter((one) => !moved(one));
  assert.ok(still.length <= watched.length / 2, `these have not moved: ${still.join("; ")}`);
}
