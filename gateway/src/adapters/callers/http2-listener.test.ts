/**
 * [G6] A group's listener that speaks HTTP/2 with callers, over real sockets: Node's own client,
 * and frames made by hand where a client would not send them.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import type { IncomingMessage, RequestListener } from "node:http";
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type OutgoingHttpHeaders,
} from "node:http2";
import { request } from "node:https";
import { connect as connectTcp } from "node:net";
import { test } from "node:test";
import { connect as connectTls } from "node:tls";
import { systemClock } from "ground-station-failover";
import { type Changes, type Rig, rig } from "../../../../test/process/proxy-rig.ts";
import { TestAuthority } from "../../../../test/process/test-authority.ts";
import { MemoryRecords } from "../../../../test/worlds/memory-records.ts";
import { MAX_STREAMS } from "../http/stream-sessions.ts";
import type { ListenerCertificates } from "../tls/certificates.ts";
import { ServerContexts } from "../tls/server-contexts.ts";
import { requestDigest } from "./request-digest.ts";

const authority = await TestAuthority.make();
const pair = await authority.issue();
const ca = authority.certificate;
const section = { certificate: "c", key: "k", sni: [], minVersion: "TLSv1.2", http2: true } as const;

function listening(serve: RequestListener, changes: Changes = {}, more: Partial<ListenerCertificates> = {}) {
  const tls = new ServerContexts({ pairs: [pair], clientCa: undefined, minVersion: "TLSv1.2", ...more });
  return rig(serve, { tls: section, ...changes }, { tls });
}

/** Answers with what it was asked. */
const mirror: RequestListener = async (message, response) => {
  let body = "";
  for await (const piece of message) body += String(piece);
  response.setHeader("content-type", "application/json");
  response.setHeader("set-cookie", ["a=1", "b=2"]);
  response.end(JSON.stringify({ method: message.method, url: message.url, headers: message.headers, body }));
};

function client(at: Rig, options: object = {}): ClientHttp2Session & Disposable {
  const session = connect(`https://localhost:${at.port}`, { ca, ...options });
  session.on("error", () => undefined);
  return Object.assign(session, { [Symbol.dispose]: () => session.destroy() });
}

interface Told {
  readonly headers: Record<string, unknown>;
  readonly body: string;
  readonly trailers: Record<string, unknown>;
}

async function ask(session: ClientHttp2Session, headers: OutgoingHttpHeaders, body?: string): Promise<Told> {
  const stream = session.request(headers, { endStream: body === undefined });
  if (body !== undefined) stream.end(body);
  return answerOf(stream);
}

async function answerOf(stream: ClientHttp2Stream): Promise<Told> {
  let trailers = {};
  stream.once("trailers", (given: object) => {
    trailers = { ...given };
  });
  const [headers] = (await once(stream, "response")) as [Record<string, unknown>];
  let body = "";
  for await (const piece of stream) body += String(piece);
  return { headers, body, trailers };
}

test("[G6] GET and POST over HTTP/2 → the station gets the same request as by HTTP/1.1", async () => {
  await using at = await listening(mirror);
  using session = client(at);
  const got = await ask(session, {
    ":path": "/a?b=1",
    cookie: ["x=1", "y=2"],
    "x-request-id": "seven",
    te: "trailers",
  });
  assert.equal(got.headers[":status"], 200);
  assert.deepEqual(got.headers["set-cookie"], ["a=1", "b=2"]);
  assert.equal(got.headers["x-request-id"], "seven");
  assert.equal(got.headers["connection"], undefined);
  const told = JSON.parse(got.body);
  assert.equal(told.url, "/a?b=1");
  assert.equal(told.headers.host, `localhost:${at.port}`);
  assert.equal(told.headers.cookie, "x=1; y=2");
  assert.equal(told.headers["x-forwarded-proto"], "https");
  assert.equal(told.headers.te, undefined);
  assert.equal(told.headers.via, "2 gsf");
  for (const length of [{}, { "content-length": "5" }]) {
    const posted = JSON.parse((await ask(session, { ":method": "POST", ":path": "/p", ...length }, "hello")).body);
    assert.deepEqual([posted.method, posted.body], ["POST", "hello"]);
  }
  const head = await ask(session, { ":method": "HEAD" });
  assert.deepEqual([head.headers[":status"], head.body], [200, ""]);
});

test("[G6] HTTP/1.1 on the same port, or HTTP/2 not asked for in the settings → as before", async () => {
  await using at = await listening(mirror);
  const sent = request({ host: "127.0.0.1", port: at.port, ca, agent: false }).end();
  const [message] = (await once(sent, "response")) as [IncomingMessage];
  assert.deepEqual([message.statusCode, message.httpVersion], [200, "1.1"]);
  message.resume();
  await using plain = await listening(mirror, { tls: { ...section, http2: false } });
  const socket = connectTls({ port: plain.port, host: "127.0.0.1", ca, ALPNProtocols: ["h2", "http/1.1"] });
  await once(socket, "secureConnect");
  assert.equal(socket.alpnProtocol, "http/1.1");
  socket.destroy();
});

test("[G6] a streamed reply with trailers, events while the request goes on → passed piece by piece", async () => {
  await using at = await listening((message, response) => {
    response.writeHead(200, { "content-type": "text/event-stream", trailer: "x-sum" });
    response.write("first");
    message.on("data", (piece) => response.write(`got ${piece}`));
    message.on("end", () => {
      response.addTrailers({ "x-sum": "9" });
      response.end();
    });
  });
  using session = client(at);
  const stream = session.request({ ":method": "POST", ":path": "/" });
  stream.setEncoding("utf8").write("one");
  const trailers = once(stream, "trailers");
  let text = "";
  for await (const piece of stream) {
    text += piece;
    if (text.includes("got one") && !stream.writableEnded) stream.end();
  }
  assert.match(text, /^first.*got one/);
  assert.equal(((await trailers) as [Record<string, unknown>])[0]["x-sum"], "9");
});

test("[G6] a reader that stops → the station must stop, other streams go on", async () => {
  let sent = 0;
  const piece = Buffer.alloc(64 * 1_024);
  const stalled = Promise.withResolvers<void>();
  await using at = await listening((message, response) => {
    if (message.url === "/small") return void response.end("small");
    let quiet: NodeJS.Timeout | undefined;
    const more = (): void => {
      clearTimeout(quiet);
      while (sent < 100 * 1_024 ** 2) {
        sent += piece.length;
        if (!response.write(piece)) break;
      }
      quiet = setTimeout(stalled.resolve, 300);
    };
    response.on("drain", more).on("close", () => clearTimeout(quiet));
    more();
  });
  using session = client(at);
  const stream = session.request({ ":path": "/large" });
  await once(stream, "response");
  stream.pause();
  await stalled.promise;
  assert.ok(sent < 50 * 1_024 ** 2, `${sent} bytes were taken`);
  assert.equal((await ask(session, { ":path": "/small" })).body, "small");
});

test("[G6] a caller that gives up → the station's request is cancelled", async () => {
  const cancelled = Promise.withResolvers<void>();
  const arrived = Promise.withResolvers<void>();
  await using at = await listening((_message, response) => {
    arrived.resolve();
    response.on("close", cancelled.resolve);
  });
  using session = client(at);
  const stream = session.request({ ":path": "/slow" }).on("error", () => undefined);
  await arrived.promise;
  stream.close(constants.NGHTTP2_CANCEL);
  await cancelled.promise;
});

test("[G7] a stop → GOAWAY, streams in flight are answered, and the connection ends", async () => {
  const arrived = Promise.withResolvers<() => void>();
  await using at = await listening((_message, response) => arrived.resolve(() => void response.end("in time")));
  using session = client(at);
  const goaway = once(session, "goaway");
  const answer = ask(session, { ":path": "/" });
  const respond = await arrived.promise;
  const drained = at.proxy.drain(10_000);
  await goaway;
  respond();
  assert.equal((await answer).body, "in time");
  await drained;
});

test("[G7] a stop that takes too long → streams are cut, not ended", async () => {
  const arrived = Promise.withResolvers<void>();
  await using at = await listening((_message, response) => {
    response.write("half");
    arrived.resolve();
  });
  using session = client(at);
  const broken = assert.rejects(ask(session, { ":path": "/" }));
  await arrived.promise;
  await at.proxy.drain(50);
  await broken;
});

test("[G6] a reply that breaks off → the stream is reset, the connection goes on", async () => {
  await using at = await listening((message, response) => {
    if (message.url === "/whole") return void response.end("whole");
    response.writeHead(200);
    response.write("half", () => setImmediate(() => response.socket?.resetAndDestroy()));
  });
  using session = client(at);
  await assert.rejects(ask(session, { ":path": "/half" }), { code: "ERR_HTTP2_STREAM_ERROR" });
  assert.equal((await ask(session, { ":path": "/whole" })).body, "whole");
});

test("[G6] callers' certificates over HTTP/2 → the subject is told, nobody else gets in", async () => {
  const ops = await authority.issue({ commonName: "ops" });
  await using at = await listening(mirror, { tls: { ...section, subjectHeader: "x-caller" } }, { clientCa: ca });
  using session = client(at, { cert: ops.certificate, key: ops.key });
  const told = JSON.parse((await ask(session, { ":path": "/", "x-caller": "CN=root" })).body);
  assert.equal(told.headers["x-caller"], "CN=ops");
  using stranger = client(at);
  await assert.rejects(ask(stranger, { ":path": "/" }));
});

test("[G6] a PROXY header in front of HTTP/2 → the station learns the true caller", async () => {
  await using at = await listening(mirror, { proxyProtocol: { trust: ["127.0.0.1"] } } as Changes);
  const tcp = connectTcp(at.port, "127.0.0.1");
  const header = Buffer.from("0d0a0d0a000d0a515549540a2111000c", "hex");
  tcp.write(Buffer.concat([header, Buffer.from([203, 0, 113, 9, 10, 0, 0, 1, 0x30, 0x39, 0x20, 0xfb])]));
  const createConnection = () => connectTls({ socket: tcp, ca, servername: "localhost", ALPNProtocols: ["h2"] });
  using session = client(at, { createConnection });
  const told = JSON.parse((await ask(session, { ":path": "/" })).body);
  assert.equal(told.headers["x-forwarded-for"], "203.0.113.9");
});

test("[G6] heads that are not allowed → answered with the reason, nothing reaches a station", async () => {
  await using at = await listening(mirror);
  using session = client(at);
  const cases: readonly [OutgoingHttpHeaders, number, string][] = [
    [{ ":path": "/", ":authority": "localhost", host: "other.example" }, 400, "BAD_HEADER"],
    [{ ":path": "/", ":scheme": "http" }, 400, "BAD_TARGET"],
    [{ ":path": "/a#b" }, 400, "BAD_TARGET"],
    [{ ":path": "/", ":method": "NONSENSE" }, 501, "NOT_SUPPORTED"],
    [{ ":path": "/", "x-long": "x".repeat(40_000) }, 431, "HEADERS_TOO_LARGE"],
    [{ ":path": "/", "x-time-left-ms": "soon" }, 400, "BAD_HEADER"],
  ];
  for (const [headers, status, code] of cases) {
    const told = await ask(session, headers);
    assert.deepEqual(
      [told.headers[":status"], JSON.parse(told.body).code],
      [status, code],
      JSON.stringify(headers).slice(0, 80),
    );
  }
  const connected = session.request({ ":method": "CONNECT", ":authority": "elsewhere:1" });
  connected.end();
  assert.equal((await answerOf(connected)).headers[":status"], 501);
  assert.equal(at.stations[0].received(), 0);
});

test("[G6] keys, waits for 100 Continue and respond-async over HTTP/2 → as over HTTP/1.1", async () => {
  let count = 0;
  const tls = new ServerContexts({ pairs: [pair], clientCa: undefined, minVersion: "TLSv1.2" });
  const idempotency = {
    ...{ retentionMs: 60_000, maxAnswerBytes: 1_024, maxKeys: 1_000, maxBytes: 1_000_000 },
    callerFields: ["authorization"],
  };
  const asyncCommands = {
    ...{ maxQueued: 100, maxResults: 100, maxBytes: 10_000_000, keepResultMs: 60_000 },
    ...{ expireAfterMs: 60_000, maxInFlight: 4 },
  };
  await using at = await rig(
    (message, response) => void message.resume().once("end", () => response.end(`order ${++count}`)),
    { tls: section, commands: { idempotency }, asyncCommands },
    { tls },
    { records: new MemoryRecords({ clock: systemClock, syncMs: 1 }), digest: requestDigest },
  );
  using session = client(at);
  const keyed = { ":method": "POST", ":path": "/orders", "idempotency-key": "k" };
  const first = await ask(session, keyed, "tea");
  const again = await ask(session, keyed, "tea");
  assert.deepEqual([first.body, again.body, again.headers["gsf-replayed"]], ["order 1", "order 1", "true"]);
  assert.equal((await ask(session, keyed, "coffee")).headers[":status"], 422);
  const waiting = session.request({ ":method": "POST", ":path": "/", expect: "100-continue" });
  await once(waiting, "continue");
  waiting.end("now");
  assert.equal((await answerOf(waiting)).body, "order 2");
  const accepted = await ask(session, { ":method": "POST", ":path": "/", prefer: "respond-async, wait=5" }, "later");
  assert.deepEqual([accepted.headers[":status"], accepted.body], [200, "order 3"]);
  const kept = await ask(session, { ":method": "POST", ":path": "/", prefer: "respond-async" }, "later still");
  assert.equal(kept.headers[":status"], 202);
  assert.equal((await ask(session, { ":path": String(kept.headers["location"]) })).headers[":status"], 200);
});

test("[G6] an answer before the upload's end → read whole, and the upload is stopped", async () => {
  await using at = await listening(mirror, { limits: { requestBytes: 1_000 } });
  using session = client(at);
  const stream = session.request({ ":method": "POST", ":path": "/", "content-length": "5000" });
  stream.on("error", () => undefined).write("the first of it");
  const closed = once(stream, "close");
  let body = "";
  stream.setEncoding("utf8").on("data", (piece: string) => {
    body += piece;
  });
  const [headers] = (await once(stream, "response")) as [Record<string, unknown>];
  await closed;
  assert.equal(headers[":status"], 413);
  assert.equal(JSON.parse(body).code, "REQUEST_TOO_LARGE");
  assert.equal(stream.rstCode, constants.NGHTTP2_NO_ERROR);
});

test("[G7] a listener that is retired → GOAWAY at once, a new caller's connection ends with its answer", async () => {
  await using at = await listening(mirror);
  using before = client(at);
  assert.equal((await ask(before, { ":path": "/" })).headers[":status"], 200);
  const closed = once(before, "close");
  at.proxy.retire();
  await closed;
  using after = client(at);
  const ended = once(after, "close");
  assert.equal((await ask(after, { ":path": "/" })).headers[":status"], 200);
  await ended;
});

test("[G6] floods of pings and settings → others are served", async () => {
  await using at = await listening(mirror);
  const pings = Array.from({ length: 20_000 }, () => frame(PING, 0, 0, Buffer.alloc(8)));
  const settings = Array.from({ length: 20_000 }, () => frame(SETTINGS, 0, 0));
  for (const frames of [pings, settings]) {
    const { socket } = await raw(at, frames);
    using session = client(at);
    assert.equal((await ask(session, { ":path": "/" })).headers[":status"], 200);
    socket.destroy();
  }
});

test("[G6] fields that a station repeats → sent as a list, also in trailers", async () => {
  await using at = await listening((_message, response) => {
    response.writeHead(200, ["content-type", "a/b", "Content-Type", "c/d", "trailer", "x-sum", "connection", "x-hop"]);
    response.write("body");
    response.addTrailers([
      ["etag", "1"],
      ["etag", "2"],
      ["connection", "close"],
    ]);
    response.end();
  });
  using session = client(at);
  const told = await ask(session, { ":path": "/" });
  assert.deepEqual([told.headers["content-type"], told.body, told.trailers["etag"]], ["a/b, c/d", "body", "1, 2"]);
});

test("[G6] 1,000 streams at once → at most as many as allowed are served together, all are answered", async () => {
  let now = 0;
  let most = 0;
  await using at = await listening((_message, response) => {
    most = Math.max(most, ++now);
    setImmediate(() => {
      now--;
      response.end("ok");
    });
  });
  using session = client(at);
  await once(session, "remoteSettings");
  const told = await Promise.all(Array.from({ length: 1_000 }, () => ask(session, { ":path": "/" })));
  assert.ok(told.every(({ body }) => body === "ok"));
  assert.ok(most <= MAX_STREAMS, `${most} at once`);
});

/** A frame (RFC 9113 §4.1). */
function frame(type: number, flags: number, stream: number, payload: Uint8Array = new Uint8Array()): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

const [DATA, HEADERS, RST_STREAM, SETTINGS, PING, CONTINUATION] = [0, 1, 3, 4, 6, 9];
const [END_STREAM, END_HEADERS] = [1, 4];
const NO_ERROR = Buffer.alloc(4);

/** Fields as literals without an index (RFC 7541 §6.2.2); values of up to 126 bytes. */
function block(...fields: readonly (readonly [name: string, value: string])[]): Buffer {
  const text = (value: string) => Buffer.concat([Buffer.from([value.length]), Buffer.from(value, "latin1")]);
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)]));
}

function post(...more: readonly (readonly [name: string, value: string])[]): Buffer {
  const pseudo = [
    [":method", "POST"],
    [":scheme", "https"],
    [":authority", "localhost"],
    [":path", "/"],
  ] as const;
  return block(...pseudo, ...more);
}

/** Sends hand-made frames, and returns all that comes back until the connection ends. */
async function raw(
  at: Rig,
  frames: readonly Buffer[],
): Promise<{ socket: ReturnType<typeof connectTls>; seen: () => Buffer }> {
  const socket = connectTls({ port: at.port, host: "127.0.0.1", ca, ALPNProtocols: ["h2"] });
  await once(socket, "secureConnect");
  const pieces: Buffer[] = [];
  socket.on("data", (piece: Buffer) => pieces.push(piece)).on("error", () => undefined);
  socket.write(Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), frame(SETTINGS, 0, 0), ...frames]));
  return { socket, seen: () => Buffer.concat(pieces) };
}

/** Resolves when the answer to a ping has come: everything sent before has been read. */
async function readAll(socket: ReturnType<typeof connectTls>, seen: () => Buffer): Promise<void> {
  const word = Buffer.from("allread!");
  socket.write(frame(PING, 0, 0, word));
  while (!socket.closed && !seen().includes(word)) await Promise.race([once(socket, "data"), once(socket, "close")]);
}

test("[G6] an upload that does not end as it should → never whole at a station, nor answered as such", async () => {
  const whole: string[] = [];
  await using at = await listening(async (message, response) => {
    let body = "";
    try {
      for await (const piece of message) body += String(piece);
      whole.push(body);
      response.end("whole");
    } catch {
      // It was cut, as it must be.
    }
  });
  const ends: Readonly<Record<string, readonly Buffer[]>> = {
    "reset with NO_ERROR": [frame(RST_STREAM, 0, 1, NO_ERROR)],
    "reset with CANCEL": [frame(RST_STREAM, 0, 1, Buffer.from([0, 0, 0, 8]))],
    "shorter than it says": [frame(DATA, END_STREAM, 1)],
    "longer than it says": [frame(DATA, END_STREAM, 1, Buffer.alloc(500))],
  };
  const fields = [[], [["content-length", "100"]], [["idempotency-key", "k"]]] as readonly (readonly [
    string,
    string,
  ][])[];
  for (const more of fields) {
    for (const [name, end] of Object.entries(ends)) {
      if (name.includes("says") && more[0]?.[0] !== "content-length") continue;
      const begin = [frame(HEADERS, END_HEADERS, 1, post(...more)), frame(DATA, 0, 1, Buffer.from("half of it"))];
      // In one piece with the rest, and after the gateway has read the rest.
      for (const isLate of [false, true]) {
        const { socket, seen } = await raw(at, isLate ? begin : [...begin, ...end]);
        if (isLate) {
          await readAll(socket, seen);
          socket.write(Buffer.concat(end));
        }
        await readAll(socket, seen);
        socket.destroy();
      }
    }
  }
  // Commands that come later have been answered: those before would have been, too.
  using session = client(at);
  assert.equal((await ask(session, { ":method": "POST", ":path": "/" }, "all of it")).body, "whole");
  assert.deepEqual(whole, ["all of it"]);
});

test("[G6] fields that HTTP/2 does not have → refused, nothing reaches a station", async () => {
  await using at = await listening(mirror);
  using session = client(at);
  let served = 0;
  const bad: readonly Buffer[] = [
    post(["connection", "close"]),
    post(["transfer-encoding", "chunked"]),
    post(["upgrade", "websocket"]),
    post(["te", "gzip"]),
    post(["X-Upper", "1"]),
    post(["x-first", "1"], [":path", "/two"]),
    post([":protocol", "websocket"]),
    post(["content-length", "1"], ["content-length", "2"]),
    block([":method", "GET"], [":scheme", "https"], [":authority", "localhost"]),
    block(
      [":method", "CONNECT"],
      [":protocol", "websocket"],
      [":scheme", "https"],
      [":path", "/"],
      [":authority", "a"],
    ),
  ];
  for (const fields of bad) {
    const { socket, seen } = await raw(at, [frame(HEADERS, END_HEADERS | END_STREAM, 1, fields)]);
    await readAll(socket, seen);
    socket.destroy();
    // A later command has been answered: this one would have reached the station, too.
    assert.equal((await ask(session, { ":path": "/" })).headers[":status"], 200);
    served++;
    assert.equal(at.stations[0].received(), served, fields.toString("latin1").replaceAll("\0", " "));
  }
});

test("[G6] floods of continuations and resets → their connection ends, others are served", async () => {
  await using at = await listening(mirror);
  const endless = Array.from({ length: 100 }, () => frame(CONTINUATION, 0, 1, block(["x", "y"])));
  const resets = Array.from({ length: 3_000 }, (_, place) => [
    frame(HEADERS, END_HEADERS, 2 * place + 1, post()),
    frame(RST_STREAM, 0, 2 * place + 1, Buffer.from([0, 0, 0, 8])),
  ]).flat();
  for (const frames of [[frame(HEADERS, 0, 1, post()), ...endless], resets]) {
    const { socket } = await raw(at, frames);
    if (!socket.closed) await once(socket, "close");
  }
  using session = client(at);
  assert.equal((await ask(session, { ":path": "/" })).headers[":status"], 200);
});
