/**
 * [G6] [F7] Upgraded connections through the gateway, with a real WebSocket client: messages pass,
 * both ends can break or half-close, a slow reader slows the sender, and roles that change end the
 * tunnels of the station that is left.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { seededRandom, systemClock } from "ground-station-failover";
import { Agent, WebSocket } from "undici";
import { groupSettings } from "../../../../test/process/proxy-rig.ts";
import { TestAuthority } from "../../../../test/process/test-authority.ts";
import { WebSocketStation } from "../../../../test/process/web-socket-station.ts";
import { Group } from "../../fleet/group.ts";
import { HeldMemory } from "../../fleet/held-memory.ts";
import { httpUplink } from "../stations/http-uplink.ts";
import { createLog } from "../telemetry/log.ts";
import { ServerContexts } from "../tls/server-contexts.ts";
import { listenForCommands, type ProxyListener, type ProxyOptions } from "./http-proxy.ts";

const log = createLog({ level: "silent", json: true, to: { write: () => undefined } });

interface Front {
  readonly group: Group;
  readonly proxy: ProxyListener;
  readonly port: number;
  readonly memory: HeldMemory;
}

async function front(
  t: TestContext,
  ports: readonly number[],
  options: Partial<ProxyOptions> = {},
  limits: object = {},
): Promise<Front> {
  const settings = groupSettings(ports, { limits });
  const all = new AsyncDisposableStack();
  t.after(() => all.disposeAsync());
  const group = new Group({
    settings,
    clock: systemClock,
    random: seededRandom(1),
    drainMs: 50,
    uplinkOf: (station) => all.use(httpUplink(settings, station)),
  });
  for (const { name } of settings.stations) group.noteHeartbeat(name, { sequence: 1 }, 0);
  const stop = new AbortController();
  const running = group.run(stop.signal);
  all.defer(async () => {
    stop.abort();
    await running;
  });
  const memory = new HeldMemory({ maxBytes: 64 * 1_024 ** 2 });
  const proxy = all.use(await listenForCommands(group, { log, memory, ...options }));
  return { group, proxy, port: proxy.address.port, memory };
}

async function stations(t: TestContext): Promise<[WebSocketStation, WebSocketStation]> {
  const both = [await WebSocketStation.start("north"), await WebSocketStation.start("south")] as const;
  t.after(() => Promise.all(both.map((station) => station[Symbol.asyncDispose]())));
  return [...both];
}

/** An open WebSocket that keeps what it hears. */
async function opened(
  port: number,
  path = "/",
  { dispatcher, scheme = "ws" }: { readonly dispatcher?: Agent; readonly scheme?: string } = {},
): Promise<{ socket: WebSocket; next(): Promise<string> }> {
  const url = `${scheme}://127.0.0.1:${port}${path}`;
  const socket = dispatcher === undefined ? new WebSocket(url) : new WebSocket(url, { dispatcher });
  const heard: string[] = [];
  let wake = (): void => undefined;
  socket.addEventListener("message", ({ data }) => {
    heard.push(String(data));
    wake();
  });
  await new Promise((resolve, reject) => {
    socket.addEventListener("open", resolve);
    socket.addEventListener("error", reject);
  });
  return {
    socket,
    async next() {
      while (heard.length === 0)
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      return heard.shift() as string;
    },
  };
}

/** Resolves with the code of the close. */
function closeOf(socket: WebSocket): Promise<number> {
  return new Promise((resolve) => socket.addEventListener("close", ({ code }) => resolve(code)));
}

const stepsOf = (group: Group) => group.status.stations.map(({ streams }) => streams);

test("[G6] WebSocket: messages pass both ways, counted as a stream, until one side closes", async (t) => {
  const [north, south] = await stations(t);
  const { port, group, memory } = await front(t, [north.port, south.port]);
  const { socket, next } = await opened(port);
  socket.send("hello");
  assert.equal(await next(), "north: hello");
  const long = "x".repeat(300_000);
  socket.send(long);
  assert.equal(await next(), `north: ${long}`);
  assert.deepEqual(stepsOf(group), [1, 0]);
  const [head] = north.heads;
  assert.equal(head?.headers["x-forwarded-for"], "127.0.0.1");
  assert.equal(head?.headers["gsf-epoch"], "1");
  const closed = closeOf(socket);
  socket.close();
  await closed;
  while (north.sockets.size > 0 || memory.status.heldBytes > 0 || stepsOf(group)[0] !== 0)
    await new Promise((resolve) => setImmediate(resolve));
});

test("[G6] WebSocket over TLS", async (t) => {
  const [north, south] = await stations(t);
  const authority = await TestAuthority.make();
  const pair = await authority.issue();
  const tls = new ServerContexts({ pairs: [pair], clientCa: undefined, minVersion: "TLSv1.2" });
  const { port } = await front(t, [north.port, south.port], { tls });
  const dispatcher = new Agent({ connect: { ca: authority.certificate } });
  t.after(() => dispatcher.destroy());
  const { socket, next } = await opened(port, "/", { dispatcher, scheme: "wss" });
  socket.send("hello");
  assert.equal(await next(), "north: hello");
  const closed = closeOf(socket);
  for (const one of north.sockets) one.destroy();
  assert.equal(await closed, 1006);
});

test("[G6] the station refuses the upgrade → its answer is passed on", async (t) => {
  const [north, south] = await stations(t);
  const { port } = await front(t, [north.port, south.port]);
  const socket = connect(port, "127.0.0.1");
  socket.write("GET /refused HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
  let text = "";
  for await (const piece of socket) text += String(piece);
  assert.match(text, /^HTTP\/1\.1 403 Forbidden\r\n/);
  assert.match(text, /connection: close/i);
  assert.match(text, /\r\n\r\nno$/);
});

test("[G6] the station refuses the connection → the other one takes the tunnel", async (t) => {
  const [north, south] = await stations(t);
  const { port } = await front(t, [north.port, south.port]);
  await north[Symbol.asyncDispose]();
  const { socket, next } = await opened(port);
  socket.send("hello");
  assert.equal(await next(), "south: hello");
  socket.close();
});

test("[F7] a planned change → tunnels of the old station end within `drain`, new ones go to the new", async (t) => {
  const [north, south] = await stations(t);
  const { port, group } = await front(t, [north.port, south.port]);
  const { socket } = await opened(port);
  const closed = closeOf(socket);
  await group.switchover("south", "a test");
  assert.equal(await closed, 1006, "broken off, not closed");
  const again = await opened(port);
  again.socket.send("hello");
  assert.equal(await again.next(), "south: hello");
  again.socket.close();
});

test("[G6] one end breaks → so does the other", async (t) => {
  const [north, south] = await stations(t);
  const { port, group } = await front(t, [north.port, south.port]);
  const first = await opened(port);
  const closed = closeOf(first.socket);
  for (const socket of north.sockets) (socket as Socket).resetAndDestroy();
  assert.equal(await closed, 1006);
  const caller = await raw(port);
  caller.resetAndDestroy();
  while (north.sockets.size > 0 || stepsOf(group)[0] !== 0) await new Promise((resolve) => setImmediate(resolve));
});

test("[G6] a protocol of its own: early bytes, half-close and back-pressure", async (t) => {
  const station = createTcpServer({ allowHalfOpen: true });
  station.listen(0, "127.0.0.1");
  await once(station, "listening");
  t.after(() => station.close());
  const { port, memory } = await front(t, [(station.address() as AddressInfo).port, 1]);
  const arrived = once(station, "connection") as Promise<[Socket]>;
  const caller = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  caller.write("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: spacelink/2\r\n\r\nearly");
  const [other] = await arrived;
  t.after(() => other.destroy());
  const got = collected(other);
  await got.until(/\r\n\r\n/);
  assert.match(got.text, /^GET \/ HTTP\/1\.1\r\n[\s\S]*upgrade: spacelink\/2\r\n/i);
  other.write("HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: spacelink/2\r\n\r\nfirst");
  await got.until(/early$/);
  const back = collected(caller);
  await back.until(/first$/);
  assert.match(back.text, /^HTTP\/1\.1 101 Switching Protocols\r\n/);
  // The caller has said all, and still listens.
  caller.end("last");
  await once(other, "end");
  await got.until(/last$/);
  caller.pause();
  const piece = Buffer.alloc(256 * 1_024);
  let sent = 0;
  while (other.write(piece)) sent += piece.length;
  while (sent < 64 * 1_024 ** 2 && (await writes(other, piece))) sent += piece.length;
  assert.ok(sent < 64 * 1_024 ** 2, "the station is slowed");
  assert.ok(memory.status.heldBytes < 1_024 ** 2, `${memory.status.heldBytes} bytes held`);
  caller.resume();
  other.end();
  await once(caller, "close");
});

test("[G6] nothing moves for long → ended", async (t) => {
  const [north, south] = await stations(t);
  const { port } = await front(t, [north.port, south.port], {}, { tunnelIdleMs: 100 });
  const { socket } = await opened(port);
  assert.equal(await closeOf(socket), 1006);
});

test("[G7] a stop cuts tunnels after `drain`", async (t) => {
  const [north, south] = await stations(t);
  const { port, proxy } = await front(t, [north.port, south.port]);
  const { socket } = await opened(port);
  const closed = closeOf(socket);
  await proxy.drain(30);
  assert.equal(await closed, 1006);
});

test("[G6] upgrades that are none: HTTP itself, with a body, by HTTP/1.0, behind another request", async (t) => {
  const [north, south] = await stations(t);
  const { port } = await front(t, [north.port, south.port]);
  const said = async (text: string): Promise<string> => {
    const socket = connect(port, "127.0.0.1").on("error", () => undefined);
    socket.write(text);
    let all = "";
    for await (const piece of socket) all += String(piece);
    return all;
  };
  const up = "Host: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";
  assert.match(
    await said("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"),
    /^HTTP\/1\.1 426 /,
  );
  assert.match(await said(`POST / HTTP/1.1\r\n${up}Content-Length: 2\r\n\r\nhi`), /^HTTP\/1\.1 501 /);
  assert.match(await said(`GET / HTTP/1.0\r\n${up}\r\n`), /^HTTP\/1\.1 501 /);
  assert.match(await said(`GET / HTTP/1.1\r\n${up.replace("websocket", "a b")}\r\n`), /^HTTP\/1\.1 501 /);
  const behind = await said(`GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\n${up}\r\n`);
  assert.equal(behind.match(/HTTP\/1\.1 /g)?.length, 1, behind);
  assert.equal(north.heads.length, 0);
});

/** A tunnel without a client that speaks WebSocket. */
async function raw(port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  socket.write(
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n",
  );
  await once(socket, "data");
  return socket;
}

function collected(socket: Socket): { readonly text: string; until(pattern: RegExp): Promise<void> } {
  let text = "";
  socket.on("data", (piece: Buffer) => {
    text += String(piece);
  });
  return {
    get text() {
      return text;
    },
    async until(pattern) {
      while (!pattern.test(text)) await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

/** True if the buffers took it within a moment. */
async function writes(socket: Socket, piece: Buffer): Promise<boolean> {
  const drained = once(socket, "drain").then(() => true);
  const stuck = new Promise<boolean>((resolve) => setTimeout(resolve, 300, false));
  if (!(await Promise.race([drained, stuck]))) return false;
  socket.write(piece);
  return true;
}
