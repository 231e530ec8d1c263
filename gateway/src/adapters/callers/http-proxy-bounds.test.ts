/**
 * What callers may take of a listener, over real sockets: memory, connections, time. What goes
 * beyond is refused with what is allowed, others are served meanwhile, and no station is blamed.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { request } from "node:http";
import { connect, type Socket } from "node:net";
import { describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { type Answer, ask, askRaw, type Changes, type Rig, rig } from "../../../../test/process/proxy-rig.ts";
import { HeldMemory } from "../../fleet/held-memory.ts";
import type { ProxyOptions } from "./http-proxy.ts";

const MIB = 1_024 ** 2;

/** Stations that read all of it, and answer when the test says so. */
function holding() {
  const held: ServerResponse[] = [];
  /** Keys of the commands that have arrived; a late one is sent to the other station, too. */
  const keys = new Set<unknown>();
  let body: Buffer | undefined;
  const serve: RequestListener = (message, response) => {
    if (message.url === "/quick") return void message.resume().on("end", () => response.end("quick"));
    message.resume().on("error", () => undefined);
    keys.add(message.headers["idempotency-key"]);
    if (body !== undefined) response.end(body);
    else held.push(response);
  };
  const answer = (bytes: Buffer = Buffer.from("done")): void => {
    body = bytes;
    for (const response of held) response.end(bytes);
  };
  return { serve, keys, answer };
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await pause(5);
}

let commands = 0;

/** A command under a key of its own with a body of `bytes`, from the loopback address `from`. */
function command(port: number, bytes: number, from = "127.0.0.1"): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const headers = { "idempotency-key": `k${++commands}`, "content-length": bytes };
  const sent = request({ host: "127.0.0.1", port, method: "POST", agent: false, localAddress: from, headers });
  sent.on("error", reject).on("response", async (message: IncomingMessage) => {
    const chunks: Buffer[] = [];
    for await (const chunk of message) chunks.push(chunk as Buffer);
    const { statusCode: status = 0, headers, rawHeaders: raw, trailers } = message;
    resolve({ status, headers, raw, trailers, body: Buffer.concat(chunks) });
  });
  sent.end(Buffer.alloc(bytes));
  return promise;
}

function problemIn({ body }: Answer): { code: string; detail: string } {
  return JSON.parse(body.toString()) as { code: string; detail: string };
}

interface Bounded extends Rig {
  readonly memory: HeldMemory;
  readonly told: Record<string, unknown>[];
}

async function bounded(
  serve: RequestListener,
  maxBytes: number,
  changes: Changes = {},
  options: Partial<ProxyOptions> = {},
): Promise<Bounded> {
  const memory = new HeldMemory({ maxBytes });
  const at = await rig(serve, { ...changes, limits: { replayBytes: MIB, ...changes.limits } }, { memory, ...options });
  const told: Record<string, unknown>[] = [];
  at.group.onEvent((event) => told.push(event as unknown as Record<string, unknown>));
  return { ...at, memory, told, [Symbol.asyncDispose]: () => at[Symbol.asyncDispose]() };
}

describe("[G10] memory", () => {
  test("more waiting bodies than may be held → 503 with Retry-After, an event, and nothing of it at the stations", async () => {
    const { serve, keys, answer: answerAll } = holding();
    await using at = await bounded(serve, 8 * MIB);
    const answers = Array.from({ length: 20 }, () => command(at.port, MIB));
    const refused: Answer[] = [];
    for (const answer of answers) answer.then((one) => one.status === 503 && refused.push(one)).catch(() => undefined);
    // Three quarters of 8 MiB are five bodies and what goes with each.
    await until(() => keys.size === 5 && refused.length === 15);
    assert.ok(at.memory.status.heldBytes <= 6 * MIB, `${at.memory.status.heldBytes}`);
    const [first] = refused as [Answer];
    assert.equal(first.headers["retry-after"], "1");
    assert.equal(problemIn(first).code, "MEMORY_USED_UP");
    assert.match(
      problemIn(first).detail,
      /it takes 1048576 bytes of memory, and \d+ of 8388608 are held already, \d+ of them for 127\.0\.0\.1/,
    );
    const events = at.told.filter(({ type }) => type === "memory-used-up");
    assert.deepEqual([events.length, events[0]?.["reason"], events[0]?.["caller"]], [1, "caller", "127.0.0.1"]);
    assert.equal(at.memory.status.refused.caller, 15);

    answerAll();
    const statuses = (await Promise.all(answers)).map(({ status }) => status);
    assert.equal(statuses.filter((status) => status === 200).length, 5);
    await until(() => at.memory.status.heldBytes === 0);
    assert.equal((await ask(at.port, "/quick")).status, 200);
  });

  test("one address has its share → others are served", async () => {
    const { serve, keys, answer: answerAll } = holding();
    await using at = await bounded(serve, 8 * MIB);
    const greedy = Array.from({ length: 10 }, () => command(at.port, MIB).catch(() => undefined));
    await until(() => at.memory.status.refused.caller === 5);
    const other = command(at.port, MIB, "127.0.0.2");
    await until(() => keys.size === 6);
    answerAll();
    assert.equal((await other).status, 200);
    await Promise.all(greedy);
  });

  test("a body that never fits → 413, not a promise that it will later", async () => {
    await using at = await bounded(holding().serve, MIB);
    const answer = await command(at.port, MIB);
    assert.equal(answer.status, 413);
    assert.match(problemIn(answer).detail, /1048576 bytes of memory; callers\.maxMemory is 1048576 bytes/);
    assert.equal(at.memory.status.refused["too-large"], 1);
  });

  test("Expect: 100-continue with no room → refused before a byte of the body is asked for", async () => {
    await using at = await bounded(holding().serve, MIB);
    const head = `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${MIB}\r\nExpect: 100-continue\r\n\r\n`;
    assert.match(await askRaw(at.port, head), /^HTTP\/1.1 413 /);
  });

  test("unfinished bodies, of known length and chunked → counted from their heads on, and refused beyond the bound", async () => {
    await using at = await bounded(holding().serve, 4 * MIB);
    const sockets: Socket[] = [];
    let refused = 0;
    for (let each = 0; each < 12; each++) {
      const socket = connect(at.port, "127.0.0.1").on("error", () => undefined);
      socket.on("data", (bytes) => {
        if (String(bytes).startsWith("HTTP/1.1 503")) refused++;
      });
      const head = "POST / HTTP/1.1\r\nHost: a\r\nIdempotency-Key: k\r\n";
      const framed = each % 2 === 0 ? `Content-Length: ${MIB}\r\n\r\nabc` : "Transfer-Encoding: chunked\r\n\r\n";
      socket.write(head + framed);
      if (each % 2 === 1) for (let piece = 0; piece < 12; piece++) socket.write(`10000\r\n${"x".repeat(65_536)}\r\n`);
      sockets.push(socket);
    }
    await until(() => refused >= 9);
    assert.ok(at.memory.status.heldBytes <= 3 * MIB, `${at.memory.status.heldBytes}`);
    for (const socket of sockets) socket.destroy();
    await until(() => at.memory.status.heldBytes === 0);
    assert.equal(at.stations[0].received(), 0);
  });

  test("replies that are read whole, and not taken → counted, then streamed; the next commands are refused, and others are served", async () => {
    const serve: RequestListener = (message, response) =>
      message.url === "/quick" ? response.end("quick") : response.end(Buffer.alloc(8 * MIB));
    await using at = await bounded(serve, 40 * MIB, { limits: { replyBytes: 16 * MIB } });
    const asking = (): Socket => {
      const socket = connect(at.port, "127.0.0.1").on("error", () => undefined);
      socket.pause();
      socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
      return socket;
    };
    const sockets = Array.from({ length: 30 }, asking);
    // These may all be at the station before the first reply is counted.
    await until(() => {
      if (at.memory.status.held.replies > 20 * MIB) sockets.push(asking());
      return at.memory.status.refused.caller > 0;
    });
    assert.ok(at.memory.status.held.replies > 20 * MIB);
    // A reply cannot be refused: what is on its way is counted, and then streamed.
    assert.ok(at.memory.status.heldBytes < 33 * MIB, `${at.memory.status.heldBytes}`);
    assert.equal(await quick(at.port, "127.0.0.2"), 200);
    for (const socket of sockets) socket.destroy();
    await until(() => at.memory.status.heldBytes === 0);
  });

  test("a reply that comes when memory is short → passed on whole", async () => {
    const { serve, keys, answer: answerAll } = holding();
    await using at = await bounded(serve, 4 * MIB, { limits: { replyBytes: MIB } });
    const answers = [command(at.port, MIB), command(at.port, MIB)];
    await until(() => keys.size === 2);
    answerAll(Buffer.alloc(MIB, "y"));
    for (const answer of await Promise.all(answers)) {
      assert.deepEqual([answer.status, answer.body.equals(Buffer.alloc(MIB, "y"))], [200, true]);
    }
    await until(() => at.memory.status.heldBytes === 0);
  });

  test("streams, refused requests, callers who hang up → everything is given back", async () => {
    const serve: RequestListener = (message, response) => {
      if (message.url === "/stream") return void message.pipe(response);
      message.resume().on("error", () => undefined);
      if (message.url === "/never") return;
      response.end("ok");
    };
    await using at = await bounded(serve, 64 * MIB);
    for (let round = 0; round < 5; round++) {
      const echoed = await ask(at.port, "/stream", { method: "POST", body: Buffer.alloc(3 * MIB) });
      assert.equal(echoed.body.length, 3 * MIB);
      assert.equal((await ask(at.port, "/", { headers: { "x-time-left-ms": "soon" } })).status, 400);
      const socket = connect(at.port, "127.0.0.1").on("error", () => undefined);
      socket.write("POST /never HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
      const before = at.stations[0].received();
      await until(() => at.stations[0].received() > before);
      socket.destroy();
    }
    await until(() => at.memory.status.heldBytes === 0);
  });
});

test("[G10] requests without end on one connection → only so many are read, and those are answered", async () => {
  const first = Promise.withResolvers<ServerResponse>();
  const serve: RequestListener = (message, response) =>
    message.url === "/first" ? first.resolve(response) : void response.end("next");
  await using at = await rig(serve);
  const socket = connect(at.port, "127.0.0.1").on("error", () => undefined);
  let answers = "";
  socket.on("data", (bytes: Buffer) => {
    answers += bytes.toString("latin1");
  });
  socket.write("GET /first HTTP/1.1\r\nHost: a\r\n\r\n");
  const response = await first.promise;
  // More than the system's buffers take.
  socket.write(Buffer.from("GET /next HTTP/1.1\r\nHost: a\r\n\r\n".repeat(1_000_000)));
  // Reading all of it would take seconds, and hundreds of megabytes.
  for (let before = -1; before !== socket.bytesWritten - socket.writableLength; await pause(500))
    before = socket.bytesWritten - socket.writableLength;
  assert.ok(socket.writableLength > 1_000_000, `${socket.writableLength} bytes are not taken`);
  const closed = new Promise((resolve) => socket.once("close", resolve));
  response.end("first");
  await closed;
  assert.match(answers, /\r\n\r\nfirst/);
  assert.ok(at.stations[0].received() <= 66, `${at.stations[0].received()}`);
});

describe("[G10] heads that wait behind a slow request", () => {
  const head = `GET /quick HTTP/1.1\r\nHost: a\r\n${`a: ${"b".repeat(115)}\r\n`.repeat(250)}\r\n`;
  const slow = "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n";

  test("one piece is read and counted, the rest is not read; each is answered in its turn", {
    timeout: 60_000,
  }, async () => {
    const { serve, keys, answer } = holding();
    const memory = new HeldMemory();
    await using at = await rig(serve, {}, { memory });
    const socket = connect(at.port, "127.0.0.1");
    let answers = "";
    socket.on("data", (bytes: Buffer) => {
      answers += bytes.toString("latin1");
    });
    // The station takes no heads as large as these.
    const count = (): number => answers.split(/HTTP\/1\.1 (?:200|431)/).length - 1;
    socket.write(slow + head.repeat(63));
    await until(() => keys.size > 0 && memory.status.heldBytes > 32 * 1_024 + head.length);
    const { heldBytes } = memory.status;
    assert.ok(heldBytes < 32 * 1_024 + 4 * 2 * head.length, `${heldBytes} bytes for what is at most three heads`);
    answer(Buffer.from("slow"));
    await until(() => count() === 64);
    socket.destroy();
    await until(() => memory.status.heldBytes === 0);
  });

  test("no memory for them → the connection is cut and an event tells it; nothing stays counted", async () => {
    const { serve, keys } = holding();
    const memory = new HeldMemory({ maxBytes: 64 * 1_024 });
    await using at = await rig(serve, {}, { memory });
    const events: string[] = [];
    at.group.onEvent(({ type }) => events.push(type));
    const socket = connect(at.port, "127.0.0.1");
    const cut = once(socket, "error");
    socket.write(slow);
    await until(() => keys.size > 0);
    socket.write(head.repeat(63));
    const [error] = (await cut) as [NodeJS.ErrnoException];
    assert.match(error.code ?? "", /^(ECONNRESET|EPIPE)$/);
    assert.deepEqual(
      events.filter((type) => type === "memory-used-up"),
      ["memory-used-up"],
    );
    await until(() => memory.status.heldBytes === 0);
  });

  test("thousands of fields are refused before they are kept", async () => {
    const { serve, keys } = holding();
    await using at = await rig(serve);
    const many = `GET /many HTTP/1.1\r\nHost: a\r\n${"a:\r\n".repeat(8_000)}\r\n`;
    const answer = await askRaw(at.port, many);
    assert.match(answer, /^HTTP\/1\.1 431 /);
    assert.match(answer, /256 (header )?fields/);
    assert.equal(keys.size, 0);
  });
});

describe("[G10] connections", () => {
  test("one address beyond its share → closed and counted; another is served", async () => {
    const { serve } = holding();
    await using at = await rig(serve, {}, { maxConnections: 20 });
    const sockets = Array.from({ length: 40 }, () => connect(at.port, "127.0.0.1").on("error", () => undefined));
    await until(() => at.proxy.unserved.caller === 25);
    assert.deepEqual(at.proxy.connections, { open: 15, max: 20 });
    assert.equal(await quick(at.port, "127.0.0.2"), 200);
    for (const socket of sockets) socket.destroy();
    await until(() => at.proxy.connections.open === 0);
    assert.equal(await quick(at.port, "127.0.0.1"), 200);
  });

  test("no share → all connections for one address, and the next is refused", async () => {
    await using at = await rig(holding().serve, {}, { maxConnections: 10, callerRatio: 1 });
    const sockets = Array.from({ length: 12 }, () => connect(at.port, "127.0.0.1").on("error", () => undefined));
    await until(() => at.proxy.unserved.refused === 2);
    assert.equal(at.proxy.connections.open, 10);
    for (const socket of sockets) socket.destroy();
  });
});

async function quick(port: number, localAddress: string): Promise<number | undefined> {
  const sent = request({ host: "127.0.0.1", port, path: "/quick", agent: false, localAddress });
  sent.end();
  const [message] = (await once(sent, "response")) as [IncomingMessage];
  message.resume();
  return message.statusCode;
}

describe("[G10] uploads have a least rate", () => {
  const SLOW = { minUploadBytesPerSecond: 10_000, maxUploadPauseMs: 300 };

  /** Sends a body of `pieces` pieces, `everyMs` apart; the answer's status. */
  async function upload(
    port: number,
    bytes: number,
    pieces: number,
    everyMs: number,
    framing: object,
  ): Promise<number> {
    const sent = request({ host: "127.0.0.1", port, method: "POST", agent: false, headers: { ...framing } });
    const answered = Promise.withResolvers<number>();
    sent.on("error", (error) => answered.reject(error));
    sent.on("response", (message) => {
      message.resume();
      answered.resolve(message.statusCode ?? 0);
    });
    answered.promise.catch(() => undefined);
    let isOver = false;
    const end = (): void => {
      isOver = true;
    };
    answered.promise.then(end, end);
    for (let piece = 0; piece < pieces && !isOver; piece++) {
      sent.write(Buffer.alloc(bytes));
      await pause(everyMs);
    }
    sent.end();
    return answered.promise;
  }

  for (const [kind, framing] of Object.entries({
    "kept for replay": { "content-length": 60_000 },
    streamed: { "transfer-encoding": "chunked" },
  })) {
    test(`${kind}, a byte now and then → 408 and counted, and no station is blamed`, async () => {
      await using at = await rig(holding().serve, { limits: { replayBytes: MIB } }, SLOW);
      assert.equal(await upload(at.port, 1, 60_000, 20, framing), 408);
      assert.deepEqual(at.proxy.tooSlow, { head: 0, body: 1 });
      const [station] = at.group.status.stations;
      assert.deepEqual([at.group.activeStation, station?.breaker?.failureRate, station?.doubted], ["north", 0, false]);
      assert.equal(at.group.status.patienceMs, undefined);
    });

    test(`${kind}, slow but above the least rate → served`, async () => {
      const serve: RequestListener = (message, response) => void message.resume().on("end", () => response.end("ok"));
      await using at = await rig(serve, { limits: { replayBytes: MIB } }, SLOW);
      // 20,000 bytes a second, for three times as long as a pause may be.
      assert.equal(await upload(at.port, 1_000, 60, 50, framing), 200);
      assert.deepEqual(at.proxy.tooSlow, { head: 0, body: 0 });
    });
  }

  test("a station that does not read → its slowness is not the caller's", async () => {
    const read = Promise.withResolvers<void>();
    const serve: RequestListener = async (message, response) => {
      await read.promise;
      message.resume().on("end", () => response.end("ok"));
    };
    await using at = await rig(serve, { limits: { replayBytes: 0 } }, SLOW);
    const answer = ask(at.port, "/", { method: "POST", body: Buffer.alloc(20 * MIB) });
    await pause(1_000);
    read.resolve();
    assert.equal((await answer).status, 200);
    assert.equal(at.proxy.tooSlow.body, 0);
  });

  test("a head that does not come to its end → counted", async () => {
    await using at = await rig(holding().serve, {}, { headersMs: 100 });
    assert.match(await askRaw(at.port, "GET / HTTP/1.1\r\nHost: a\r\nX-Slow: "), /^HTTP\/1.1 408 /);
    assert.equal(at.proxy.tooSlow.head, 1);
  });
});
