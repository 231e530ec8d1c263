/** The interceptor with two majors of undici, against a real server. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { test } from "node:test";
import * as undici8 from "undici";
import * as undici7 from "undici7";
import {
  ConfigurationError,
  deadlineAfter,
  httpErrorBody,
  httpStatus,
  ResilientClient,
  withDeadline,
} from "../../index.ts";
import { BodyCollector } from "../answer-body.ts";
import { resilientInterceptor, type UndiciPolicies } from "./index.ts";
import { ReceivedAnswer } from "./received.ts";
import { Replay } from "./replay.ts";

type Handler = (request: IncomingMessage, reply: ServerResponse, number: number) => void;

const POLICIES = { name: "north", retry: { baseMs: 1 }, timeoutMs: 60_000 } satisfies UndiciPolicies;
const codeOf = (error: unknown): unknown => (error as { code?: unknown }).code;

/** Says that 100 bytes come, sends ten, and ends the connection when they are out. */
const cut = (reply: ServerResponse): void => {
  reply.writeHead(200, { "content-length": "100" });
  reply.write("0123456789", () => setImmediate(() => reply.destroy()));
};
const hang = (reply: ServerResponse): void => reply.writeHead(200, { "content-length": "100" }).flushHeaders();

for (const { major, Agent, request, fetch, stream } of [
  { major: 8, ...undici8 },
  // The two majors have the same calls; the types of the later one stand for both.
  { major: 7, ...(undici7 as unknown as typeof undici8) },
]) {
  /** A server that counts its requests, and a guarded dispatcher; both end with the test. */
  const serve = async (handler: Handler, policies: UndiciPolicies = POLICIES, options = {}) => {
    const requests: IncomingMessage[] = [];
    const server = createServer((incoming, reply) => {
      requests.push(incoming);
      incoming.resume();
      handler(incoming, reply, requests.length);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const agent = new Agent();
    return {
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
      requests,
      dispatcher: agent.compose(resilientInterceptor(policies, options)),
      async [Symbol.asyncDispose]() {
        await agent.destroy();
        server.closeAllConnections();
        server.close();
      },
    };
  };

  test(`undici ${major}: the body of a GET is cut → it is retried, and request gets the whole body`, async () => {
    await using it = await serve((_, reply, number) => {
      if (number < 3) return cut(reply);
      reply.writeHead(200, { "x-pass": ["7", "8"] }).end("a whole body");
    });
    const { statusCode, headers, body } = await request(it.url, it);
    assert.deepEqual([statusCode, headers["x-pass"], await body.text()], [200, ["7", "8"], "a whole body"]);
    assert.equal(it.requests.length, 3);
  });

  test(`undici ${major}: fetch through it gets status, headers and a body that is longer than any buffer`, async () => {
    const long = "x".repeat(1_000_000);
    await using it = await serve((_, reply, number) => reply.writeHead(number === 1 ? 503 : 200, { a: "b" }).end(long));
    const response = await fetch(it.url, it);
    assert.deepEqual([response.status, response.headers.get("a"), await response.text()], [200, "b", long]);
    assert.equal(it.requests.length, 2);
  });

  test(`undici ${major}: a slow reader pauses the answer, and gets all of it in order`, async () => {
    const long = Array.from({ length: 20_000 }, (_, line) => `line ${line}\n`).join("");
    await using it = await serve((_, reply) => reply.end(long));
    const { body } = await request(it.url, { ...it, highWaterMark: 16 });
    let got = "";
    for await (const chunk of body) {
      got += chunk;
      await new Promise(setImmediate);
    }
    assert.equal(got, long);
  });

  test(`undici ${major}: a POST is not retried, with a key it is; a body that is a stream is sent once`, async () => {
    await using it = await serve((_, reply) => cut(reply));
    const post = (more: object) =>
      request(it.url, { dispatcher: it.dispatcher, method: "POST", body: "burn", ...more });
    await assert.rejects(post({}));
    assert.equal(it.requests.length, 1);
    for (const headers of [{ "Idempotency-Key": "k" }, ["Idempotency-Key", "k"], new Map([["idempotency-key", "k"]])]) {
      const before: number = it.requests.length;
      await assert.rejects(post({ headers }));
      assert.equal(it.requests.length - before, 3);
    }
    const before: number = it.requests.length;
    await assert.rejects(post({ headers: { "idempotency-key": "k" }, body: Readable.from(["burn"]) }));
    assert.equal(it.requests.length - before, 1);
  });

  test(`undici ${major}: 404 → delivered, no failure; 500 three times → the last answer, three failures`, async () => {
    const client = new ResilientClient({ ...POLICIES, classify: httpStatus });
    await using it = await serve(
      (_, reply, number) => reply.writeHead(number < 2 ? 404 : 500).end(`${number}`),
      client,
    );
    const first = await request(it.url, it);
    assert.deepEqual([first.statusCode, await first.body.text(), client.breaker?.status.failures], [404, "1", 0]);
    const second = await request(it.url, it);
    assert.deepEqual([second.statusCode, await second.body.text(), client.breaker?.status.failures], [500, "4", 3]);
  });

  test(`undici ${major}: the body never comes → timeout, ambient deadline and abort end it, with the request`, async () => {
    let closed: Promise<unknown> | undefined;
    const handler: Handler = (_, reply) => {
      closed = once(reply, "close");
      hang(reply);
    };
    await using it = await serve(handler, { ...POLICIES, timeoutMs: 100, retry: false });
    await assert.rejects(request(it.url, it), (error) => codeOf(error) === "ATTEMPT_TIMEOUT");
    await closed;
    await using slow = await serve(handler);
    const late = withDeadline(deadlineAfter(100), () => request(slow.url, slow));
    await assert.rejects(late, (error) => codeOf(error) === "DEADLINE_EXCEEDED");
    const caller = new AbortController();
    const reason = new Error("the pass is over");
    const aborted = request(slow.url, { ...slow, signal: caller.signal });
    caller.abort(reason);
    assert.equal(await aborted.catch((error: unknown) => error), reason);
    assert.deepEqual(await fetch(slow.url, { ...slow, signal: AbortSignal.abort(reason) }).catch((e) => e), reason);
  });

  test(`undici ${major}: a body above maxBodyBytes → refused, not retried, no failure of the service`, async () => {
    const client = new ResilientClient({ ...POLICIES, classify: httpStatus });
    await using it = await serve((_, reply) => reply.end("x".repeat(1_001)), client, { maxBodyBytes: 1_000 });
    const error = await request(it.url, it).catch((reason: unknown) => reason);
    assert.ok(error instanceof ConfigurationError && error.hazard === "body-too-large", String(error));
    assert.deepEqual([it.requests.length, client.breaker?.status.failures], [1, 0]);
  });

  test(`undici ${major}: a classifier sees the parsed body; stream writes it; HEAD has none`, async () => {
    const handler: Handler = (_, reply, number) =>
      reply.writeHead(200, { "content-type": "application/json" }).end(number === 1 ? '{"error":"busy"}' : '{"a":1}');
    await using it = await serve(handler, { ...POLICIES, classify: httpErrorBody });
    const chunks: string[] = [];
    const { Writable } = await import("node:stream");
    const write = (chunk: unknown, _: unknown, done: () => void) => {
      chunks.push(String(chunk));
      done();
    };
    await stream(it.url, { dispatcher: it.dispatcher, method: "GET" }, () => new Writable({ write }));
    assert.equal(chunks.join(""), '{"a":1}');
    const head = await request(it.url, { dispatcher: it.dispatcher, method: "HEAD" });
    assert.deepEqual([head.statusCode, await head.body.text()], [200, ""]);
  });
}

test("a handler that pauses gets no more of the answer until it resumes", () => {
  const heard: string[] = [];
  const replay = new Replay({
    onResponseStart: () => heard.push("head"),
    onResponseData: (controller, chunk) => {
      heard.push(String(chunk));
      controller.pause();
    },
    onResponseEnd: () => heard.push("end"),
  });
  const collector = new BodyCollector("north", 1_000);
  for (const text of ["a", "b"]) collector.add(Buffer.from(text));
  const head = { status: 200, headers: {}, message: undefined, rawHeaders: undefined };
  replay.deliver(new ReceivedAnswer(head, collector, {}, undefined));
  assert.deepEqual(heard, ["head", "a"]);
  replay.resume();
  assert.deepEqual(heard, ["head", "a", "b", "end"]);
});

test("undici refuses the request itself → its error is delivered at once, and is no failure of the service", async () => {
  const client = new ResilientClient({ ...POLICIES, classify: httpStatus });
  let retries = 0;
  client.onEvent(() => retries++);
  const dispatcher = new undici8.Agent().compose(resilientInterceptor(client));
  const bad = undici8.request("http://127.0.0.1:9/", { dispatcher, headers: { "a b": "c" } });
  await assert.rejects(bad, (error) => codeOf(error) === "UND_ERR_INVALID_ARG");
  assert.deepEqual([retries, client.breaker?.status.failures], [0, 0]);
});

test("bad options are refused, with what is allowed", () => {
  assert.throws(() => resilientInterceptor(new ResilientClient({ name: "north" })), /north has no classify/);
  assert.throws(() => resilientInterceptor(POLICIES, { maxBodyByte: 1 } as object), /did you mean maxBodyBytes/);
});
