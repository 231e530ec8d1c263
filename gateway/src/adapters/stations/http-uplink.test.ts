/**
 * The uplink against real sockets that behave well and badly: what it sends, how it reads replies,
 * and above all what it says of a failure: never sent, or lost with the outcome unknown.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import type { IncomingMessage, RequestListener } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo, Server, Socket } from "node:net";
import { createServer as createSocketServer } from "node:net";
import { describe, test } from "node:test";
import { StaleEpochError, wasConnectionLost, wasNeverSent } from "ground-station-failover";
import { type Changes, groupSettings } from "../../../../test/process/proxy-rig.ts";
import type { CommandReply, CommandRequest, SendContext, Uplink } from "../../fleet/uplink.ts";
import { healthPage, UnexpectedStatusError, UnreadableReplyError } from "../../fleet/uplink.ts";
import { EPOCH_PROOF_HEADER, EpochProofs, EpochVerifier } from "./epoch-proof.ts";
import { httpUplink } from "./http-uplink.ts";

interface Target extends AsyncDisposable {
  readonly uplink: Uplink;
  readonly server: Server;
}

/** An uplink to `server`, with a command's time of two seconds. */
async function uplinkTo(server: Server, replyBytes = 1_000, commands: Changes["commands"] = {}): Promise<Target> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const settings = groupSettings([port], { commands: { timeoutMs: 400, ...commands }, limits: { replyBytes } });
  const uplink = httpUplink(settings, settings.stations[0] as (typeof settings.stations)[0]);
  return {
    uplink,
    server,
    async [Symbol.asyncDispose]() {
      await uplink[Symbol.asyncDispose]();
      const closed = once(server, "close");
      server.close();
      await closed;
    },
  };
}

const served = (serve: RequestListener, replyBytes?: number): Promise<Target> =>
  uplinkTo(createServer(serve), replyBytes);

/** A server that answers every connection's first bytes as `answer` says. */
function spoken(answer: (socket: Socket, connection: number) => void): Promise<Target> {
  let connection = 0;
  return uplinkTo(
    createSocketServer((socket) => {
      const number = ++connection;
      socket.on("error", () => undefined).on("data", () => answer(socket, number));
    }),
  );
}

function get(target = "/", headers: CommandRequest["headers"] = []): CommandRequest {
  return { method: "GET", target, headers, body: { kind: "none" } };
}

function post(body: string): CommandRequest {
  return { method: "POST", target: "/", headers: [], body: { kind: "bytes", bytes: Buffer.from(body) } };
}

function under(changes: Partial<SendContext> = {}): SendContext {
  return {
    epoch: 7,
    idempotencyKey: undefined,
    timeLeftMs: Number.POSITIVE_INFINITY,
    signal: new AbortController().signal,
    ...changes,
  };
}

async function textOf(reply: CommandReply): Promise<string> {
  if (reply.body.kind === "bytes") return Buffer.from(reply.body.bytes).toString();
  const chunks: Uint8Array[] = [];
  for await (const chunk of reply.body.stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

async function failure(sending: Promise<unknown>): Promise<Error> {
  return sending.then(
    () => assert.fail("it should have failed"),
    (error: Error) => error,
  );
}

describe("what is sent", () => {
  test("[F3] [R4] epoch, key and time left go along, and a caller's own are replaced", async () => {
    let raw: string[] = [];
    await using at = await served((message, response) => {
      raw = message.rawHeaders;
      response.end();
    });
    const headers = [
      ["Host", "example.com"],
      ["X-Time-Left-Ms", "9999"],
      ["grpc-timeout", "1H"],
      ["Cookie", "a=1"],
      ["cookie", "b=2"],
    ] as const;
    const sentAtMs = Date.now();
    await at.uplink.send(get("/", headers), under({ idempotencyKey: "k1", timeLeftMs: 1_234.9 }));
    const deadlineMs = Number(raw[raw.indexOf("gsf-deadline") + 1]);
    assert.ok(deadlineMs >= sentAtMs + 1_233 && deadlineMs <= Date.now() + 1_235, `${deadlineMs - sentAtMs}`);
    assert.deepEqual(raw, [
      ...["host", "example.com", "connection", "keep-alive", "Cookie", "a=1", "cookie", "b=2", "gsf-epoch", "7"],
      ...["idempotency-key", "k1", "x-time-left-ms", "1234", "gsf-deadline", String(deadlineMs)],
      ...["grpc-timeout", "1234900u"],
    ]);
    await at.uplink.send(get("/", [["Idempotency-Key", '"k1"']]), under({ idempotencyKey: '"k1"' }));
    assert.deepEqual(
      raw.filter((_part, place) => raw[place - 1]?.toLowerCase() === "idempotency-key"),
      ['"k1"'],
      "the caller's key goes once, as it came",
    );
    assert.ok(!raw.includes("x-time-left-ms") && !raw.includes("gsf-deadline"), "no deadline, no header");
  });

  test("[R4] the deadline goes out under the name and in the format that are configured, and the caller's own does not", async () => {
    let raw: string[] = [];
    const deadlineHeader = { name: "X-Deadline", format: "rfc3339" } as const;
    const server = createServer((message, response) => {
      raw = message.rawHeaders;
      response.end();
    });
    await using at = await uplinkTo(server, undefined, { deadlineHeader });
    await at.uplink.send(get("/", [["x-deadline", "2099-01-01T00:00:00Z"]]), under({ timeLeftMs: 60_000 }));
    const sent = raw.filter((_part, place) => raw[place - 1]?.toLowerCase() === "x-deadline");
    assert.equal(sent.length, 1);
    assert.ok(Math.abs(Date.parse(sent[0] as string) - Date.now() - 60_000) < 5_000, sent[0]);
    assert.ok(!raw.includes("gsf-deadline"));
    const sentAtMs = Date.now();
    await at.uplink.send(get("/"), under({ timeLeftMs: 60_000, beginWithinMs: 1_500 }));
    const begin = Date.parse(raw[raw.indexOf("X-Deadline") + 1] ?? "");
    assert.ok(begin >= sentAtMs + 1_499 && begin <= Date.now() + 1_501, "it may begin no later than that");
    assert.equal(raw[raw.indexOf("x-time-left-ms") + 1], "60000", "the time left is the command's");
  });

  test("connections are used again, one request at a time on each", async () => {
    const sockets = new Set<Socket>();
    await using at = await served((message, response) => {
      sockets.add(message.socket);
      response.end();
    });
    for (let count = 0; count < 10; count++) await at.uplink.send(post("x"), under());
    assert.ok(sockets.size <= 2, `${sockets.size} connections for ten requests in a row`);
  });
});

describe("how replies are read", () => {
  test("a short reply is whole, and its JSON is read whatever the type is called", async () => {
    await using at = await served((message, response) => {
      response.setHeader(
        "content-type",
        message.url === "/+" ? "application/problem+json; charset=utf-8" : "text/json",
      );
      if (message.url === "/z") response.setHeader("content-encoding", "gzip");
      response.end('{"error":"x"}');
    });
    for (const [target, json] of [
      ["/", { error: "x" }],
      ["/+", { error: "x" }],
      ["/z", undefined],
    ] as const) {
      const reply = await at.uplink.send(get(target), under());
      assert.equal(reply.body.kind, "bytes");
      assert.deepEqual(reply.json, json, target);
    }
  });

  test("JSON of unknown length is whole up to the limit, and streamed beyond it without a byte lost", async () => {
    await using at = await served((message, response) => {
      response.setHeader("content-type", "application/json");
      response.setHeader("trailer", "x-sum");
      response.write('["');
      if (message.url === "/long") for (let part = 0; part < 50; part++) response.write("x".repeat(100));
      response.addTrailers({ "x-sum": "42" });
      response.end('"]');
    });
    const short = await at.uplink.send(get("/short"), under());
    assert.equal(short.body.kind, "bytes");
    assert.deepEqual(short.json, [""]);
    assert.deepEqual(short.trailers, [["x-sum", "42"]]);
    const long = await at.uplink.send(get("/long"), under());
    assert.ok(long.body.kind === "stream");
    assert.equal((await textOf(long)).length, 5_004);
    assert.deepEqual(long.body.trailers(), [["x-sum", "42"]]);
  });

  test("JSON that does not end is streamed before the attempt's time is up", async () => {
    await using at = await served((_message, response) => {
      response.setHeader("content-type", "application/json");
      response.write('{"watch":1}\n');
    });
    const reply = await at.uplink.send(get(), under());
    assert.ok(reply.body.kind === "stream");
    const first = await reply.body.stream[Symbol.asyncIterator]().next();
    assert.equal(Buffer.from(first.value as Uint8Array).toString(), '{"watch":1}\n');
  });

  test("HEAD, 204 and 304 have no body, whatever their headers say", async () => {
    await using at = await served((message, response) => {
      const status = Number(message.url?.slice(1));
      response.writeHead(status, status === 204 ? {} : { "content-length": "12345", etag: '"v1"' }).end();
    });
    for (const [method, status] of [
      ["HEAD", 200],
      ["GET", 204],
      ["GET", 304],
    ] as const) {
      const reply = await at.uplink.send({ ...get(`/${status}`), method }, under());
      assert.equal(reply.status, status);
      assert.equal(await textOf(reply), "");
    }
  });

  test("interim replies are skipped", async () => {
    await using at = await served((_message, response) => {
      response.writeEarlyHints({ link: "</a.css>; rel=preload" });
      response.end("final");
    });
    assert.equal(await textOf(await at.uplink.send(get(), under())), "final");
  });

  test("a length that contradicts the chunks is not passed on", async () => {
    await using at = await spoken((socket) =>
      socket.write("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
    );
    const reply = await at.uplink.send(get(), under()).catch((error: Error) => error);
    if (reply instanceof Error) return assert.ok(reply instanceof UnreadableReplyError);
    assert.ok(!reply.headers.some(([name]) => name.toLowerCase() === "content-length"));
    assert.equal(await textOf(reply), "hello");
  });

  test("[F3] 412 with gsf-epoch-seen is a stale epoch; 412 without is the caller's precondition", async () => {
    await using at = await served((message, response) => {
      response.writeHead(412, message.url === "/stale" ? { "gsf-epoch-seen": "9" } : {}).end();
    });
    const error = await failure(at.uplink.send(get("/stale"), under()));
    assert.ok(error instanceof StaleEpochError);
    assert.equal(error.seenEpoch, 9);
    assert.equal((await at.uplink.send(get("/if-match"), under())).status, 412);
  });
});

describe("[F4] what a failure says", () => {
  test("a relay's 502 that says so was never sent; any other 502 is an answer", async () => {
    await using at = await served((message, response) => {
      response.writeHead(502, message.url === "/away" ? { "gsf-outcome": "not-sent" } : {}).end();
    });
    assert.ok(wasNeverSent(await failure(at.uplink.send(get("/away"), under()))));
    assert.equal((await at.uplink.send(get("/other"), under())).status, 502);
  });

  test("a refused connection was never sent", async () => {
    const at = await served((_message, response) => response.end());
    at.server.close();
    const error = await failure(at.uplink.send(post("x"), under()));
    assert.ok(wasNeverSent(error) && !wasConnectionLost(error), String(error));
  });

  test("a connection that is not answered was never sent, and that is known in half the attempt's time", async () => {
    const settings = groupSettings([1], { commands: { timeoutMs: 200 } });
    const name = { name: "north", capacityPerSecond: 1 };
    // TEST-NET-1 (RFC 5737): nobody is there, and the machine says nothing or that it has no way to
    // it.
    await using uplink = httpUplink(settings, { ...name, url: "http://192.0.2.1:9" });
    const error = await failure(uplink.send(post("x"), under()));
    assert.ok(wasNeverSent(error), String(error));
    await using unknown = httpUplink(settings, { ...name, url: "http://nobody.invalid:9" });
    assert.ok(wasNeverSent(await failure(unknown.send(post("x"), under()))));
  });

  test("a TLS handshake that fails was never sent, although the connection was reset", async () => {
    const server = createSocketServer((socket) =>
      socket.on("error", () => undefined).once("data", () => socket.destroy()),
    );
    await using at = await uplinkTo(server);
    const { port } = at.server.address() as AddressInfo;
    const settings = groupSettings([port]);
    await using uplink = httpUplink(settings, {
      name: "north",
      capacityPerSecond: 1,
      url: `https://localhost:${port}`,
    });
    const error = await failure(uplink.send(post("x"), under()));
    assert.ok(wasNeverSent(error), String(error));
  });

  const lost: Record<string, (socket: Socket) => void> = {
    "closed without a word": (socket) => socket.destroy(),
    "reset without a word": (socket) => socket.resetAndDestroy(),
    "closed in the head": (socket) => socket.end("HTTP/1.1 200 OK\r\nContent-"),
    "closed in a short body": (socket) => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"),
    "closed in short JSON of unknown length": (socket) =>
      socket.end("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n[1,\r\n"),
  };
  for (const [name, answer] of Object.entries(lost)) {
    test(`${name}: it may have run`, async () => {
      await using at = await spoken(answer);
      const error = await failure(at.uplink.send(post("x"), under()));
      assert.ok(wasConnectionLost(error) && !wasNeverSent(error), `${error} / ${String(error.cause)}`);
    });
  }

  test("an answer that cannot be read is no lost connection, and says what is wrong (odd-replies.test.ts)", async () => {
    await using at = await spoken((socket) => socket.end("SSH-2.0-OpenSSH_9.2\r\n"));
    const error = await failure(at.uplink.send(post("x"), under()));
    assert.ok(error instanceof UnreadableReplyError && !wasConnectionLost(error) && !wasNeverSent(error));
    assert.match(error.message, /^north: its reply cannot be read: it is not HTTP\/1\.1/);
    const probed = await failure(at.uplink.probe(healthPage("/"), new AbortController().signal));
    assert.ok(probed instanceof UnreadableReplyError, String(probed));
  });

  test("a kept-alive connection that dies under the next request: it may have run, and is not sent again by itself", async () => {
    let requests = 0;
    await using at = await spoken((socket) => {
      requests++;
      if (requests === 1) socket.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
      else socket.destroy();
    });
    await at.uplink.send(post("x"), under());
    const error = await failure(at.uplink.send(post("y"), under()));
    assert.ok(wasConnectionLost(error) && !wasNeverSent(error), String(error));
    assert.equal(requests, 2);
  });

  test("a streamed body that is cut off ends its stream with an error", async () => {
    await using at = await spoken((socket) => {
      socket.write("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nabc");
      setTimeout(() => socket.destroy(), 20);
    });
    const reply = await at.uplink.send(get(), under());
    assert.equal(reply.body.kind, "stream");
    await assert.rejects(textOf(reply));
  });

  test("an abort ends its own request and no other, before and after the connection is made", async () => {
    const arrived: Promise<void>[] = [];
    const held: PromiseWithResolvers<void>[] = [Promise.withResolvers(), Promise.withResolvers()];
    const answers: (() => void)[] = [];
    for (const one of held) arrived.push(one.promise);
    await using at = await served((message, response) => {
      answers.push(() => response.end(message.url));
      held[answers.length - 1]?.resolve();
    });
    const stop = new AbortController();
    const first = at.uplink.send(get("/kept"), under());
    await arrived[0];
    const second = failure(at.uplink.send(get("/stopped"), under({ signal: stop.signal })));
    await arrived[1];
    stop.abort(new Error("enough"));
    assert.equal((await second).message, "enough");
    answers[0]?.();
    assert.equal(await textOf(await first), "/kept");
    const early = failure(at.uplink.send(get("/never"), under({ signal: stop.signal })));
    assert.equal((await early).message, "enough");
    assert.equal(answers.length, 2, "an aborted request is not sent");
  });
});

describe("probes", () => {
  const { signal } = new AbortController();

  test("a probe passes on 2xx and 3xx, and on nothing else", async () => {
    await using at = await served((message, response) => response.writeHead(Number(message.url?.slice(1))).end("body"));
    for (const status of [200, 204, 302]) {
      assert.equal(await at.uplink.probe(healthPage(`/${status}`), signal), status);
    }
    for (const status of [404, 500]) {
      const error = await failure(at.uplink.probe(healthPage(`/${status}`), signal));
      assert.ok(error instanceof UnexpectedStatusError && error.status === status, String(error));
    }
    const stopped = AbortSignal.abort(new Error("too late"));
    await assert.rejects(at.uplink.probe(healthPage("/200"), stopped));
  });

  test("a page elsewhere is asked for there, with the fields and the Host that are configured, and judged as configured", async () => {
    await using at = await served((_message, response) => response.writeHead(500).end());
    let asked: IncomingMessage["headers"] = {};
    await using page = await served((message, response) => {
      asked = message.headers;
      response.writeHead(401).end();
    });
    const { port } = page.server.address() as AddressInfo;
    const headers = [
      ["host", "uplink.example"],
      ["x-token", "t1"],
    ] as const;
    const elsewhere = { origin: `http://127.0.0.1:${port}`, path: "/up?deep=1", headers };
    assert.equal(await at.uplink.probe({ ...elsewhere, expect: [[401, 401]] }, signal), 401);
    assert.deepEqual([asked.host, asked["x-token"]], ["uplink.example", "t1"]);
    await assert.rejects(at.uplink.probe({ ...elsewhere, expect: [[200, 299]] }, signal), UnexpectedStatusError);
  });
});

test("[F4] a station is asked what became of a key: cancel or learn, and whatever cannot be read is unknown", async () => {
  const asked: string[] = [];
  const answers: Record<string, [status: number, body: string]> = {
    ran: [200, '{"executed":true,"answer":{"status":"ok"}}'],
    gone: [200, '{"executed":false,"cancelled":true}'],
    running: [200, '{"executed":false,"cancelled":false,"inflight":true}'],
    broken: [200, '{"executed":fa'],
    refused: [500, '{"executed":false,"cancelled":true}'],
    long: [200, `{"executed":false,"cancelled":true,"more":"${"x".repeat(2_000)}"}`],
  };
  const server = createServer((message, response) => {
    asked.push(`${message.method} ${message.url}`);
    const [status, body] = answers[message.url?.split("/")[2] ?? ""] ?? [404, "{}"];
    response.writeHead(status, { "content-type": "application/json" }).end(body);
  });
  const keyStatus = {
    ...{ path: "/commands/{key}", method: "DELETE" as const, timeoutMs: 250, trustGet: false },
    ...{ executed: "executed", answer: "answer", cancelled: "cancelled", inFlight: "inflight" },
  } as const;
  await using at = await uplinkTo(server, undefined, { keyStatus });
  const { signal } = new AbortController();
  const ask = (key: string): Promise<unknown> => at.uplink.askOutcome?.(key, signal) as Promise<unknown>;
  const ran = (await ask("ran")) as { ran: boolean; result: CommandReply };
  assert.equal(ran.ran, true);
  assert.equal(await textOf(ran.result), '{"status":"ok"}');
  assert.deepEqual(ran.result.headers, [
    ["content-type", "application/json"],
    ["gsf-station", "north"],
  ]);
  assert.deepEqual(await ask("gone"), { ran: false });
  for (const key of ["running", "broken", "refused", "long", "a b/c"]) assert.equal(await ask(key), "unknown", key);
  assert.deepEqual([asked[0], asked.at(-1)], ["DELETE /commands/ran", "DELETE /commands/a%20b%2Fc"]);
  await assert.rejects(at.uplink.askOutcome?.("ran", AbortSignal.abort(new Error("too late"))) as Promise<unknown>);
});

describe("uploads are told of", () => {
  const MEGABYTE = Buffer.alloc(1_024 ** 2, "x");

  /** A body of two halves; the second one comes when it is let go. */
  function halves(): { readonly body: CommandRequest["body"]; readonly letGo: (error?: Error) => void } {
    const second = Promise.withResolvers<void>();
    let started = false;
    async function* read(): AsyncGenerator<Uint8Array> {
      started = true;
      yield Buffer.from("first");
      await second.promise;
      yield Buffer.from("second");
    }
    const letGo = (error?: Error): void => (error === undefined ? second.resolve() : second.reject(error));
    return { body: { kind: "stream", stream: read(), started: () => started }, letGo };
  }

  test("a streamed body is being sent until its last piece has gone out", async () => {
    await using at = await served((message, response) => message.resume().on("end", () => response.end("ok")));
    const told: boolean[] = [];
    const begun = Promise.withResolvers<void>();
    const noteUploading = (isUploading: boolean): void => {
      told.push(isUploading);
      begun.resolve();
    };
    const { body, letGo } = halves();
    const sending = at.uplink.send({ ...post(""), body }, under({ noteUploading }));
    await begun.promise;
    assert.deepEqual(told, [true]);
    letGo();
    assert.equal((await sending).status, 200);
    assert.deepEqual(told, [true, false]);
  });

  test("a long body that was read whole is being sent as long as the station does not take it; a short one never is", async () => {
    const take = Promise.withResolvers<void>();
    let length: string | undefined;
    await using at = await served((message, response) => {
      length = message.headers["content-length"];
      let bytes = 0;
      take.promise.then(() =>
        message
          .on("data", (chunk: Buffer) => {
            bytes += chunk.length;
          })
          .on("end", () => response.end(String(bytes))),
      );
    });
    const told: boolean[] = [];
    const noteUploading = (isUploading: boolean): number => told.push(isUploading);
    // More than the buffers of both ends take.
    const bytes = Buffer.concat(Array(32).fill(MEGABYTE));
    const sending = at.uplink.send({ ...post(""), body: { kind: "bytes", bytes } }, under({ noteUploading }));
    while (length === undefined) await new Promise(setImmediate);
    for (let turn = 0; turn < 1_000; turn++) await new Promise(setImmediate);
    assert.deepEqual(told, [true]);
    take.resolve();
    assert.equal(await textOf(await sending), String(bytes.length));
    assert.deepEqual([told, length], [[true, false], String(bytes.length)]);

    told.length = 0;
    await at.uplink.send(post("short"), under({ noteUploading }));
    assert.deepEqual(told, []);
  });

  test("an answer before the body's end ends the upload", async () => {
    await using at = await served((_message, response) => response.writeHead(413).end("too long"));
    const told: boolean[] = [];
    const { body, letGo } = halves();
    const sending = at.uplink.send({ ...post(""), body }, under({ noteUploading: (now) => told.push(now) }));
    assert.equal((await sending).status, 413);
    assert.deepEqual(told, [true, false]);
    letGo();
  });

  /**
   * A station that says `answer` at the first bytes of a request, and resets the connection; the
   * body goes on after that.
   */
  async function answeredEarly(
    answer: string,
  ): Promise<{ readonly at: Target; readonly body: CommandRequest["body"]; readonly after: () => number }> {
    const reset = Promise.withResolvers<void>();
    let piecesAfter = 0;
    const at = await spoken((socket) => {
      socket.write(answer, () => {
        socket.resetAndDestroy();
        reset.resolve();
      });
    });
    async function* read(): AsyncGenerator<Uint8Array> {
      yield Buffer.from("first");
      await reset.promise;
      // In the turn of the reset: these are written, and fail, before anybody can have read the
      // answer.
      for (; piecesAfter < 20; piecesAfter++) yield MEGABYTE;
    }
    return { at, body: { kind: "stream", stream: read(), started: () => false }, after: () => piecesAfter };
  }

  test("[F10] the station answers and resets the connection, and the next piece cannot be written → its answer", async () => {
    for (const [head, status] of [
      ["HTTP/1.1 413 Too Large\r\nContent-Length: 8\r\nConnection: close\r\n\r\n", 413],
      ["HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n", 200],
      ["HTTP/1.1 401 No\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n", 401],
    ] as const) {
      const early = await answeredEarly(`${head}too long`);
      await using at = early.at;
      const told: boolean[] = [];
      const terms = under({ noteUploading: (isUploading) => told.push(isUploading) });
      const reply = await at.uplink.send({ ...post(""), body: early.body }, terms);
      assert.deepEqual([reply.status, await textOf(reply), told], [status, "too long", [true, false]]);
      assert.ok(early.after() < 20, "what is left of the body is not read for nobody");
    }
  });

  test("[F10] the early answer is cut off → its head is the station's answer, and its body ends with an error", async () => {
    const early = await answeredEarly("HTTP/1.1 413 Too Large\r\nContent-Length: 100\r\n\r\ntoo");
    await using at = early.at;
    const reply = await at.uplink.send({ ...post(""), body: early.body }, under());
    assert.equal(reply.status, 413);
    await assert.rejects(textOf(reply));
  });

  test("a station that resets an upload without a word → lost, and not for ever under way", async () => {
    const early = await answeredEarly("");
    await using at = early.at;
    const error = await failure(at.uplink.send({ ...post(""), body: early.body }, under()));
    assert.deepEqual([wasConnectionLost(error), wasNeverSent(error)], [true, false]);
  });

  test("[F2] a caller that hangs up in mid-upload ends the attempt with its own reason, whatever breaks on the way", async () => {
    const arrived = Promise.withResolvers<void>();
    await using at = await served((message) => {
      message.on("error", () => undefined).once("data", () => arrived.resolve());
    });
    const caller = new AbortController();
    const { body, letGo } = halves();
    const told: boolean[] = [];
    const noteUploading = (isUploading: boolean): number => told.push(isUploading);
    const sending = failure(at.uplink.send({ ...post(""), body }, under({ signal: caller.signal, noteUploading })));
    await arrived.promise;
    // As request-body.ts does: the caller is aborted first, then the body fails.
    const hungUp = new Error("the caller hung up");
    caller.abort(hungUp);
    letGo(Object.assign(new Error("aborted"), { code: "ECONNRESET" }));
    assert.equal(await sending, hungUp);
    assert.deepEqual(told, [true]);
  });
});

test("[F3] each attempt proves its epoch to its station, and to no other; what a station is not known for is not proved", async () => {
  const seen: IncomingMessage["headers"][] = [];
  const server = createServer(({ headers }, response) => {
    seen.push(headers);
    response.end();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const settings = groupSettings([(server.address() as AddressInfo).port]);
  const station = settings.stations[0] as (typeof settings.stations)[0];
  const secret = Buffer.from("the secret of this station");
  for (const shared of [[secret], []]) {
    const epochs = new EpochProofs({ shared, own: new Map() });
    await using uplink = httpUplink(settings, station, { epochs });
    for (const epoch of [7, 8]) await uplink.send(get("/"), under({ epoch }));
  }
  const verifier = new EpochVerifier({ group: settings.name, station: station.name }, [secret]);
  const proofs = seen.map((headers) => headers[EPOCH_PROOF_HEADER] as string | undefined);
  assert.deepEqual([verifier.isProven(7, proofs[0]), verifier.isProven(8, proofs[1])], [true, true]);
  assert.deepEqual(proofs.slice(2), [undefined, undefined]);
  server.close();
});

test("[R4] the header with the deadline is the gateway's in every spelling", async () => {
  let seen: IncomingMessage["headers"] = {};
  const server = createServer(({ headers }, response) => {
    seen = headers;
    response.end();
  });
  await using at = await uplinkTo(server, 1_000, { deadlineHeader: { name: "X-Valid-Until", format: "epoch-ms" } });
  const twins = ["x-valid-until", "x_valid_until", "x.valid.until", "X_Valid-Until"];
  const headers = twins.map((name): [string, string] => [name, "1"]);
  await at.uplink.send(get("/", headers), under({ timeLeftMs: 5_000 }));
  assert.deepEqual(
    Object.keys(seen).filter((name) => name.includes("valid")),
    ["x-valid-until"],
  );
  assert.notEqual(seen["x-valid-until"], "1");
});
