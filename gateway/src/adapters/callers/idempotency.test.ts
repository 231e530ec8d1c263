/**
 * The idempotency ledger as callers see it, over real sockets on both sides. The store is in
 * memory; that answers survive a process is tested with the real store in test/process.
 */
import assert from "node:assert/strict";
import type { RequestListener } from "node:http";
import { describe, test } from "node:test";
import { systemClock } from "ground-station-failover";
import { type Ask, ask, type Changes, type Rig, rig } from "../../../../test/process/proxy-rig.ts";
import { MemoryRecords } from "../../../../test/worlds/memory-records.ts";
import { requestDigest } from "./request-digest.ts";

const KEEPS = {
  retentionMs: 60_000,
  maxAnswerBytes: 1_024,
  maxKeys: 1_000,
  maxBytes: 1_000_000,
  callerFields: ["authorization", "cookie"],
};

function keepingRig(serve: RequestListener, commands: Changes["commands"] = {}): Promise<Rig> {
  const records = new MemoryRecords({ clock: systemClock, syncMs: 1 });
  return rig(serve, { commands: { idempotency: KEEPS, ...commands } }, {}, { records, digest: requestDigest });
}

/** A station that answers each command it executes with another number. */
function counting(): RequestListener {
  let served = 0;
  return (message, response) => {
    message.resume().once("end", () => {
      response.setHeader("set-cookie", ["a=1", "b=2"]);
      response.setHeader("location", `/orders/${++served}`);
      response.writeHead(201, "Made").end(`order ${served}`);
    });
  };
}

const post = (key: string, body = "tea", more: Record<string, string> = {}): Ask => ({
  method: "POST",
  headers: { "idempotency-key": key, "content-type": "text/plain", ...more },
  body,
});

describe("[G1] a POST with a key, sent twice", () => {
  for (const method of ["POST", "PATCH", "PUT", "DELETE"]) {
    test(`${method} → status, reason, fields and body again, marked gsf-replayed`, async () => {
      await using made = await keepingRig(counting());
      const first = await ask(made.port, "/orders", { ...post("k"), method });
      const again = await ask(made.port, "/orders", { ...post("k"), method });
      assert.equal(made.stations[0].received(), 1);
      assert.equal(again.status, first.status);
      assert.deepEqual(again.body, first.body);
      assert.equal(first.headers["gsf-replayed"], undefined);
      assert.equal(again.headers["gsf-replayed"], "true");
      const { "gsf-replayed": _mark, ...rest } = again.headers;
      // Each request has an id of its own.
      assert.deepEqual({ ...rest, "x-request-id": "" }, { ...first.headers, "x-request-id": "" });
    });
  }

  for (const method of ["GET", "HEAD", "OPTIONS"]) {
    test(`${method} → no answer is kept`, async () => {
      await using made = await keepingRig((_message, response) => void response.end());
      for (let time = 0; time < 2; time++)
        await ask(made.port, "/orders", { method, headers: { "idempotency-key": "k" } });
      assert.equal(made.stations[0].received(), 2);
    });
  }

  test("with another body → 422", async () => {
    await using made = await keepingRig(counting());
    await ask(made.port, "/orders", post("k"));
    const other = await ask(made.port, "/orders", post("k", "coffee"));
    assert.equal(other.status, 422);
    assert.equal(JSON.parse(other.body.toString()).code, "KEY_REUSED");
    assert.equal(made.stations[0].received(), 1);
  });

  test("by another caller → that caller's own answer", async () => {
    await using made = await keepingRig(counting());
    const mine = await ask(made.port, "/orders", post("k", "tea", { authorization: "Bearer a" }));
    const theirs = await ask(made.port, "/orders", post("k", "tea", { authorization: "Bearer b" }));
    const nobodys = await ask(made.port, "/orders", post("k", "tea"));
    assert.deepEqual(
      [mine, theirs, nobodys].map(({ body }) => body.toString()),
      ["order 1", "order 2", "order 3"],
    );
  });

  test("without a key, or where answers are not kept → executed twice", async () => {
    await using made = await keepingRig(counting());
    for (let time = 0; time < 2; time++) await ask(made.port, "/orders", { method: "POST", body: "tea" });
    assert.equal(made.stations[0].received(), 2);
    await using off = await keepingRig(counting(), { idempotency: undefined });
    for (let time = 0; time < 2; time++) await ask(off.port, "/orders", post("k"));
    assert.equal(off.stations[0].received(), 2);
  });
});

test("[G1] the same command twice at once → one execution, two answers", async () => {
  const arrived = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  await using made = await keepingRig((message, response) => {
    arrived.resolve();
    message.resume();
    go.promise.then(() => response.end("done"));
  });
  const first = ask(made.port, "/orders", post("k"));
  await arrived.promise;
  const second = ask(made.port, "/orders", post("k"));
  while (made.proxy.connections.open < 2) await new Promise(setImmediate);
  go.resolve();
  const answers = await Promise.all([first, second]);
  assert.deepEqual(
    answers.map(({ body }) => body.toString()),
    ["done", "done"],
  );
  assert.equal(made.stations[0].received(), 1);
});

test("[G1] the first caller hangs up while a second one waits → the second one gets the answer", async () => {
  const arrived = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  await using made = await keepingRig((message, response) => {
    arrived.resolve();
    message.resume();
    go.promise.then(() => response.end("done"));
  });
  const caller = new AbortController();
  const first = ask(made.port, "/orders", { ...post("k"), signal: caller.signal });
  first.catch(() => undefined);
  await arrived.promise;
  const second = ask(made.port, "/orders", post("k"));
  while (made.group.ledger?.status.inUse !== 1 || made.proxy.connections.open < 2) await new Promise(setImmediate);
  // The second request is parsed by then: its connection was accepted before, and it is short.
  await ask(made.port, "/orders", post("other", "x", { "x-time-left-ms": "50" })).catch(() => undefined);
  caller.abort();
  await assert.rejects(first);
  while (made.proxy.connections.open > 1) await new Promise(setImmediate);
  go.resolve();
  assert.equal((await second).body.toString(), "done");
  assert.equal(made.stations[0].received(), 2, "the key's command once, the other one once");
});

test("[G1] the first is not answered within the second one's time → 409 with Retry-After", async () => {
  const arrived = Promise.withResolvers<void>();
  await using made = await keepingRig((message) => {
    arrived.resolve();
    message.resume();
  });
  const caller = new AbortController();
  const first = ask(made.port, "/orders", { ...post("k"), signal: caller.signal });
  await arrived.promise;
  const second = await ask(made.port, "/orders", post("k", "tea", { "x-time-left-ms": "100" }));
  assert.deepEqual([second.status, second.headers["retry-after"]], [409, "1"]);
  assert.equal(JSON.parse(second.body.toString()).code, "KEY_IN_FLIGHT");
  assert.equal(second.headers["gsf-outcome"], "unknown");
  caller.abort();
  await assert.rejects(first);
});

test("[G1] an answer that is too long to keep → streamed or not, it is delivered whole every time", async () => {
  await using made = await keepingRig((message, response) => {
    message.resume();
    response.end("x".repeat(10_000));
  });
  for (let time = 0; time < 2; time++) {
    assert.equal((await ask(made.port, "/orders", post("k"))).body.length, 10_000);
  }
  assert.equal(made.stations[0].received(), 2);
});

test("[G1] a request body that is streamed → no answer is kept", async () => {
  await using made = await keepingRig(counting());
  const body = "x".repeat(200 * 1_024);
  for (let time = 0; time < 2; time++) assert.equal((await ask(made.port, "/orders", post("k", body))).status, 201);
  assert.equal(made.stations[0].received(), 2);
});

test("[G6] a station that says gsf-replayed itself → its field is not passed on", async () => {
  await using made = await keepingRig((message, response) => {
    message.resume();
    response.setHeader("gsf-replayed", "true");
    response.end("fine");
  });
  assert.equal((await ask(made.port, "/orders", post("k"))).headers["gsf-replayed"], undefined);
});
