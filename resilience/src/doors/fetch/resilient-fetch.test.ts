/** A guarded `fetch` against a real server: what is retried, what ends it, and what it hands on. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { ConfigurationError, deadlineAfter, httpErrorBody, httpStatus, ResilientClient } from "../../index.ts";
import { type FetchPolicies, resilientFetch } from "./index.ts";

type Handler = (request: IncomingMessage, reply: ServerResponse, number: number) => void;

/** A server that counts its requests, and ends with the test. */
async function serve(handler: Handler): Promise<{ url: string; requests: IncomingMessage[] } & AsyncDisposable> {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, reply) => {
    requests.push(request);
    handler(request, reply, requests.length);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  return {
    url,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}

const POLICIES = { name: "north", retry: { baseMs: 1 }, timeoutMs: 60_000 } satisfies FetchPolicies;

/** Says that 100 bytes come, sends ten, and ends the connection when they are out. */
const cut = (reply: ServerResponse): void => {
  reply.writeHead(200, { "content-length": "100" });
  reply.write("0123456789", () => setImmediate(() => reply.destroy()));
};
const hang = (reply: ServerResponse): void => reply.writeHead(200, { "content-length": "100" }).flushHeaders();
const codeOf = (error: unknown): unknown => (error as { code?: unknown }).code;

test("the body of a GET is cut → it is retried, and the caller gets the whole body", async () => {
  await using server = await serve((_, reply, number) => (number < 3 ? cut(reply) : reply.end("a whole body")));
  const response = await resilientFetch(POLICIES)(server.url);
  assert.equal(await response.text(), "a whole body");
  assert.equal(server.requests.length, 3);
});

test("the body of a POST is cut → it is not retried, but with a key it is, with the same key", async () => {
  await using server = await serve((request, reply) => {
    request.resume();
    cut(reply);
  });
  const fetch = resilientFetch(POLICIES);
  await assert.rejects(fetch(server.url, { method: "POST", body: "burn" }), /terminated/);
  assert.equal(server.requests.length, 1);
  await assert.rejects(fetch(server.url, { method: "POST", body: "burn", call: { idempotencyKey: "k1" } }));
  const headers = { "Idempotency-Key": "k2" };
  await assert.rejects(fetch(new Request(server.url, { method: "POST", headers })));
  const keys = server.requests.map((request) => request.headers["idempotency-key"]);
  assert.deepEqual(keys, [undefined, "k1", "k1", "k1", "k2", "k2", "k2"]);
});

test("a GET that says idempotent: false → it is not retried", async () => {
  await using server = await serve((_, reply) => cut(reply));
  await assert.rejects(resilientFetch(POLICIES)(server.url, { call: { idempotent: false } }));
  assert.equal(server.requests.length, 1);
});

test("the head comes and the body never → the timeout of each attempt ends it", async () => {
  await using server = await serve((_, reply) => hang(reply));
  const answer = resilientFetch({ ...POLICIES, timeoutMs: 30 })(server.url);
  await assert.rejects(answer, (error) => codeOf(error) === "ATTEMPT_TIMEOUT");
  assert.equal(server.requests.length, 3);
});

test("the head comes and the body never → the deadline ends it", async () => {
  await using server = await serve((_, reply) => hang(reply));
  const call = { deadline: deadlineAfter(50) };
  const answer = resilientFetch(POLICIES)(server.url, { call });
  await assert.rejects(answer, (error) => codeOf(error) === "DEADLINE_EXCEEDED");
});

test("404 → delivered at once, no failure; 500 and 429 → failures that are retried", async () => {
  const statuses = [404, 500, 429, 200];
  await using server = await serve((_, reply, number) =>
    reply.writeHead(statuses[number - 1] as number).end(`answer ${number}`),
  );
  const client = new ResilientClient({ ...POLICIES, classify: httpStatus });
  const fetch = resilientFetch(client);
  const notFound = await fetch(server.url);
  assert.deepEqual([notFound.status, await notFound.text()], [404, "answer 1"]);
  assert.deepEqual([client.breaker?.status.failures, server.requests.length], [0, 1]);
  const found = await fetch(server.url);
  assert.deepEqual([found.status, await found.text()], [200, "answer 4"]);
  assert.equal(client.breaker?.status.failures, 2);
});

test("every attempt is answered with 503 → the last answer is delivered, with its body", async () => {
  await using server = await serve((_, reply, number) => reply.writeHead(503).end(`answer ${number}`));
  const response = await resilientFetch(POLICIES)(server.url);
  assert.deepEqual([response.status, response.ok, await response.text()], [503, false, "answer 3"]);
});

test("503 with Retry-After → the next attempt waits as long as it says; the caller's abort ends the wait", async () => {
  await using server = await serve((_, reply) => reply.writeHead(503, { "retry-after": "30" }).end());
  const client = new ResilientClient({ ...POLICIES, classify: httpStatus });
  const caller = new AbortController();
  const delays: number[] = [];
  client.onEvent((event) => {
    if (event.type === "retry") delays.push(event.delayMs);
    caller.abort();
  });
  await assert.rejects(resilientFetch(client)(server.url, { signal: caller.signal }), { name: "AbortError" });
  assert.ok((delays[0] as number) >= 30_000, `waits ${delays}`);
});

test("the caller aborts while the body comes → rejects with the reason, and the request is ended", async () => {
  const reason = new Error("the pass is over");
  for (const how of ["init", "request"]) {
    const caller = new AbortController();
    let ended: Promise<unknown> | undefined;
    await using server = await serve((_, reply) => {
      ended = once(reply, "close");
      hang(reply);
      setImmediate(() => caller.abort(reason));
    });
    const { signal } = caller;
    const fetch = resilientFetch(POLICIES);
    const answer = how === "init" ? fetch(server.url, { signal }) : fetch(new Request(server.url, { signal }));
    assert.equal(await answer.catch((error: unknown) => error), reason);
    await ended;
    assert.equal(server.requests.length, 1);
  }
});

test("a body longer than maxBodyBytes → refused, not retried, and no failure of the service", async () => {
  await using server = await serve((_, reply) => reply.end("x".repeat(1_001)));
  const client = new ResilientClient({ ...POLICIES, classify: httpStatus });
  const error = await resilientFetch(client, { maxBodyBytes: 1_000 })(server.url).catch((reason: unknown) => reason);
  assert.ok(error instanceof ConfigurationError && error.hazard === "body-too-large", String(error));
  assert.deepEqual([server.requests.length, client.breaker?.status.failures], [1, 0]);
  assert.equal((await (await resilientFetch(client, { maxBodyBytes: 1_001 })(server.url)).text()).length, 1_001);
});

test("the answer tells what the received one told: address, redirect, cookies, no body for 204; also a clone", async () => {
  await using server = await serve((request, reply) => {
    if (request.url === "/") return reply.writeHead(302, { location: "/there" }).end();
    reply.setHeader("set-cookie", ["a=1", "b=2"]);
    return reply.writeHead(request.url === "/there" ? 200 : 204).end(request.url === "/there" ? '{"a":1}' : undefined);
  });
  const fetch = resilientFetch(POLICIES);
  const response = await fetch(new URL(server.url));
  assert.deepEqual([response.url, response.redirected, response.type], [`${server.url}there`, true, "basic"]);
  assert.deepEqual(response.headers.getSetCookie(), ["a=1", "b=2"]);
  const clone = response.clone();
  assert.deepEqual([clone.url, await clone.json(), await response.json()], [`${server.url}there`, { a: 1 }, { a: 1 }]);
  const empty = await fetch(`${server.url}empty`);
  assert.deepEqual([empty.status, empty.body], [204, null]);
});

test("a classifier sees the parsed body → a 200 that reports an error is retried", async () => {
  await using server = await serve((_, reply, number) => {
    reply.setHeader("content-type", "application/json");
    reply.end(number === 1 ? '{"error":"uplink busy"}' : '{"azimuth":141.2}');
  });
  const response = await resilientFetch({ ...POLICIES, classify: httpErrorBody })(server.url);
  assert.deepEqual(await response.json(), { azimuth: 141.2 });
});

test("sendTimeLeft → each attempt says how much time is left; without a deadline it says nothing", async () => {
  await using server = await serve((_, reply) => reply.end());
  const fetch = resilientFetch(POLICIES, { sendTimeLeft: true });
  await fetch(server.url);
  await fetch(server.url, { headers: { "x-pass": "7" }, call: { deadline: deadlineAfter(50_000) } });
  const [first, second] = server.requests.map(({ headers }) => headers);
  assert.equal(first?.["x-time-left-ms"], undefined);
  assert.ok(Number(second?.["x-time-left-ms"]) > 0 && Number(second?.["x-time-left-ms"]) <= 50_000);
  assert.equal(second?.["x-pass"], "7");
});

test("a body that is a stream is sent once, also if the connection was refused", async () => {
  const url = await serve(() => undefined).then(async (server) => {
    await server[Symbol.asyncDispose]();
    return server.url;
  });
  const client = new ResilientClient({ ...POLICIES, classify: httpStatus });
  let retries = 0;
  client.onEvent(() => retries++);
  const body = new Blob(["burn"]).stream();
  const init = { method: "PUT", body, duplex: "half" } as RequestInit;
  const refused = (error: unknown): boolean => (error as { cause?: { code?: string } }).cause?.code === "ECONNREFUSED";
  await assert.rejects(resilientFetch(client)(url, init), refused);
  assert.equal(retries, 0);
  await assert.rejects(resilientFetch(client)(url, { method: "PUT", body: "burn" }), refused);
  assert.equal(retries, 2);
});

test("stream: chunks are handed on while they arrive, and a cut body is not retried", async () => {
  let finish: (() => void) | undefined;
  await using server = await serve((_, reply) => {
    reply.writeHead(200, { "content-length": "100" }).write("first");
    finish = () => reply.destroy();
  });
  const response = await resilientFetch(POLICIES, { stream: true })(server.url);
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  assert.equal(new TextDecoder().decode((await reader.read()).value), "first");
  finish?.();
  await assert.rejects(reader.read(), /terminated/);
  assert.equal(server.requests.length, 1);
});

test("stream: a whole body ends well; an error answer is read whole and retried", async () => {
  await using server = await serve((_, reply, number) => reply.writeHead(number === 1 ? 500 : 200).end(`n ${number}`));
  const response = await resilientFetch(POLICIES)(server.url, { call: { stream: true } });
  assert.equal(await response.text(), "n 2");
});

for (const [how, code, policies] of [
  ["no chunk comes for timeoutMs", "ATTEMPT_TIMEOUT", { ...POLICIES, timeoutMs: 200, retry: false }],
  ["the deadline passes", "DEADLINE_EXCEEDED", { ...POLICIES, deadlineMs: 250, timeoutMs: 200, retry: false }],
] as const) {
  test(`stream: ${how} → the body fails, and the request is ended`, async () => {
    let ended: Promise<unknown> | undefined;
    let chunks: NodeJS.Timeout | undefined;
    await using server = await serve((_, reply) => {
      ended = once(reply, "close");
      reply.writeHead(200).flushHeaders();
      // The deadline ends a body that never pauses, too.
      if (code === "DEADLINE_EXCEEDED") chunks = setInterval(() => reply.write("more"), 5);
    });
    try {
      const text = resilientFetch(policies, { stream: true })(server.url).then((response) => response.text());
      await assert.rejects(text, (error) => codeOf(error) === code);
      await ended;
    } finally {
      clearInterval(chunks);
    }
  });
}

test("stream: nothing comes until the deadline of the call → the body fails", async () => {
  await using server = await serve((_, reply) => hang(reply));
  const init = { call: { stream: true, deadline: deadlineAfter(200) } };
  const text = resilientFetch(POLICIES)(server.url, init).then((response) => response.text());
  await assert.rejects(text, (error) => codeOf(error) === "DEADLINE_EXCEEDED");
});

test("stream: an answer that the classifier refuses → its request is ended before the next one", async () => {
  let first: Promise<unknown> | undefined;
  await using server = await serve((_, reply, number) => {
    if (number > 1) return void reply.end("good");
    first = once(reply, "close");
    hang(reply);
  });
  const judge = (headers: unknown) => ((headers as Headers).get("content-length") === "100" ? "failure" : "success");
  const classify = { result: ({ headers }: { headers?: unknown }) => judge(headers) } as const;
  const response = await resilientFetch({ ...POLICIES, classify }, { stream: true })(server.url);
  assert.equal(await response.text(), "good");
  await first;
});

test("stream: the caller's abort, and a reader that cancels, end the request", async () => {
  const closed: Promise<unknown>[] = [];
  await using server = await serve((_, reply) => {
    closed.push(once(reply, "close"));
    hang(reply);
  });
  const fetch = resilientFetch(POLICIES, { stream: true });
  const caller = new AbortController();
  const reason = new Error("the pass is over");
  const text = (await fetch(server.url, { signal: caller.signal })).text();
  caller.abort(reason);
  assert.equal(await text.catch((error: unknown) => error), reason);
  await (await fetch(server.url)).body?.cancel();
  await Promise.all(closed);
});

test("bad options and requests are refused, with what is allowed", async () => {
  const noJudge = new ResilientClient({ name: "north" });
  assert.throws(() => resilientFetch(noJudge), /north has no classify/);
  assert.throws(() => resilientFetch(POLICIES, { maxBodyByte: 1 } as object), /did you mean maxBodyBytes/);
  assert.throws(() => resilientFetch(POLICIES, { maxBodyBytes: 0 }), /maxBodyBytes/);
  const fetch = resilientFetch(POLICIES);
  await assert.rejects(fetch("http://127.0.0.1/", { call: { idempotnt: true } as object }), /did you mean idempotent/);
  await assert.rejects(fetch("no address"), /Failed to parse URL/);
});
