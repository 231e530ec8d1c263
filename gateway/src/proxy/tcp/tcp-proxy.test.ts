/** The TCP proxy between real sockets: what the two peers see. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { after, test } from "node:test";
import { seededRandom, systemClock } from "ground-station-failover";
import { VirtualClock } from "ground-station-failover/sim";
import { hostAndPort } from "../listen-address.ts";
import type { OpenProxy, ProxyEvent, Toxic } from "../toxic.ts";
import { defaultAttributes } from "../toxic-type.ts";
import { openTcpProxy } from "./tcp-proxy.ts";
import { TCP_TOXIC_TYPES } from "./toxic-types.ts";

const open: Array<() => unknown> = [];
after(async () => {
  for (const close of open.reverse()) await close();
});

function toxic(type: string, attributes: Record<string, number> = {}, stream: Toxic["stream"] = "downstream"): Toxic {
  const defaults = defaultAttributes(TCP_TOXIC_TYPES[type] ?? {});
  return { name: `${type}_${stream}`, type, stream, toxicity: 1, attributes: { ...defaults, ...attributes } };
}

/** A server that does `serve` with each of its sockets. */
async function serving(serve: (socket: Socket) => void): Promise<{ port: number; server: Server; sockets: Socket[] }> {
  const sockets: Socket[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket);
    socket.on("error", () => undefined);
    serve(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  open.push(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  return { port: (server.address() as AddressInfo).port, server, sockets };
}

const echoing = () => serving((socket) => socket.pipe(socket));

async function proxyTo(port: number, toxics: readonly Toxic[] = [], more: { maxHeldBytes?: number } = {}) {
  const events: ProxyEvent[] = [];
  const proxy = await openTcpProxy({
    host: "127.0.0.1",
    port: 0,
    upstream: `127.0.0.1:${port}`,
    toxics,
    clock: systemClock,
    random: seededRandom(1),
    onEvent: (event) => events.push(event),
    ...more,
  });
  open.push(() => proxy.close());
  return { proxy, events };
}

function client(proxy: OpenProxy): Socket {
  const { host, port } = hostAndPort(proxy.address) ?? { host: "", port: 0 };
  const socket = connect({ host, port, allowHalfOpen: true });
  socket.on("error", () => undefined);
  open.push(() => socket.destroy());
  return socket;
}

/** All that comes, and how it ends. */
async function read(socket: Socket): Promise<{ text: string; ending: string }> {
  let text = "";
  socket.on("data", (bytes: Buffer) => {
    text += bytes.toString("latin1");
  });
  const ending = await new Promise<string>((resolve) => {
    socket.once("end", () => resolve("end"));
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
  return { text, ending };
}

async function until(holds: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!holds()) {
    assert.ok(performance.now() < deadline, `never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

async function sayHello(proxy: OpenProxy): Promise<{ text: string; ending: string }> {
  const socket = client(proxy);
  socket.end("hello");
  return read(socket);
}

test("no toxics → data passes both ways, and is counted while the connection lives", async () => {
  const { port } = await echoing();
  const { proxy } = await proxyTo(port);
  const socket = client(proxy);
  socket.write("hello");
  const [answer] = (await once(socket, "data")) as [Buffer];
  assert.equal(answer.toString(), "hello");
  assert.deepEqual(proxy.counts, {
    upstream: { receivedBytes: 5, sentBytes: 5 },
    downstream: { receivedBytes: 5, sentBytes: 5 },
  });
  assert.equal(proxy.connections, 1);
  socket.end();
  await until(() => proxy.connections === 0, "the connection is over");
});

test("the client ends its direction first → the server still answers, and then ends", async () => {
  const { port } = await serving((socket) => {
    let text = "";
    socket.on("data", (bytes) => {
      text += bytes;
    });
    socket.on("end", () => socket.end(`got ${text}`));
  });
  const { proxy } = await proxyTo(port);
  assert.deepEqual(await sayHello(proxy), { text: "got hello", ending: "end" });
});

test("the server ends its direction first → the client can still send", async () => {
  const received = Promise.withResolvers<string>();
  const { port } = await serving((socket) => {
    socket.end("bye");
    let text = "";
    socket.on("data", (bytes) => {
      text += bytes;
    });
    socket.on("end", () => received.resolve(text));
  });
  const { proxy } = await proxyTo(port);
  const socket = client(proxy);
  assert.deepEqual(await read(socket), { text: "bye", ending: "end" });
  socket.end("still here");
  assert.equal(await received.promise, "still here");
});

test("16 MB each way → every byte arrives, in order", async () => {
  const { port } = await echoing();
  const { proxy } = await proxyTo(port, [toxic("latency", { latency: 5, jitter: 5 })]);
  const socket = client(proxy);
  const sent = Buffer.alloc(16_000_000);
  for (let at = 0; at < sent.length; at += 4) sent.writeUInt32LE(at, at);
  socket.end(sent);
  let at = 0;
  for await (const bytes of socket) {
    assert.ok(sent.subarray(at, at + bytes.length).equals(bytes));
    at += bytes.length;
  }
  assert.equal(at, sent.length);
});

test("latency → the answer is late by it", async () => {
  const { port } = await echoing();
  const { proxy } = await proxyTo(port, [toxic("latency", { latency: 150 })]);
  const beganAt = performance.now();
  assert.equal((await sayHello(proxy)).text, "hello");
  assert.ok(performance.now() - beganAt >= 148);
});

test("bandwidth of 10 KB/s → 2000 bytes take at least 200 ms", async () => {
  const { port } = await serving((socket) => socket.end(Buffer.alloc(2_000)));
  const { proxy } = await proxyTo(port, [toxic("bandwidth", { rate: 10 })]);
  const beganAt = performance.now();
  assert.equal((await read(client(proxy))).text.length, 2_000);
  assert.ok(performance.now() - beganAt >= 195);
});

test("slow_close → the data is there at once, the end later", async () => {
  const { port } = await serving((socket) => socket.end("bye"));
  const { proxy } = await proxyTo(port, [toxic("slow_close", { delay: 150 })]);
  const socket = client(proxy);
  const reading = read(socket);
  await once(socket, "data");
  const beganAt = performance.now();
  assert.deepEqual(await reading, { text: "bye", ending: "end" });
  assert.ok(performance.now() - beganAt >= 120);
});

test("timeout → nothing comes, then the connection is closed, for both peers", async () => {
  const { port, sockets } = await serving((socket) => socket.write("dropped"));
  const { proxy } = await proxyTo(port, [toxic("timeout", { timeout: 80 })]);
  assert.deepEqual(await read(client(proxy)), { text: "", ending: "end" });
  const [socket] = sockets as [Socket];
  socket.resume();
  if (!socket.readableEnded) await once(socket, "end");
});

test("timeout 0 is removed → the connection is closed", async () => {
  const { port } = await echoing();
  const { proxy, events } = await proxyTo(port, [toxic("timeout")]);
  const socket = client(proxy);
  socket.write("hello");
  const reading = read(socket);
  await until(() => proxy.counts.downstream.receivedBytes === 5, "the answer is dropped");
  await proxy.setToxics([]);
  assert.deepEqual(await reading, { text: "", ending: "end" });
  assert.ok(events.some(({ type }) => type === "connection-cut"));
});

test("reset_peer → both peers see a reset, on a connection from before it as well", async () => {
  for (const isLive of [false, true]) {
    const failed = Promise.withResolvers<string | undefined>();
    const { port } = await serving((socket) => {
      socket.on("data", (bytes) => socket.write(bytes));
      socket.on("error", (error: NodeJS.ErrnoException) => failed.resolve(error.code));
    });
    const { proxy } = await proxyTo(port, isLive ? [] : [toxic("reset_peer")]);
    const socket = client(proxy);
    if (isLive) {
      socket.write("before");
      await once(socket, "data");
      await proxy.setToxics([toxic("reset_peer")]);
    }
    const reading = read(socket);
    socket.write("hello");
    assert.equal((await reading).ending, "ECONNRESET");
    assert.equal(await failed.promise, "ECONNRESET");
    await until(() => proxy.connections === 0, "the connection is gone");
  }
});

test("one peer resets → the other sees a reset", async () => {
  const { port } = await serving((socket) => socket.once("data", () => socket.resetAndDestroy()));
  const { proxy } = await proxyTo(port);
  const socket = client(proxy);
  socket.write("hello");
  assert.equal((await read(socket)).ending, "ECONNRESET");

  const failed = Promise.withResolvers<string | undefined>();
  const other = await serving((serverSide) => {
    serverSide.on("error", (error: NodeJS.ErrnoException) => failed.resolve(error.code));
    serverSide.on("data", (bytes) => serverSide.write(bytes));
  });
  const { proxy: second } = await proxyTo(other.port);
  const rude = client(second);
  rude.write("hello");
  await once(rude, "data");
  rude.resetAndDestroy();
  assert.equal(await failed.promise, "ECONNRESET");
});

test("slicer → all bytes arrive", async () => {
  const { port } = await echoing();
  const { proxy } = await proxyTo(port, [toxic("slicer", { average_size: 2, delay: 100 })]);
  assert.deepEqual(await sayHello(proxy), { text: "hello", ending: "end" });
});

test("limit_data → exactly so many bytes, while the client goes on sending", async () => {
  const { port } = await echoing();
  const { proxy } = await proxyTo(port, [toxic("limit_data", { bytes: 100_000 })]);
  const socket = client(proxy);
  socket.write(Buffer.alloc(1_000_000, "x"));
  const { text, ending } = await read(socket);
  assert.equal(text.length, 100_000);
  assert.equal(ending, "end");
});

test("limit_data upstream → the server gets so many bytes, then the end", async () => {
  const received = Promise.withResolvers<string>();
  const { port } = await serving((socket) => void read(socket).then(({ text }) => received.resolve(text)));
  const { proxy } = await proxyTo(port, [toxic("limit_data", { bytes: 3 }, "upstream")]);
  client(proxy).write("hello");
  assert.equal(await received.promise, "hel");
});

test("nobody listens upstream → the client is closed, the proxy goes on", async () => {
  const { server, port } = await echoing();
  await new Promise((resolve) => server.close(resolve));
  const { proxy, events } = await proxyTo(port);
  for (const _ of [1, 2]) assert.deepEqual(await read(client(proxy)), { text: "", ending: "end" });
  assert.equal(events.filter(({ type }) => type === "dial-failed").length, 2);
  assert.equal(proxy.connections, 0);
});

test("the upstream is the proxy itself → the client is closed, not a circle without end", async () => {
  const { server, port } = await echoing();
  await new Promise((resolve) => server.close(resolve));
  const events: ProxyEvent[] = [];
  const proxy = await openTcpProxy({
    host: "127.0.0.1",
    port,
    upstream: `localhost:${port}`,
    toxics: [],
    clock: systemClock,
    random: seededRandom(1),
    onEvent: (event) => events.push(event),
  });
  open.push(() => proxy.close());
  assert.deepEqual(await read(client(proxy)), { text: "", ending: "end" });
  assert.equal(events.filter(({ type }) => type === "connection-opened").length, 1);
});

test("refuse is lifted while another program has the port → listens as soon as it is free", async () => {
  const { port } = await echoing();
  const { proxy, events } = await proxyTo(port);
  await proxy.setToxics([toxic("refuse")]);
  const thief = createServer().listen(hostAndPort(proxy.address)?.port, "127.0.0.1");
  await once(thief, "listening");
  await assert.rejects(async () => proxy.setToxics([]));
  assert.ok(events.some(({ type }) => type === "listen-failed"));
  await new Promise((resolve) => thief.close(resolve));
  const deadline = performance.now() + 10_000;
  while ((await sayHello(proxy)).text !== "hello") assert.ok(performance.now() < deadline);
});

test("both peers are gone, a toxic drops the news → closed after a minute", async () => {
  const { port, sockets } = await echoing();
  const clock = new VirtualClock();
  const proxy = await openTcpProxy({
    host: "127.0.0.1",
    port: 0,
    upstream: `127.0.0.1:${port}`,
    toxics: [toxic("timeout")],
    clock,
    random: seededRandom(1),
    onEvent: () => undefined,
  });
  open.push(() => proxy.close());
  client(proxy).end("hello");
  await until(() => sockets[0]?.writableFinished === true && clock.pending > 0, "both have ended");
  await clock.advanceBy(59_000);
  assert.equal(proxy.connections, 1);
  await clock.advanceBy(1_000);
  await until(() => proxy.connections === 0, "the connection is closed");
});

test("refuse → new connections are refused and live ones go on; lifted, the same port listens", async () => {
  const { port } = await echoing();
  const { proxy } = await proxyTo(port);
  const live = client(proxy);
  live.write("before");
  await once(live, "data");
  await proxy.setToxics([toxic("refuse")]);
  assert.equal((await read(client(proxy))).ending, "ECONNREFUSED");
  live.write("after");
  const [answer] = (await once(live, "data")) as [Buffer];
  assert.equal(answer.toString(), "after");
  const { address } = proxy;
  await proxy.setToxics([]);
  assert.equal(proxy.address, address);
  assert.equal((await sayHello(proxy)).text, "hello");
});

test("stall_accept → connections are made and stay silent; lifted, they are served", async () => {
  const { port, sockets } = await echoing();
  const { proxy } = await proxyTo(port, [toxic("stall_accept")]);
  const socket = client(proxy);
  await once(socket, "connect");
  socket.end("hello");
  await until(() => proxy.connections === 1, "the connection is taken");
  assert.equal(sockets.length, 0);
  const reading = read(socket);
  await proxy.setToxics([]);
  assert.deepEqual(await reading, { text: "hello", ending: "end" });
});

test("a client that does not read → memory stays bounded, toxics change and the proxy closes at once", async () => {
  const { port, sockets } = await serving((socket) => {
    const more = (): void => {
      while (!socket.destroyed && socket.write(Buffer.alloc(65_536)));
    };
    socket.on("drain", more);
    more();
  });
  const maxHeldBytes = 1_000_000;
  const { proxy } = await proxyTo(port, [toxic("latency", { latency: 50 })], { maxHeldBytes });
  const socket = client(proxy);
  socket.pause();
  await until(() => sockets.length === 1, "connected");
  let before = -1;
  await until(() => {
    const { receivedBytes } = proxy.counts.downstream;
    const isStill = receivedBytes === before && receivedBytes > maxHeldBytes / 2;
    before = receivedBytes;
    return isStill;
  }, "the server has to wait");
  const { receivedBytes, sentBytes } = proxy.counts.downstream;
  assert.ok(receivedBytes - sentBytes <= maxHeldBytes / 2 + 131_072, `${receivedBytes - sentBytes} bytes are held`);
  const beganAt = performance.now();
  await proxy.setToxics([toxic("bandwidth", { rate: 1 })]);
  await proxy.setToxics([]);
  await proxy.close();
  assert.ok(performance.now() - beganAt < 1_000);
  assert.equal(proxy.connections, 0);
});

test("the proxy is closed during traffic → both peers are closed, and the port is free", async () => {
  const { port } = await echoing();
  const { proxy } = await proxyTo(port);
  const clients = Array.from({ length: 20 }, () => client(proxy));
  for (const socket of clients) {
    socket.write(Buffer.alloc(100_000));
    socket.resume();
  }
  await until(() => proxy.counts.downstream.sentBytes > 1_000_000, "traffic");
  const closed = Promise.all(clients.map((socket) => new Promise((resolve) => socket.once("close", resolve))));
  for (const socket of clients) socket.on("end", () => socket.end());
  await proxy.close();
  const again = createServer().listen(hostAndPort(proxy.address)?.port, "127.0.0.1");
  await once(again, "listening");
  again.close();
  await closed;
});

test("toxics are changed without end during traffic → no byte is lost or turned round", async () => {
  const { port } = await echoing();
  const { proxy } = await proxyTo(port);
  const socket = client(proxy);
  const sent = Buffer.alloc(4_000_000);
  for (let at = 0; at < sent.length; at += 4) sent.writeUInt32LE(at, at);
  socket.end(sent);
  const choices = [
    [toxic("latency", { latency: 3, jitter: 2 }), toxic("bandwidth", { rate: 50_000 }, "upstream")],
    [toxic("slicer", { average_size: 1_000, size_variation: 300 }), toxic("latency", { latency: 1 }, "upstream")],
    [],
    [toxic("bandwidth", { rate: 80_000 }), toxic("slow_close", { delay: 5 })],
  ];
  let turn = 0;
  const changing = setInterval(() => void proxy.setToxics(choices[turn++ % choices.length] ?? []), 3);
  let at = 0;
  for await (const bytes of socket) {
    assert.ok(sent.subarray(at, at + bytes.length).equals(bytes), `at ${at}`);
    at += bytes.length;
  }
  clearInterval(changing);
  assert.equal(at, sent.length);
});

test("connections above the bound → are closed, and said", async () => {
  const { port } = await echoing();
  const events: ProxyEvent[] = [];
  const proxy = await openTcpProxy({
    host: "127.0.0.1",
    port: 0,
    upstream: `127.0.0.1:${port}`,
    toxics: [],
    clock: systemClock,
    random: seededRandom(1),
    onEvent: (event) => events.push(event),
    maxConnections: 2,
  });
  open.push(() => proxy.close());
  const held = [client(proxy), client(proxy)];
  await until(() => proxy.connections === 2, "two connections");
  const third = client(proxy);
  third.resume();
  await once(third, "end");
  assert.ok(events.some(({ type }) => type === "connection-dropped"));
  for (const socket of held) socket.destroy();
});
