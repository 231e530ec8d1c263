/** Asynchronous commands as callers see them, over real sockets; the store is in memory. */
import assert from "node:assert/strict";
import type { IncomingMessage, ServerResponse } from "node:http";
import { describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { systemClock } from "ground-station-failover";
import { type Answer, ask, askRaw, type Changes, type Rig, rig } from "../../../../test/process/proxy-rig.ts";
import { CrashingRecords } from "../../../../test/worlds/crashing-records.ts";
import { requestDigest } from "./request-digest.ts";

const SETTINGS = {
  ...{ maxQueued: 100, maxResults: 100, maxBytes: 10_000_000, keepResultMs: 60_000 },
  ...{ expireAfterMs: 60_000, maxInFlight: 4 },
};

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

class Bench implements AsyncDisposable {
  readonly records = new CrashingRecords({ clock: systemClock });
  readonly seen: Seen[] = [];
  answer: (response: ServerResponse, seen: Seen) => void = (response, { body }) =>
    response.writeHead(201, { "x-craft": "seven", "content-type": "text/plain" }).end(`did ${body}`);
  rig!: Rig;

  static async open(changes: Changes = {}, withStore = true, remembersKeys = false): Promise<Bench> {
    const bench = new Bench();
    const serve = async (message: IncomingMessage, response: ServerResponse): Promise<void> => {
      let body = "";
      for await (const piece of message.setEncoding("utf8")) body += piece;
      const seen = { method: message.method ?? "", url: message.url ?? "", headers: message.headers, body };
      bench.seen.push(seen);
      bench.answer(response, seen);
    };
    bench.rig = await rig(
      (message, response) => void serve(message, response),
      { asyncCommands: SETTINGS, ...changes },
      {},
      withStore ? { records: bench.records, ...(remembersKeys ? { digest: requestDigest } : {}) } : {},
    );
    return bench;
  }

  posts(headers: Record<string, string> = {}, body = "go", method = "POST"): Promise<Answer> {
    const framing = "transfer-encoding" in headers ? {} : { "content-length": String(body.length) };
    const all = { prefer: "respond-async", ...framing, ...headers };
    return ask(this.rig.port, "/burn?x=1", { method, headers: all, body });
  }

  async ends(location: string): Promise<Record<string, unknown>> {
    for (let tries = 0; tries < 500; tries++) {
      const answer = await ask(this.rig.port, location);
      assert.equal(answer.status, 200);
      const document = JSON.parse(answer.body.toString()) as Record<string, unknown>;
      if (document["state"] !== "queued" && document["state"] !== "running") return document;
      assert.equal(answer.headers["retry-after"], "1");
      await pause(10);
    }
    throw new Error("it does not end");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.rig[Symbol.asyncDispose]();
  }
}

function codeIn({ status, headers, body }: Answer): string {
  assert.equal(headers["content-type"], "application/problem+json");
  return `${status} ${(JSON.parse(body.toString()) as { code: string }).code}`;
}

function locationOf({ headers }: Answer): string {
  const location = headers.location ?? "";
  assert.match(location, /^\/\.gsf\/commands\/[\w-]{22,64}$/);
  return location;
}

describe("[G2] a command with Prefer: respond-async", () => {
  for (const method of ["POST", "PUT", "PATCH", "DELETE"]) {
    test(`${method} → 202 with a location, then its answer as it was`, async () => {
      await using bench = await Bench.open();
      const accepted = await bench.posts({ prefer: "Respond-Async; x, handling=lenient" }, "go", method);
      assert.equal(accepted.status, 202);
      assert.equal(accepted.headers["preference-applied"], "respond-async");
      assert.equal(accepted.headers["retry-after"], "1");
      const location = locationOf(accepted);
      const document = await bench.ends(location);
      assert.equal(document["state"], "done");
      assert.equal((document["answer"] as { status: number }).status, 201);
      const result = await ask(bench.rig.port, `${location}/result`);
      assert.deepEqual([result.status, result.headers["x-craft"], result.body.toString()], [201, "seven", "did go"]);
      const [seen] = bench.seen;
      assert.equal(`${seen?.method} ${seen?.url} ${seen?.body}`, `${method} /burn?x=1 go`);
      assert.match(String(seen?.headers["idempotency-key"]), /^gsf-[\w-]+$/);
      assert.ok(!location.includes(String(seen?.headers["idempotency-key"]).slice(4)));
      assert.equal(seen?.headers["prefer"], "handling=lenient");
      assert.ok(Number(seen?.headers["x-time-left-ms"]) <= 20_000);
    });
  }

  test("wait, and the answer comes in time → the answer itself", async () => {
    await using bench = await Bench.open();
    const answer = await bench.posts({ prefer: "respond-async, wait=5" });
    assert.equal(answer.status, 201);
    assert.equal(answer.headers["preference-applied"], "respond-async, wait=5");
    assert.equal(answer.body.toString(), "did go");
  });

  test("wait, and the answer does not come in time → 202", async () => {
    await using bench = await Bench.open();
    bench.answer = (response) => setTimeout(() => response.end("late"), 1_300);
    const startedMs = performance.now();
    const answer = await bench.posts({ prefer: "respond-async, wait=1" });
    assert.equal(answer.status, 202);
    assert.ok(performance.now() - startedMs > 900);
    assert.equal((await bench.ends(locationOf(answer)))["state"], "done");
  });

  test("GET with the preference, and POST without it → as ever", async () => {
    await using bench = await Bench.open();
    const got = await ask(bench.rig.port, "/state", { headers: { prefer: "respond-async" } });
    const posted = await ask(bench.rig.port, "/burn", { method: "POST", headers: { prefer: "wait=5" }, body: "go" });
    assert.deepEqual([got.status, posted.status], [201, 201]);
    assert.deepEqual(
      bench.seen.map(({ headers }) => headers["prefer"]),
      ["respond-async", "wait=5"],
    );
    assert.equal(bench.records.commits, 0);
  });

  for (const spelling of [
    "//.gsf/commands/x",
    "/%2egsf/commands/x",
    "/.%67s%66",
    "/.GSF/x",
    "http://a/.gsf/x",
    "/.gsf%2fx",
  ])
    test(`${spelling} → 404 of the gateway, and no station gets it`, async () => {
      await using bench = await Bench.open();
      const answer = await askRaw(bench.rig.port, `GET ${spelling} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n`);
      assert.match(answer, /^HTTP\/1.1 404 /);
      assert.equal(bench.seen.length, 0);
    });

  test("/.gsfx and /x/.gsf → the station's", async () => {
    await using bench = await Bench.open();
    for (const path of ["/.gsfx", "/x/.gsf/commands/y"]) assert.equal((await ask(bench.rig.port, path)).status, 201);
  });

  test("a slash at the end → as without", async () => {
    await using bench = await Bench.open();
    const location = locationOf(await bench.posts());
    assert.equal((await ask(bench.rig.port, `${location}/`)).status, 200);
  });

  test("no store → 501; disabled → the station gets the preference", async () => {
    await using none = await Bench.open({}, false);
    assert.equal(codeIn(await none.posts()), "501 ASYNC_UNAVAILABLE");
    await using off = await Bench.open({ asyncCommands: undefined });
    assert.equal((await off.posts()).status, 201);
    assert.equal(off.seen[0]?.headers["prefer"], "respond-async");
    assert.equal((await ask(off.rig.port, "/.gsf/commands/x")).status, 201);
  });

  test("too long to be kept, in one piece or in chunks → 413", async () => {
    await using bench = await Bench.open();
    const long = "x".repeat(64 * 1_024 + 1);
    assert.equal(codeIn(await bench.posts({}, long)), "413 REQUEST_TOO_LARGE");
    assert.equal(codeIn(await bench.posts({ "transfer-encoding": "chunked" }, long)), "413 REQUEST_TOO_LARGE");
    assert.equal(bench.seen.length, 0);
    const chunked = await bench.posts({ "transfer-encoding": "chunked" }, "x".repeat(60_000));
    assert.equal((await bench.ends(locationOf(chunked)))["state"], "done");
    assert.equal(bench.seen[0]?.body.length, 60_000);
  });

  test("store full → 503 with Retry-After, never a 202; other commands go on", async () => {
    await using bench = await Bench.open();
    bench.records.refusal = "full";
    const refused = await bench.posts();
    assert.equal(codeIn(refused), "503 STORE_FULL");
    assert.equal(refused.headers["retry-after"], "5");
    assert.equal((await ask(bench.rig.port, "/x", { method: "POST", body: "live" })).status, 201);
    bench.records.refusal = undefined;
    assert.equal((await bench.posts()).status, 202);
  });

  for (const [name, value] of [
    ["gsf-priority", "urgent"],
    ["gsf-expires-after", "soon"],
    ["gsf-expires-after", "0"],
    ["gsf-expires-after", "9999999"],
    ["idempotency-key", "\t"],
    ["x-time-left-ms", "never"],
  ] as const) {
    test(`${name}: ${JSON.stringify(value)} → 400, nothing is accepted`, async () => {
      await using bench = await Bench.open();
      assert.equal(codeIn(await bench.posts({ [name]: value })), "400 BAD_HEADER");
      assert.equal(bench.records.commits, 0);
    });
  }

  test("the same key again → the same location, 200 once it has ended; another body → 422", async () => {
    await using bench = await Bench.open();
    const first = await bench.posts({ "idempotency-key": "k-1" });
    const location = locationOf(first);
    await bench.ends(location);
    const again = await bench.posts({ "idempotency-key": "k-1" });
    assert.deepEqual([again.status, locationOf(again)], [200, location]);
    assert.equal(codeIn(await bench.posts({ "idempotency-key": "k-1" }, "stop")), "422 KEY_REUSED");
    assert.deepEqual(
      bench.seen.map(({ headers }) => headers["idempotency-key"]),
      ["k-1"],
    );
  });

  test("a key that was answered to a live command → its answer; with another body → 422, and not first 202", async () => {
    const idempotency = {
      ...{ retentionMs: 60_000, maxAnswerBytes: 1_024, maxKeys: 100, maxBytes: 100_000 },
      callerFields: ["authorization"],
    };
    await using bench = await Bench.open({ commands: { idempotency } }, true, true);
    const key = { "idempotency-key": "k-1" };
    const live = { method: "POST", headers: { ...key, "content-length": "2" }, body: "go" };
    assert.equal((await ask(bench.rig.port, "/burn?x=1", live)).status, 201);
    assert.equal(codeIn(await bench.posts(key, "stop")), "422 KEY_REUSED");
    const again = await bench.posts(key);
    assert.equal((await bench.ends(locationOf(again)))["state"], "done");
    assert.equal(bench.seen.length, 1);
  });

  test("another caller uses the same key → a command of its own", async () => {
    await using bench = await Bench.open();
    const [one, other] = [
      await bench.posts({ "idempotency-key": "k-1", authorization: "Bearer A" }),
      await bench.posts({ "idempotency-key": "k-1", authorization: "Bearer B" }),
    ];
    assert.deepEqual([one.status, other.status], [202, 202]);
    assert.notEqual(locationOf(one), locationOf(other));
  });

  test("HEAD of a result with trailers → its status, no body", async () => {
    await using bench = await Bench.open();
    bench.answer = (response) => {
      response.writeHead(201, { trailer: "x-sum" });
      response.write("did go");
      response.addTrailers({ "x-sum": "1" });
      response.end();
    };
    const location = locationOf(await bench.posts());
    await bench.ends(location);
    const head = await ask(bench.rig.port, `${location}/result`, { method: "HEAD" });
    assert.deepEqual([head.status, head.body.length], [201, 0]);
  });

  test("a refusal names its request, and how to explain it", async () => {
    await using bench = await Bench.open();
    const refused = await ask(bench.rig.port, "/.gsf/commands/none", { headers: { "x-request-id": "r-7" } });
    const { code, requestId, explain } = JSON.parse(refused.body.toString()) as Record<string, string>;
    assert.deepEqual([code, requestId], ["NO_SUCH_COMMAND", "r-7"]);
    assert.ok(explain?.includes("r-7"));
  });

  test("its caller hangs up before the answer → it is executed all the same, once", async () => {
    await using bench = await Bench.open();
    const leaves = new AbortController();
    bench.records.onCommit = () => leaves.abort();
    const asked = ask(bench.rig.port, "/burn", {
      ...{ method: "POST", body: "go", signal: leaves.signal },
      headers: { prefer: "respond-async" },
    });
    await assert.rejects(asked);
    for (let tries = 0; tries < 200 && bench.seen.length === 0; tries++) await pause(10);
    assert.equal(bench.seen.length, 1);
  });
});

describe("[G2] the location of a command", () => {
  test("unknown, malformed, other methods → clear refusals", async () => {
    await using bench = await Bench.open();
    const { port } = bench.rig;
    const location = locationOf(await bench.posts());
    for (const path of ["/.gsf/commands/nobody", "/.gsf/commands/", "/.gsf/commands/a/b", "/.gsf/commands/%2e%2e/x"])
      assert.equal(codeIn(await ask(port, path)), "404 NO_SUCH_COMMAND", path);
    const posted = await ask(port, location, { method: "POST", body: "x" });
    assert.equal(codeIn(posted), "405 METHOD_NOT_ALLOWED");
    assert.equal(posted.headers["allow"], "GET, HEAD, DELETE");
    const head = await ask(port, location, { method: "HEAD" });
    assert.deepEqual([head.status, head.body.length], [200, 0]);
    const raw = await askRaw(port, `GET http://x${location} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    assert.ok(raw.startsWith("HTTP/1.1 200 OK\r\n"), raw);
    assert.ok(bench.seen.every(({ url }) => !url.startsWith("/.gsf")));
  });

  test("DELETE while it is at a station → 409; its result before it has ended → 409", async () => {
    await using bench = await Bench.open();
    const gate = Promise.withResolvers<void>();
    bench.answer = (response) => void gate.promise.then(() => response.end("done"));
    const location = locationOf(await bench.posts());
    while (bench.seen.length === 0) await pause(5);
    assert.equal(codeIn(await ask(bench.rig.port, location, { method: "DELETE" })), "409 TOO_LATE_TO_CANCEL");
    assert.equal(codeIn(await ask(bench.rig.port, `${location}/result`)), "409 COMMAND_PENDING");
    gate.resolve();
    await bench.ends(location);
  });

  test("DELETE while no station is there → cancelled, and never sent", async () => {
    await using bench = await Bench.open();
    for (const station of bench.rig.stations) await station.kill();
    const location = locationOf(await bench.posts());
    // For the moment that a connection takes to be refused, it may be at a station.
    let status = 409;
    for (let tries = 0; tries < 500 && status === 409; tries++) {
      await pause(10);
      ({ status } = await ask(bench.rig.port, location, { method: "DELETE" }));
    }
    assert.equal(status, 200);
    assert.equal((await bench.ends(location))["state"], "cancelled");
    assert.equal(codeIn(await ask(bench.rig.port, `${location}/result`)), "409 NO_ANSWER");
  });

  test("an answer that is longer than what is kept → its status is, its body is not", async () => {
    await using bench = await Bench.open({ limits: { replyBytes: 1_024 } });
    bench.answer = (response) => response.end("y".repeat(200_000));
    const location = locationOf(await bench.posts());
    const document = await bench.ends(location);
    assert.deepEqual(document["answer"], { status: 200, bodyOmitted: true });
    assert.equal(codeIn(await ask(bench.rig.port, `${location}/result`)), "409 NO_ANSWER");
    bench.answer = (response) => response.end("y".repeat(20_000));
    const shorter = locationOf(await bench.posts());
    await bench.ends(shorter);
    assert.equal((await ask(bench.rig.port, `${shorter}/result`)).body.length, 20_000);
  });
});
