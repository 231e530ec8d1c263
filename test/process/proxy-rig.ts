/**
 * A group of two real HTTP stations behind a real listener, for tests: what a caller sends goes
 * over sockets all the way. Heartbeats are noted once, and a silence counts only after a minute, so
 * that nothing but commands decides who is active. Everything is closed when the rig is disposed.
 */
import { once } from "node:events";
import type { IncomingMessage, RequestListener, Server } from "node:http";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { connect } from "node:net";
import { seededRandom, systemClock } from "ground-station-failover";

import type { ProxyListener, ProxyOptions } from "../../gateway/src/adapters/callers/http-proxy.ts";
import { listenForCommands } from "../../gateway/src/adapters/callers/http-proxy.ts";
import { asyncIdentity } from "../../gateway/src/adapters/process/async-identity.ts";
import { httpUplink } from "../../gateway/src/adapters/stations/http-uplink.ts";
import { createLog } from "../../gateway/src/adapters/telemetry/log.ts";
import { compose, type GatewayParts } from "../../gateway/src/compose.ts";
import type { AsyncCommands } from "../../gateway/src/fleet/async/async-commands.ts";
import type { Group } from "../../gateway/src/fleet/group.ts";
import type { GroupSettings } from "../../gateway/src/fleet/settings.ts";

const silent = createLog({ level: "silent", json: true, to: { write: () => undefined } });

/** A station of the rig. */
export interface RigStation {
  readonly server: Server;
  readonly port: number;
  /** Requests that have reached it. */
  readonly received: () => number;
  /** Connections that have been opened to it. */
  readonly connections: () => number;
  /**
   * Closes its listener and every connection, as a killed process does; resolves when nobody
   * listens there any more.
   */
  kill(): Promise<void>;
}

export interface Rig extends AsyncDisposable {
  readonly group: Group;
  readonly asyncCommands: AsyncCommands | undefined;
  readonly proxy: ProxyListener;
  readonly port: number;
  /** In order of priority. */
  readonly stations: readonly [RigStation, RigStation];
}

export type Changes = Partial<Omit<GroupSettings, "limits" | "commands">> & {
  readonly limits?: Partial<GroupSettings["limits"]>;
  readonly commands?: Partial<GroupSettings["commands"]>;
};

/** Settings of a group whose stations are at `ports`. */
export function groupSettings(ports: readonly number[], changes: Changes = {}): GroupSettings {
  const { limits, commands, ...rest } = changes;
  return {
    name: "atlantic",
    listen: { host: "127.0.0.1", port: 0 },
    stations: ports.map((port, place) => ({
      name: ["north", "south", "west"][place] as string,
      url: `http://127.0.0.1:${port}`,
      capacityPerSecond: Number.POSITIVE_INFINITY,
    })),
    heartbeat: { kind: "udp", intervalMs: 5_000 },
    detector: {
      model: "normal",
      windowSize: 200,
      threshold: 8,
      logThreshold: 3,
      minDeviationMs: 1_000,
      ceilingMs: 60_000,
    },
    supervisor: { suspectThreshold: 5, clearThreshold: 2, sustainMs: 0, minDwellMs: 0, gracePeriodMs: 60_000 },
    commands: {
      timeoutMs: 4_000,
      deadlineMs: 20_000,
      maxWaitMs: 10_000,
      maxWaiting: 10_000,
      maxConcurrent: 2_000,
      ambiguousKeyed: "resend",
      errorBody: true,
      deadlineHeader: { name: "gsf-deadline", format: "epoch-ms" },
      keyStatus: undefined,
      ...commands,
    },
    retry: { maxAttempts: 2, baseMs: 10, budgetRatio: 0.1, budgetWindowMs: 10_000 },
    breaker: { failureRateThreshold: 0.5, minimumVolume: 1_000, windowMs: 10_000, openDurationMs: 1_000 },
    commandPath: { failingForMs: 100, minFailures: 1, refusalsToDeclare: 1, unansweredAfterMs: 250 },
    failback: { mode: "manual", holdDownMs: 1_000 },
    probePath: undefined,
    limits: { requestBytes: 200 * 1_024 ** 2, replayBytes: 64 * 1_024, replyBytes: 256 * 1_024, ...limits },
    ...rest,
  };
}

export async function rigStation(serve: RequestListener): Promise<RigStation> {
  let received = 0;
  let connections = 0;
  const server = createServer((message, response) => {
    received++;
    serve(message, response);
  });
  server.on("connection", () => connections++);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    server,
    port: (server.address() as AddressInfo).port,
    received: () => received,
    connections: () => connections,
    async kill() {
      if (!server.listening) return;
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/**
 * Two stations that serve alike, or each in its own way, and a gateway's listener in front of them.
 */
export async function rig(
  serve: RequestListener | readonly [RequestListener, RequestListener],
  changes: Changes = {},
  options: Partial<ProxyOptions> = {},
  parts: Partial<GatewayParts> = {},
): Promise<Rig> {
  const [first, second] = typeof serve === "function" ? [serve, serve] : serve;
  await using started = new AsyncDisposableStack();
  const stations = [await rigStation(first), await rigStation(second)] as const;
  for (const station of stations) started.defer(() => station.kill());
  const settings = groupSettings(
    stations.map((station) => station.port),
    changes,
  );
  const gateway = compose({
    settings: {
      groups: [settings],
      control: { host: "127.0.0.1", port: 0 },
      heartbeats: undefined,
      callers: {
        maxMemoryBytes: undefined,
        maxConnections: undefined,
        addressRatio: 0.75,
        minUploadBytesPerSecond: 1_024,
        maxUploadPauseMs: 30_000,
      },
      drainDelayMs: 0,
      drainMs: 1_000,
    },
    clock: systemClock,
    random: seededRandom(1),
    uplink: (group, station) => started.use(httpUplink(group, station)),
    challengeOf: () => "unused",
    asyncParts: asyncIdentity(),
    ...parts,
  });
  const group = gateway.groups.get("atlantic") as Group;
  for (const { name } of settings.stations) group.noteHeartbeat(name, { sequence: 1 }, 0);
  const stop = new AbortController();
  const running = gateway.run(stop.signal);
  started.defer(async () => {
    stop.abort();
    await running;
  });
  const asyncCommands = gateway.asyncCommands.get("atlantic");
  const proxy = started.use(await listenForCommands(group, { log: silent, asyncCommands, ...options }));
  const all = started.move();
  return {
    group,
    asyncCommands,
    proxy,
    port: proxy.address.port,
    stations,
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

/** A reply read to its end. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly raw: readonly string[];
  readonly trailers: IncomingMessage["trailers"];
  readonly body: Buffer;
}

export interface Ask {
  readonly method?: string;
  readonly headers?: Record<string, string | string[]> | string[];
  readonly body?: string | Uint8Array;
  readonly signal?: AbortSignal;
}

/** One request on a connection of its own. */
export async function ask(
  port: number,
  path: string,
  { method = "GET", headers, body, signal }: Ask = {},
): Promise<Answer> {
  const sent = request({
    host: "127.0.0.1",
    port,
    path,
    method,
    agent: false,
    ...(headers === undefined ? {} : { headers }),
    ...(signal === undefined ? {} : { signal }),
  });
  // Errors after the head are told by the body.
  sent.on("error", () => undefined).end(body);
  const [message] = (await once(sent, "response")) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return {
    status: message.statusCode ?? 0,
    headers: message.headers,
    raw: message.rawHeaders,
    trailers: message.trailers,
    body: Buffer.concat(chunks),
  };
}

/** Sends bytes as they are, and returns all that comes back until the connection ends. */
export async function askRaw(port: number, bytes: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined);
  socket.write(bytes, "latin1");
  let text = "";
  socket.setEncoding("latin1").on("data", (chunk: string) => {
    text += chunk;
  });
  await once(socket, "close");
  return text;
}
