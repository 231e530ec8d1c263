/**
 * The UDP proxy over real sockets: heartbeats of a gateway, loss, dead ends, many clients, bounds.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import type { Socket } from "node:dgram";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { describe, test } from "node:test";
import { seededRandom, systemClock } from "ground-station-failover";
import { VirtualClock } from "ground-station-failover/sim";
import { pino } from "pino";
import { challengesOf } from "../../adapters/heartbeats/heartbeat-codec.ts";
import { HeartbeatSender, listenForHeartbeats } from "../../adapters/heartbeats/udp-heartbeats.ts";
import { UserError } from "../../adapters/process/exit-codes.ts";
import { HeartbeatSessions } from "../../fleet/heartbeat-sessions.ts";
import type { ProxyEvent, Toxic } from "../toxic.ts";
import { defaultAttributes } from "../toxic-type.ts";
import { UDP_TOXIC_TYPES } from "./toxic-types.ts";
import { openUdpProxy, type UdpProxy, type UdpProxyOptions } from "./udp-proxy.ts";

function toxic(type: string, attributes: Record<string, number | string>, more: Partial<Toxic> = {}): Toxic {
  const all = { ...defaultAttributes(UDP_TOXIC_TYPES[type] ?? {}), ...attributes };
  return {
    name: `${type}_${more.stream ?? "upstream"}`,
    type,
    stream: "upstream",
    toxicity: 1,
    attributes: all,
    ...more,
  };
}

interface Endpoint extends AsyncDisposable {
  readonly socket: Socket;
  readonly port: number;
  readonly received: Buffer[];
  /** Resolves when so many datagrams have come. */
  until(count: number): Promise<void>;
  send(datagram: Buffer | string, port: number): Promise<void>;
}

/** A socket of a test; `echoes`: it sends each datagram back. */
async function endpoint({ echoes = false, port = 0, address = "127.0.0.1" } = {}): Promise<Endpoint> {
  const socket = createSocket({ type: address.includes(":") ? "udp6" : "udp4", recvBufferSize: 4_194_304 });
  const received: Buffer[] = [];
  socket.on("message", (datagram, from) => {
    received.push(datagram);
    if (echoes) socket.send(datagram, from.port, from.address);
  });
  socket.bind(port, address);
  await once(socket, "listening");
  return {
    socket,
    received,
    port: socket.address().port,
    async until(count) {
      while (received.length < count) await once(socket, "message");
    },
    send: (datagram, to) =>
      new Promise((resolve, reject) => {
        socket.send(datagram, to, address, (error) => (error === null ? resolve() : reject(error)));
      }),
    [Symbol.asyncDispose]: () => new Promise((resolve) => socket.close(() => resolve())),
  };
}

interface Opened extends AsyncDisposable {
  readonly proxy: UdpProxy;
  readonly port: number;
  readonly events: ProxyEvent[];
  /** Resolves at the next event of this type, or at once if there was one. */
  event(type: string): Promise<ProxyEvent>;
}

async function opened(upstreamPort: number, changes: Partial<UdpProxyOptions> = {}): Promise<Opened> {
  const events: ProxyEvent[] = [];
  const listeners = new Set<() => void>();
  const proxy = await openUdpProxy({
    host: "127.0.0.1",
    port: 0,
    upstream: `127.0.0.1:${upstreamPort}`,
    toxics: [],
    clock: systemClock,
    random: seededRandom("udp proxy"),
    onEvent(event) {
      events.push(event);
      for (const listener of [...listeners]) listener();
    },
    ...changes,
  });
  return {
    proxy,
    events,
    port: Number(proxy.address.slice(proxy.address.lastIndexOf(":") + 1)),
    event: (type) =>
      new Promise((resolve) => {
        const listener = (): void => {
          const found = events.find((event) => event.type === type);
          if (found === undefined) return;
          listeners.delete(listener);
          resolve(found);
        };
        listeners.add(listener);
        listener();
      }),
    [Symbol.asyncDispose]: () => proxy.close(),
  };
}

/**
 * Lets the event loop turn until it is so; the runner's own bound ends a test that waits in vain.
 */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setImmediate(resolve));
}

describe("[X1] datagrams through the proxy", () => {
  test("two clients → each has its own session, and its replies from the port that listens", async () => {
    await using server = await endpoint({ echoes: true });
    await using at = await opened(server.port);
    await using one = await endpoint();
    await using other = await endpoint();
    const froms: number[] = [];
    one.socket.on("message", (_datagram, from) => froms.push(from.port));
    await one.send("of one", at.port);
    await other.send("of other", at.port);
    await Promise.all([one.until(1), other.until(1)]);
    assert.deepEqual([one.received.join(), other.received.join(), froms], ["of one", "of other", [at.port]]);
    assert.equal(at.proxy.connections, 2);
    assert.deepEqual(at.proxy.counts, {
      upstream: { receivedBytes: 14, sentBytes: 14 },
      downstream: { receivedBytes: 14, sentBytes: 14 },
    });
  });

  test("the largest datagram and an empty one → both pass, both ways", async () => {
    await using server = await endpoint({ echoes: true });
    await using at = await opened(server.port);
    await using client = await endpoint();
    const large = randomBytes(65_507);
    await client.send(large, at.port);
    await client.until(1);
    await client.send("", at.port);
    await client.until(2);
    assert.ok(client.received[0]?.equals(large));
    assert.equal(client.received[1]?.length, 0);
  });

  test("a station's heartbeats → they pass signed, with the challenge; half of them lost → it still beats", async () => {
    const secret = Buffer.from("a shared secret");
    const sessions = new HeartbeatSessions([["atlantic/north", 10]], challengesOf(randomBytes(32)));
    await using listener = await listenForHeartbeats(
      {
        receiveBeat(beat, from) {
          return sessions.admit(beat, systemClock.nowMs(), from);
        },
      },
      {
        listen: { host: "127.0.0.1", port: 0 },
        secrets: { shared: [secret], own: new Map() },
        log: pino({ level: "silent" }),
      },
    );
    await using at = await opened(listener.address.port);
    const north = new HeartbeatSender({
      group: "atlantic",
      station: "north",
      secrets: [secret],
      target: { host: "127.0.0.1", port: at.port },
      intervalMs: 5,
      epochSeen: () => 3,
      clock: systemClock,
    });
    north.start();
    await until(() => listener.counters.accepted >= 10);
    at.proxy.setToxics([toxic("loss", { rate: 0.5 })]);
    await until(() => listener.counters.accepted >= 20 && at.proxy.effects.lost > 0);
    north.stop();
    assert.deepEqual([listener.counters.forged, listener.counters.malformed], [0, 0]);
    assert.equal(at.proxy.connections, 1);
  });

  test("loss of 30 % → about that share is lost; without it, nothing", async () => {
    await using server = await endpoint({ echoes: true });
    await using at = await opened(server.port);
    await using client = await endpoint();
    const count = 3_000;
    // Ten at a time: nothing is lost in the sockets' own buffers.
    const sendAll = async (): Promise<void> => {
      const before = at.proxy.counts.upstream.receivedBytes;
      for (let number = 10; number <= count; number += 10) {
        await Promise.all(Array.from({ length: 10 }, () => client.send("x", at.port)));
        await until(() => at.proxy.counts.upstream.receivedBytes === before + number);
      }
    };
    await sendAll();
    await client.until(count);
    at.proxy.setToxics([toxic("loss", { rate: 0.3 })]);
    await sendAll();
    const { lost } = at.proxy.effects;
    // Five standard errors: 5 × √(0.3 × 0.7 / 3,000) = 0.042.
    assert.ok(Math.abs(lost / count - 0.3) < 0.042, `${lost}`);
    await client.until(2 * count - lost);
    assert.equal(at.events.filter(({ type }) => type === "datagram-lost").length, lost);
  });

  test("toxics of one direction → the other is untouched", async () => {
    await using server = await endpoint({ echoes: true });
    await using at = await opened(server.port, { toxics: [toxic("loss", { rate: 1 }, { stream: "downstream" })] });
    await using client = await endpoint();
    await client.send("x", at.port);
    await server.until(1);
    const lost = await at.event("datagram-lost");
    assert.deepEqual([lost.stream, lost.toxic, lost.connection], ["downstream", "loss_downstream", 1]);
    at.proxy.setToxics([]);
    await client.send("y", at.port);
    await client.until(1);
    assert.equal(client.received.join(), "y");
  });

  test("IPv6 → the address is written in brackets, and datagrams pass", async (t) => {
    const server = await endpoint({ echoes: true, address: "::1" }).catch(() => undefined);
    if (server === undefined) return t.skip("this machine has no IPv6");
    await using at = await opened(0, { host: "::1", upstream: `[::1]:${server.port}` });
    await using client = await endpoint({ address: "::1" });
    await client.send("x", at.port);
    await client.until(1);
    assert.equal(at.proxy.address, `[::1]:${at.port}`);
    await server[Symbol.asyncDispose]();
  });

  test("no host → it listens on every address", async () => {
    await using server = await endpoint({ echoes: true });
    await using at = await opened(0, { host: undefined, upstream: `localhost:${server.port}` });
    await using client = await endpoint();
    await client.send("x", at.port);
    await client.until(1);
  });
});

describe("an upstream that is away", () => {
  test("its port is closed → nothing ends, and it is served when it comes", async () => {
    const gone = await endpoint();
    await gone[Symbol.asyncDispose]();
    await using at = await opened(gone.port);
    await using client = await endpoint();
    for (let number = 0; number < 20; number++) await client.send("early", at.port);
    await at.event("upstream-refused");
    assert.equal(at.proxy.connections, 1);
    await using server = await endpoint({ echoes: true, port: gone.port });
    // The first may still be told of the refusal before.
    while (client.received.length === 0) {
      await client.send("late", at.port);
      await Promise.race([once(client.socket, "message"), systemClock.sleepUntil(systemClock.nowMs() + 100)]);
    }
    assert.ok(server.received.length > 0);
    assert.equal(at.proxy.connections, 1);
  });

  test("its name is unknown → the session fails with an event, and is tried again a second later", async () => {
    const clock = new VirtualClock();
    await using at = await opened(0, { upstream: "no-such-name.invalid:7000", clock });
    await using client = await endpoint();
    await client.send("a", at.port);
    const failed = await at.event("session-failed");
    assert.equal(failed.connection, 1);
    await client.send("b", at.port);
    await at.event("datagram-dropped");
    await clock.advanceBy(1_000);
    await client.send("c", at.port);
    await until(() => at.proxy.effects.failed === 2);
    assert.equal(at.proxy.heldBytes, 0);
  });

  for (const upstream of ["127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536", ":7000", "::1:7000", "a b:x"]) {
    test(`upstream ${upstream} → an error of the user`, async () => {
      await assert.rejects(opened(0, { upstream }), UserError);
    });
  }

  test("the upstream is the proxy itself → an error of the user, and the port is free", async () => {
    const free = await endpoint();
    await free[Symbol.asyncDispose]();
    for (const host of ["127.0.0.1", undefined]) {
      await assert.rejects(opened(free.port, { host, port: free.port }), UserError);
    }
    await using again = await endpoint({ port: free.port });
    assert.equal(again.port, free.port);
  });

  test("the port is taken → the operating system's error", async () => {
    await using taken = await endpoint();
    await assert.rejects(opened(9, { port: taken.port }), { code: "EADDRINUSE" });
  });
});

describe("the bounds of sessions", () => {
  test("10,000 sessions → the listener serves them all and keeps to its bound", async () => {
    await using server = await endpoint({ echoes: true });
    await using at = await opened(server.port, { maxSessions: 100 });
    for (let round = 0; round < 100; round++) {
      const clients = await Promise.all(Array.from({ length: 100 }, () => endpoint()));
      await Promise.all(
        clients.map(async (client) => {
          await client.send("x", at.port);
          await client.until(1);
        }),
      );
      assert.ok(at.proxy.connections <= 100);
      await Promise.all(clients.map((client) => client[Symbol.asyncDispose]()));
    }
    assert.ok(at.proxy.effects.evicted >= 9_000, `${at.proxy.effects.evicted}`);
  });

  test("one session too many → the one that was unused for longest makes room", async () => {
    await using server = await endpoint({ echoes: true });
    await using at = await opened(server.port, { maxSessions: 2 });
    await using first = await endpoint();
    await using second = await endpoint();
    await using third = await endpoint();
    for (const client of [first, second, first, third]) {
      const before = client.received.length;
      await client.send("x", at.port);
      await client.until(before + 1);
    }
    const evicted = await at.event("session-evicted");
    assert.deepEqual([evicted.connection, at.proxy.effects.evicted, at.proxy.connections], [2, 1, 2]);
  });

  test("idle → the session ends; with a datagram on its way → it waits for that", async () => {
    const clock = new VirtualClock();
    await using server = await endpoint({ echoes: true });
    const latency = toxic("latency", { latency: 2_500 }, { stream: "downstream" });
    await using at = await opened(server.port, { clock, idleMs: 1_000, toxics: [latency] });
    await using client = await endpoint();
    await client.send("x", at.port);
    await until(() => at.proxy.counts.downstream.receivedBytes > 0);
    await clock.advanceBy(2_400);
    assert.equal(at.proxy.connections, 1);
    await clock.advanceBy(100);
    await client.until(1);
    await clock.advanceBy(1_100);
    await at.event("session-expired");
    assert.deepEqual([at.proxy.connections, at.proxy.effects.expired, clock.pending], [0, 1, 0]);
  });

  test("the same seed → the same datagrams are lost, session by session", async () => {
    const lost = async (): Promise<number[]> => {
      await using server = await endpoint({ echoes: true });
      await using at = await opened(server.port, { toxics: [toxic("loss", { rate: 0.5 })] });
      await using client = await endpoint();
      const order: number[] = [];
      for (let number = 0; number < 40; number++) {
        const { receivedBytes } = at.proxy.counts.upstream;
        await client.send("x", at.port);
        await until(() => at.proxy.counts.upstream.receivedBytes > receivedBytes);
        order.push(at.proxy.effects.lost);
      }
      return order;
    };
    assert.deepEqual(await lost(), await lost());
  });
});

describe("closing", () => {
  test("datagrams wait → nothing is sent any more, no memory is held and the port is free", async () => {
    const clock = new VirtualClock();
    await using server = await endpoint();
    const at = await opened(server.port, { clock, toxics: [toxic("latency", { latency: 1_000 })] });
    await using client = await endpoint();
    await client.send("x", at.port);
    await until(() => at.proxy.heldBytes > 0);
    await Promise.all([at.proxy.close(), at.proxy.close()]);
    assert.deepEqual([at.proxy.heldBytes, at.proxy.connections, clock.pending], [0, 0, 0]);
    await using again = await endpoint({ port: at.port });
    assert.equal(again.port, at.port);
    assert.equal(server.received.length, 0);
    at.proxy.setToxics([]);
  });

  test("while the upstream socket is being opened → it ends all the same", async () => {
    await using server = await endpoint();
    const at = await opened(0, { upstream: `localhost:${server.port}` });
    await using client = await endpoint();
    await client.send("x", at.port);
    await at.event("session-opened");
    await at.proxy.close();
    assert.equal(at.proxy.heldBytes, 0);
  });
});
