/**
 * Connections that a station closes at the moment at which a command goes out on them, with real
 * sockets: what is sent again, what takes a new connection to begin with, and what nobody can know.
 * Sources: RFC 9110 §9.2.2, RFC 9112 §9.3.1.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo, Socket } from "node:net";
import { createServer } from "node:net";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { wasConnectionLost, wasNeverSent } from "ground-station-failover";
import { type Changes, groupSettings } from "../../../../test/process/proxy-rig.ts";
import type { CommandRequest, SendContext, Uplink } from "../../fleet/uplink.ts";
import { healthPage } from "../../fleet/uplink.ts";
import { httpUplink } from "./http-uplink.ts";

interface Station {
  readonly uplink: Uplink;
  /** `connection.request` of each request that was read. */
  readonly read: string[];
  /** The head of each. */
  readonly heads: string[];
  close(): void;
}

const OK = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/**
 * A station on whose connections `onRequest` answers, with the number of the connection and of the
 * request on it.
 */
async function station(
  t: TestContext,
  onRequest: (socket: Socket, connection: number, request: number) => void,
  commands: Changes["commands"] = {},
): Promise<Station> {
  const read: string[] = [];
  const heads: string[] = [];
  let connections = 0;
  const server = createServer((socket) => {
    const connection = ++connections;
    let requests = 0;
    socket
      .on("error", () => undefined)
      .on("data", (piece) => {
        const text = piece.toString("latin1");
        // The rest of a long body.
        if (!text.includes(" HTTP/1.1\r\n")) return;
        heads.push(text);
        read.push(`${connection}.${++requests}`);
        onRequest(socket, connection, requests);
      });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const settings = groupSettings([(server.address() as AddressInfo).port], { commands });
  const uplink = httpUplink(settings, settings.stations[0] as (typeof settings.stations)[0]);
  t.after(async () => {
    await uplink[Symbol.asyncDispose]();
    server.close();
  });
  return { uplink, read, heads, close: () => server.close() };
}

/** Answers the first request on each connection, and ends it at the second without a word. */
const oncePerConnection = (socket: Socket, _connection: number, request: number): void => {
  if (request === 1) socket.write(OK);
  else socket.destroy();
};

function command(method: string, body?: string): CommandRequest {
  const bytes = body === undefined ? undefined : Buffer.from(body);
  return {
    method,
    target: "/",
    headers: [["host", "x"]],
    body: bytes === undefined ? { kind: "none" } : { kind: "bytes", bytes },
  };
}

function under(changes: Partial<SendContext> = {}): SendContext {
  const { signal } = new AbortController();
  return { epoch: 1, idempotencyKey: undefined, timeLeftMs: Number.POSITIVE_INFINITY, signal, ...changes };
}

const REPEATABLE = under({ isRepeatable: true });

async function failure(sending: Promise<unknown>): Promise<Error> {
  return sending.then(
    () => assert.fail("it should have failed"),
    (error: Error) => error,
  );
}

/** undici uses a connection again only in a later turn of the loop. */
async function free(): Promise<void> {
  for (let turns = 0; turns < 5; turns++) await new Promise((resolve) => setImmediate(resolve));
}

test("[F4] a used connection that ends without a byte → what may be repeated is sent again on a new one, once", async (t) => {
  const { uplink, read } = await station(t, oncePerConnection);
  for (let count = 0; count < 3; count++) {
    assert.equal((await uplink.send(command("GET"), REPEATABLE)).status, 200);
    await free();
  }
  assert.equal((await uplink.send(command("POST", "x".repeat(100_000)), REPEATABLE)).status, 200);
  assert.deepEqual(read, ["1.1", "1.2", "2.1", "2.2", "3.1", "3.2", "4.1"]);
});

test("[F4] one that may not be repeated is lost with it, and is not sent again", async (t) => {
  const { uplink, read } = await station(t, oncePerConnection);
  await uplink.send(command("POST", "x"), under());
  let lost: Error | undefined;
  // Where this machine stood still meanwhile, it takes a new connection.
  for (let count = 0; count < 50 && lost === undefined; count++) {
    await free();
    lost = await uplink.send(command("POST", "x"), under()).then(
      () => undefined,
      (error: Error) => error,
    );
  }
  assert.ok(wasConnectionLost(lost) && !wasNeverSent(lost), String(lost));
  const [last, before] = [read.at(-1), read.at(-2)];
  assert.equal(last, before?.replace(/\.1$/, ".2"), "nothing came behind it");
});

test("[F4] a new connection that ends without a byte is no accident: nothing is sent again", async (t) => {
  const { uplink, read } = await station(t, (socket) => socket.destroy());
  assert.ok(wasConnectionLost(await failure(uplink.send(command("GET"), REPEATABLE))));
  assert.deepEqual(read, ["1.1"]);
});

test("[F4] a used connection that ends within an answer is not sent again here", async (t) => {
  const { uplink, read } = await station(t, (socket, _connection, request) => {
    if (request === 1) socket.write(OK);
    else socket.end("HTTP/1.1 200 OK\r\n");
  });
  await uplink.send(command("GET"), REPEATABLE);
  await free();
  assert.ok(wasConnectionLost(await failure(uplink.send(command("GET"), REPEATABLE))));
  assert.deepEqual(read, ["1.1", "1.2"]);
});

test("[F4] a used connection that ends later than a round trip takes was no accident of idleness", async (t) => {
  const { uplink, read } = await station(
    t,
    (socket, _connection, request) => {
      if (request === 1) socket.write(OK);
      else setTimeout(() => socket.destroy(), 1_100);
    },
    { timeoutMs: 10_000 },
  );
  await uplink.send(command("GET"), REPEATABLE);
  await free();
  assert.ok(wasConnectionLost(await failure(uplink.send(command("GET"), REPEATABLE))));
  assert.deepEqual(read, ["1.1", "1.2"]);
});

test("[F4] where nobody listens any more, the first attempt may have run, and is not called never sent", async (t) => {
  const at = await station(t, (socket, _connection, request) => {
    if (request === 1) socket.write(OK);
    else {
      at.close();
      socket.destroy();
    }
  });
  await at.uplink.send(command("GET"), REPEATABLE);
  await free();
  const error = await failure(at.uplink.send(command("GET"), REPEATABLE));
  assert.ok(wasConnectionLost(error) && !wasNeverSent(error), String(error));
});

test("[R4] what is sent again says the time that is left now", async (t) => {
  const at = await station(t, (socket, _connection, request) => {
    if (request === 1) socket.write(OK);
    else setTimeout(() => socket.destroy(), 50);
  });
  await at.uplink.send(command("GET"), REPEATABLE);
  await free();
  await at.uplink.send(command("GET"), { ...REPEATABLE, timeLeftMs: 10_000 });
  assert.deepEqual(at.read, ["1.1", "1.2", "2.1"]);
  const [first, second] = at.heads.slice(1).map((head) => Number(/x-time-left-ms: (\d+)/.exec(head)?.[1]));
  assert.equal(first, 10_000);
  assert.ok(second !== undefined && second < 9_960, `${second}`);
});

/** However much later it is: later than what is safe before anything is known. */
const LONG_IDLE_MS = 1_050;

test("[F4] a command that may be sent once only takes no connection that has been idle for long", async (t) => {
  const { uplink, read } = await station(t, oncePerConnection);
  await uplink.send(command("POST", "x"), under());
  await sleep(LONG_IDLE_MS);
  await uplink.send(command("POST", "x"), under());
  assert.deepEqual(read, ["1.1", "2.1"]);
});

test("[F4] … unless such connections have been seen to live for twice as long", async (t) => {
  const { uplink, read } = await station(t, (socket) => socket.write(OK));
  await uplink.send(command("GET"), REPEATABLE);
  await sleep(2.5 * LONG_IDLE_MS);
  // It was answered on: half of that is safe.
  await uplink.send(command("GET"), REPEATABLE);
  const before = performance.now();
  await sleep(LONG_IDLE_MS);
  await uplink.send(command("POST", "x"), under());
  // A machine that stood still meanwhile proves nothing.
  if (performance.now() - before < 1.2 * LONG_IDLE_MS) assert.deepEqual(read, ["1.1", "1.2", "1.3"]);
});

test("[F4] what the station closes sooner is not used, from then on", async (t) => {
  const { uplink, read } = await station(t, (socket, connection, request) => {
    if (request > 1) socket.destroy();
    else {
      socket.write(OK);
      if (connection === 1) setTimeout(() => socket.destroy(), 50);
    }
  });
  await uplink.send(command("POST", "x"), under());
  await sleep(200);
  await uplink.send(command("POST", "x"), under());
  await sleep(200);
  await uplink.send(command("POST", "x"), under());
  assert.deepEqual(read, ["1.1", "2.1", "3.1"]);
});

test("[F4] commands.keepAlive bounds for how long an idle connection is kept, whatever the station says", async (t) => {
  const ended: number[] = [];
  const at = await station(
    t,
    (socket) => {
      const sinceMs = performance.now();
      socket.once("end", () => ended.push(performance.now() - sinceMs));
      socket.write("HTTP/1.1 200 OK\r\nkeep-alive: timeout=600\r\ncontent-length: 0\r\n\r\n");
    },
    { keepAliveMs: 50 },
  );
  await at.uplink.send(command("GET"), REPEATABLE);
  for (let waits = 0; waits < 500 && ended.length === 0; waits++) await sleep(10);
  assert.equal(ended.length, 1);
});

test("[G6] a probe takes no connection that has been idle for long either", async (t) => {
  const { uplink, read } = await station(t, oncePerConnection);
  const { signal } = new AbortController();
  await uplink.probe(healthPage("/"), signal);
  await sleep(LONG_IDLE_MS);
  await uplink.probe(healthPage("/"), signal);
  assert.deepEqual(read, ["1.1", "2.1"]);
});
