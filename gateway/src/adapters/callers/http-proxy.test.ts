/**
 * What the listener itself answers, over real sockets: refusals, limits, hang-ups, drains. What it
 * passes through is tested in test/process/proxy-conformance.test.ts.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { Agent, request } from "node:http";
import { connect, type Socket } from "node:net";
import { describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { ask, askRaw, type Changes, type Rig, rig } from "../../../../test/process/proxy-rig.ts";
import { createLog } from "../telemetry/log.ts";

function echo(message: IncomingMessage, response: ServerResponse): void {
  message.pipe(response);
}

/** Reads all of it before it answers. */
function swallow(message: IncomingMessage, response: ServerResponse): void {
  message
    .resume()
    .on("error", () => undefined)
    .on("end", () => response.end("swallowed"));
}

describe("[G6] malformed requests are answered clearly, and the listener stays up", () => {
  const shapes: Record<string, { readonly bytes: string; readonly status: number }> = {
    "no HTTP at all": { bytes: "hello there, how are you\r\n\r\n", status: 400 },
    "Content-Length and Transfer-Encoding": {
      bytes: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      status: 400,
    },
    "two lengths": {
      bytes: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
      status: 400,
    },
    "a length that is no number": { bytes: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc", status: 400 },
    "a transfer coding we do not undo": {
      bytes: "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
      status: 501,
    },
    "chunked hidden behind another spelling": {
      bytes: "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
      status: 400,
    },
    "Transfer-Encoding in HTTP/1.0": {
      bytes: "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      status: 400,
    },
    "a space before the colon": { bytes: "GET / HTTP/1.1\r\nHost : a\r\n\r\n", status: 400 },
    "a folded field": { bytes: "GET / HTTP/1.1\r\nHost: a\r\nX-A: b\r\n c\r\n\r\n", status: 400 },
    "a bare carriage return in a field": { bytes: "GET / HTTP/1.1\r\nHost: a\r\nX-A: b\rX-B: c\r\n\r\n", status: 400 },
    "no host": { bytes: "GET / HTTP/1.1\r\n\r\n", status: 400 },
    "two hosts": { bytes: "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", status: 400 },
    "a target that is neither path nor address": { bytes: "GET foo:bar HTTP/1.1\r\nHost: a\r\n\r\n", status: 400 },
    "an asterisk with GET": { bytes: "GET * HTTP/1.1\r\nHost: a\r\n\r\n", status: 400 },
    "a bad chunk": { bytes: "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", status: 400 },
    "headers without end": { bytes: `GET / HTTP/1.1\r\nHost: a\r\nX-A: ${"a".repeat(40_000)}\r\n\r\n`, status: 431 },
    "a tunnel": { bytes: "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n", status: 501 },
    "another protocol": {
      bytes: "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: web socket\r\n\r\n",
      status: 501,
    },
    "an expectation nobody knows": {
      bytes: "POST / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\nContent-Length: 1\r\n\r\n",
      status: 417,
    },
  };

  test("each shape gets its status, as a problem, and none reaches a station", async () => {
    await using at = await rig(echo);
    const asking = Object.entries(shapes).map(async ([name, { bytes, status }]) => {
      const answer = await askRaw(at.port, bytes);
      assert.match(answer, new RegExp(`^HTTP/1.1 ${status} `), `${name}: ${answer}`);
      assert.match(answer, /content-type: application\/problem\+json/i, name);
    });
    await Promise.all(asking);
    assert.equal(at.stations[0].received(), 0);
    assert.equal((await ask(at.port, "/", { method: "POST", body: "still here" })).body.toString(), "still here");
  });

  test("a bad header field is named, with what is allowed", async () => {
    await using at = await rig(echo);
    const cases: [Record<string, string>, RegExp][] = [
      [{ "idempotency-key": "x".repeat(300) }, /Idempotency-Key.*1 to 256/],
      [{ "x-time-left-ms": "soon" }, /x-time-left-ms.*whole number of milliseconds/],
      [{ "grpc-timeout": "5 s" }, /grpc-timeout.*1 to 8 digits/],
    ];
    for (const [headers, sentence] of cases) {
      const answer = await ask(at.port, "/", { headers });
      const problem = JSON.parse(answer.body.toString()) as { code: string; detail: string; status: number };
      assert.equal(answer.status, 400);
      assert.equal(problem.code, "BAD_HEADER");
      assert.match(problem.detail, sentence);
    }
  });

  test("what follows a complete request and is malformed is not answered in its place", async () => {
    await using at = await rig((_message, response) => {
      setTimeout(() => response.end("late"), 200);
    });
    const answer = await askRaw(at.port, "GET / HTTP/1.1\r\nHost: a\r\n\r\nrubbish\r\n\r\n");
    assert.doesNotMatch(answer, /400/, "a 400 would be taken for the first request's answer");
  });
});

describe("limits", () => {
  test("a body that says it is too long is refused before it is sent, also with Expect: 100-continue", async () => {
    await using at = await rig(echo, { limits: { requestBytes: 1_000 } });
    const answer = await ask(at.port, "/", { method: "POST", body: "x".repeat(1_001) });
    assert.equal(answer.status, 413);
    assert.equal((JSON.parse(answer.body.toString()) as { code: string }).code, "REQUEST_TOO_LARGE");
    const expecting = await askRaw(
      at.port,
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\nExpect: 100-continue\r\n\r\n",
    );
    assert.match(expecting, /^HTTP\/1.1 413 /);
    assert.equal(at.stations[0].received(), 0);
  });

  for (const keyed of [false, true]) {
    test(`a ${keyed ? "keyed" : "streamed"} chunked body that grows too long is cut short with 413`, async () => {
      await using at = await rig(swallow, { limits: { requestBytes: 300_000, replayBytes: 100_000 } });
      const sent = request({ host: "127.0.0.1", port: at.port, method: "POST", agent: false });
      sent.on("error", () => undefined);
      if (keyed) sent.setHeader("idempotency-key", "k1");
      for (let at = 0; at < 8; at++) sent.write(Buffer.alloc(65_536));
      const [message] = (await once(sent, "response")) as [IncomingMessage];
      assert.equal(message.statusCode, 413);
      message.resume();
      await once(message, "end");
      sent.destroy();
      assert.equal(at.group.activeStation, "north", "the fault is the caller's, and no station pays for it");
      assert.equal(at.group.status.stations[0]?.breaker?.state, "closed");
    });
  }

  test("a header block that does not come to its end is answered with 408", async () => {
    await using at = await rig(echo, {}, { headersMs: 100 });
    assert.match(await askRaw(at.port, "GET / HTTP/1.1\r\nHost: a\r\nX-Slow: "), /^HTTP\/1.1 408 /);
  });

  test("many header fields are all passed on, and too many are refused", async () => {
    let count = 0;
    await using at = await rig((message, response) => {
      count = message.rawHeaders.filter((name) => name === "a").length;
      response.end();
    });
    const headers = ["host", "h", ...Array.from({ length: 250 }, () => ["a", "1"]).flat()];
    assert.equal((await ask(at.port, "/", { headers })).status, 200);
    assert.equal(count, 250);
    // Node drops what comes behind the first 2,000 without a word.
    const more = ["host", "h", ...Array.from({ length: 2_300 }, () => ["a", "1"]).flat()];
    assert.equal((await ask(at.port, "/", { headers: more })).status, 431);
  });

  test("a caller that does not take its answer is not waited for", async () => {
    await using at = await rig(
      (_message, response) => response.end(Buffer.alloc(8 * 1_024 ** 2)),
      { limits: { replyBytes: 16 * 1_024 ** 2 } },
      { answerIdleMs: 100 },
    );
    const socket = connect(at.port, "127.0.0.1");
    socket.on("error", () => undefined);
    socket.pause();
    socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    // Nothing is read here, so the end is seen at the listener: once it has no connection left, it
    // can close.
    await once(at.stations[0].server, "request");
    await at.proxy.drain(60_000);
    socket.destroy();
  });

  test("a body that stands still is answered with 408, and never becomes a command", async () => {
    await using at = await rig(echo, {}, { maxUploadPauseMs: 100 });
    const answer = await askRaw(at.port, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
    assert.match(answer, /^HTTP\/1.1 408 /);
    assert.match(answer, /REQUEST_TOO_SLOW/);
    assert.equal(at.stations[0].received(), 0);
  });
});

describe("callers that go away", () => {
  test("a caller that hangs up cancels the work at the station", async () => {
    const arrived = Promise.withResolvers<void>();
    const cancelled = Promise.withResolvers<void>();
    await using at = await rig((_message, response) => {
      response.on("close", () => cancelled.resolve());
      arrived.resolve();
    });
    const socket = connect(at.port, "127.0.0.1");
    socket.write("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    await arrived.promise;
    socket.destroy();
    await cancelled.promise;
    assert.equal(at.group.status.stations[0]?.breaker?.state, "closed");
    assert.equal(at.group.activeStation, "north");
  });

  test("a caller that hangs up while a reply streams stops the station", async () => {
    const cancelled = Promise.withResolvers<void>();
    await using at = await rig((_message, response) => {
      const timer = setInterval(() => response.write("tick\n"), 5);
      response.on("close", () => {
        clearInterval(timer);
        cancelled.resolve();
      });
    });
    const sent = request({ host: "127.0.0.1", port: at.port, path: "/ticks", agent: false });
    sent.on("error", () => undefined);
    sent.end();
    const [message] = (await once(sent, "response")) as [IncomingMessage];
    await once(message, "data");
    sent.destroy();
    await cancelled.promise;
  });

  test("a caller that hangs up in the middle of its upload is no failure of the station", async () => {
    const cut = Promise.withResolvers<void>();
    const arrived = Promise.withResolvers<void>();
    await using at = await rig((message) => {
      message.once("data", () => arrived.resolve());
      message.on("error", () => undefined).on("close", () => cut.resolve());
    });
    const socket = connect(at.port, "127.0.0.1");
    socket.write("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    await arrived.promise;
    socket.destroy();
    await cut.promise;
    assert.equal(at.group.activeStation, "north");
    assert.equal(at.group.status.stations[0]?.breaker?.state, "closed");
  });
});

describe("[F11] what is learned of how long callers wait, from four who leave while they wait for a place", () => {
  async function learned(waiting: string): Promise<number | undefined> {
    const arrived = Promise.withResolvers<void>();
    await using at = await rig(() => arrived.resolve(), { commands: { maxConcurrent: 1 } });
    const status = async (isSo: (status: Rig["group"]["status"]) => boolean): Promise<void> => {
      while (!isSo(at.group.status)) await pause(5);
    };
    const caller = (text: string): Socket => {
      const socket = connect(at.port, "127.0.0.1").on("error", () => undefined);
      socket.write(text);
      return socket;
    };
    const first = caller("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    await arrived.promise;
    const four = Array.from({ length: 4 }, () => caller(waiting));
    await status((now) => now.waiting === 4);
    for (const socket of four) socket.destroy();
    await status((now) => now.ended.hungUp === 4);
    first.destroy();
    return at.group.status.patienceMs;
  }

  const head = "POST / HTTP/1.1\r\nHost: a\r\n";
  test("their requests are whole → how long they waited", async () => {
    assert.equal(typeof (await learned(`${head}Content-Length: 2\r\n\r\nhi`)), "number");
  });

  test("they are still sending → nothing", async () => {
    assert.equal(await learned(`${head}Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n`), undefined);
  });

  test("their uploads are whole, and nobody has read them yet → how long they waited", async () => {
    assert.equal(typeof (await learned(`${head}Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n`)), "number");
  });
});

test("a station that streams a reply is declared down → its caller sees a broken body, not an end", async () => {
  const streams: ServerResponse[] = [];
  const changes: Changes = {
    heartbeat: { kind: "udp", intervalMs: 50 },
    detector: { model: "normal", threshold: 8, logThreshold: 3, minDeviationMs: 50, ceilingMs: 500 },
    supervisor: { suspectThreshold: 5, clearThreshold: 2, sustainMs: 0, minDwellMs: 0, gracePeriodMs: 60_000 },
  };
  await using at = await rig((_message, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write("data: 1\n\n");
    streams.push(response);
  }, changes);
  // The backup is heard all the time; of the primary only this is.
  let sequence = 2;
  const beat = (name: string): void => void at.group.noteHeartbeat(name, { sequence: sequence++ }, 0);
  beat("north");
  const beating = setInterval(() => beat("south"), 20);
  try {
    const sent = request({ host: "127.0.0.1", port: at.port, path: "/events", agent: false });
    sent.on("error", () => undefined).end();
    const [message] = (await once(sent, "response")) as [IncomingMessage];
    message.resume();
    const [error] = (await once(message, "error")) as [NodeJS.ErrnoException];
    assert.equal(error.code, "ECONNRESET");
    assert.equal(message.complete, false);
    assert.equal(at.group.activeStation, "south");
  } finally {
    clearInterval(beating);
  }
});

describe("[G7] draining", () => {
  test("what is in flight finishes, its connection is closed, and nothing new is accepted", async () => {
    const arrived = Promise.withResolvers<() => void>();
    await using at = await rig((_message, response) => arrived.resolve(() => response.end("done")));
    const agent = new Agent({ keepAlive: true });
    const sent = request({ host: "127.0.0.1", port: at.port, agent });
    sent.end();
    const finish = await arrived.promise;
    const drained = at.proxy.drain(5_000);
    const refused = ask(at.port, "/");
    await assert.rejects(refused, { code: "ECONNREFUSED" });
    finish();
    const [message] = (await once(sent, "response")) as [IncomingMessage];
    assert.equal(message.headers.connection, "close");
    message.resume();
    await once(message, "end");
    await drained;
    agent.destroy();
  });

  test("what is in flight after the limit is cut", async () => {
    const arrived = Promise.withResolvers<void>();
    const lines: string[] = [];
    const log = createLog({ level: "info", json: true, to: { write: (line) => void lines.push(line) } });
    await using at = await rig(() => arrived.resolve(), {}, { log });
    const answer = ask(at.port, "/");
    await arrived.promise;
    await Promise.all([at.proxy.drain(20), assert.rejects(answer)]);
    assert.match(lines.join(""), /"commands":1,"withinMs":20,"msg":"commands were cut/);
  });

  test("an idle kept-alive connection does not hold it up", async () => {
    await using at = await rig((_message, response) => response.end("ok"));
    const agent = new Agent({ keepAlive: true });
    const sent = request({ host: "127.0.0.1", port: at.port, agent });
    sent.end();
    const [message] = (await once(sent, "response")) as [IncomingMessage];
    message.resume();
    await once(message, "end");
    await at.proxy.drain(60_000);
    agent.destroy();
  });
});

test("a port that is taken is an error with the system's code", async () => {
  await using at = await rig(echo);
  await assert.rejects(rig(echo, { listen: { host: "127.0.0.1", port: at.port } }), { code: "EADDRINUSE" });
});

test("OPTIONS * asks the gateway itself", async () => {
  await using at = await rig(echo);
  assert.match(await askRaw(at.port, "OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), /^HTTP\/1.1 204 /);
  assert.equal(at.stations[0].received(), 0);
});

test("[R4] a deadline as an instant: in the past it is 504 and not sent, unreadable it is 400, else it goes on shortened by nothing", async () => {
  let raw: string[] = [];
  await using at = await rig((message, response) => {
    raw = message.rawHeaders;
    response.end();
  });
  const answered = async (value: string | string[]): Promise<[number, string]> => {
    const { status, body } = await ask(at.port, "/", { headers: { "GSF-Deadline": value } });
    return [status, body.toString()];
  };
  const [late, why] = await answered(String(Date.now() - 1));
  assert.equal(late, 504, why);
  assert.match(why, /DEADLINE_EXCEEDED/);
  for (const [value, sentence] of [
    ["soon", /gsf-deadline: \\"soon\\" is not allowed; allowed are milliseconds since 1970/],
    ["1764350000", /milliseconds since 1970/],
    [["1", "2"], /there are 2 of it/],
  ] as const) {
    const [status, body] = await answered(value as string | string[]);
    assert.equal(status, 400);
    assert.match(body, /BAD_HEADER/);
    assert.match(body, sentence);
  }
  assert.equal(at.stations[0].received() + at.stations[1].received(), 0);
  const until = Date.now() + 5_000;
  assert.equal((await answered(String(until)))[0], 200);
  const sent = Number(raw[raw.indexOf("gsf-deadline") + 1]);
  assert.ok(Math.abs(sent - until) <= 5, `${sent - until} ms`);
});

test("[F4] a station that executed a command and lost its answer is asked by its key; nobody executes it again", async () => {
  const executed: string[] = [];
  const asked: string[] = [];
  const serve =
    (station: string): RequestListener =>
    (message, response) => {
      if (message.method === "DELETE") {
        asked.push(`${station} ${message.url}`);
        response.setHeader("content-type", "application/json");
        response.end('{"executed":true,"answer":{"status":"ok","station":"north"}}');
        return;
      }
      executed.push(station);
      if (station === "north") message.socket.resetAndDestroy();
      else response.end("again");
    };
  const keyStatus = {
    ...{ path: "/commands/{key}", method: "DELETE" as const, timeoutMs: 250, trustGet: false },
    ...{ executed: "executed", answer: "answer", cancelled: "cancelled", inFlight: "inflight" },
  };
  await using at = await rig([serve("north"), serve("south")], {
    commands: { keyStatus },
    retry: { maxAttempts: 1, baseMs: 10, budgetRatio: 0.1, budgetWindowMs: 10_000 },
  });
  const headers = { "idempotency-key": "k 1", "content-length": "0" };
  const { status, body } = await ask(at.port, "/commands", { method: "POST", headers });
  assert.deepEqual([status, body.toString()], [200, '{"status":"ok","station":"north"}']);
  assert.deepEqual(executed, ["north"]);
  assert.deepEqual(asked, ["north /commands/k%201"]);
});

test("uploads that their callers cut leave no mark on the station: no failure, no promotion", async () => {
  let begun = 0;
  const serve: RequestListener = (message, response) => {
    message.once("data", () => begun++).on("error", () => undefined);
    message.resume().on("end", () => response.end("ok"));
  };
  await using at = await rig(serve);
  const outcomes: unknown[] = [];
  for (let upload = 1; upload <= 16; upload++) {
    const sent = request({ host: "127.0.0.1", port: at.port, method: "PUT", path: "/big", agent: false });
    sent.on("error", (error: NodeJS.ErrnoException) => outcomes.push(error.code));
    sent.setHeader("content-length", String(10 * 1_024 ** 2));
    sent.write(Buffer.alloc(200_000));
    while (begun < upload) await new Promise(setImmediate);
    sent.destroy(Object.assign(new Error("enough"), { code: "ENOUGH" }));
    await new Promise((closed) => sent.once("close", closed));
  }
  // The last one's end is seen in a later turn.
  while (at.group.status.stations[0]?.inFlight !== 0) await new Promise(setImmediate);
  assert.deepEqual([at.group.activeStation, at.group.epoch], ["north", 1]);
  assert.equal(at.group.status.stations[0]?.breaker?.failureRate, 0);
  assert.equal((await ask(at.port, "/")).status, 200);
  assert.deepEqual(outcomes, Array(16).fill("ENOUGH"));
});

/** Ten uploads at once, of 2 MB each, to `path`; how each ended. */
function tenUploads(port: number, path: string, headers: Record<string, string> = {}): Promise<unknown[]> {
  const upload = (each: number): Promise<unknown> => {
    const { promise, resolve } = Promise.withResolvers<unknown>();
    const keyed = headers["idempotency-key"] === undefined ? {} : { "idempotency-key": `${path} ${each}` };
    const sent = request({ host: "127.0.0.1", port, method: "POST", path, agent: false, headers: keyed });
    sent.on("error", (error: NodeJS.ErrnoException) => resolve(error.code));
    sent.on("response", (response) => {
      resolve(response.statusCode);
      response.resume();
    });
    for (let piece = 0; piece < 32; piece++) sent.write(Buffer.alloc(65_536));
    sent.end();
    return promise;
  };
  return Promise.all(Array.from({ length: 10 }, (_, each) => upload(each)));
}

for (const headers of [{}, { "idempotency-key": "k" }]) {
  const kind = "idempotency-key" in headers ? "keyed" : "unkeyed";
  test(`[F10] ${kind} uploads that are answered before they are whole → their answers, and nothing is held against the station`, async () => {
    const serve: RequestListener = (message, response) => {
      if (message.method === "GET") return void response.end("quick");
      response.writeHead(413, { connection: "close" }).end("too long");
    };
    await using at = await rig(serve);
    for (let round = 0; round < 3; round++) {
      assert.deepEqual(await tenUploads(at.port, "/big", headers), Array(10).fill(413));
    }
    const statuses = at.group.status.stations;
    assert.deepEqual([at.group.activeStation, at.group.epoch, statuses[0]?.breaker?.failureRate], ["north", 1, 0]);
    assert.equal((await ask(at.port, "/")).status, 200);
  });

  test(`[F10] ${kind} uploads whose connections are reset by both stations → failed, and nobody is replaced`, async () => {
    const serve: RequestListener = (message, response) => {
      if (message.method === "GET") return void response.end("quick");
      message.once("data", () => message.socket.resetAndDestroy()).on("error", () => undefined);
    };
    await using at = await rig(serve);
    // For longer than losses must last to be proof.
    const untilMs = performance.now() + 1_500;
    while (performance.now() < untilMs) {
      assert.deepEqual(await tenUploads(at.port, "/broken", headers), Array(10).fill(502));
      await pause(100);
    }
    const statuses = at.group.status.stations;
    assert.deepEqual([at.group.activeStation, at.group.epoch, statuses[0]?.breaker?.failureRate], ["north", 1, 0]);
    assert.equal((await ask(at.port, "/")).status, 200);
  });
}

test("[G7] the end of drain cuts a stream → a reset, also for a caller of HTTP/1.0, to whom its end would look whole", async () => {
  for (const version of ["1.0", "1.1"]) {
    await using at = await rig((_message, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" }).write("data: 1\n\n");
    });
    const socket = connect(at.port, "127.0.0.1");
    const ended = once(socket, "close");
    socket.write(`GET / HTTP/${version}\r\nHost: a\r\n\r\n`);
    await new Promise<void>((resolve) => {
      let text = "";
      socket.on("data", (bytes: Buffer) => {
        text += bytes.toString("latin1");
        if (text.includes("data: 1")) resolve();
      });
    });
    await Promise.all([at.proxy.drain(20), assert.rejects(ended, { code: "ECONNRESET" }, version)]);
  }
});
