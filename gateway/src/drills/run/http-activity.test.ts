/** Requests as activities, against real servers: what is sent, what is taken, and what fails. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { describe, test } from "node:test";
import { generate } from "selfsigned";
import { Folder } from "../../../../test/process/gsf-process.ts";
import type { HttpProvider } from "../experiment/experiment.ts";
import { ActivityFailed, ActivityInterrupted } from "./activity-failure.ts";
import { MAX_BODY_BYTES, requestOf, runHttp } from "./http-activity.ts";

const NEVER = new AbortController().signal;

/** A server on a free port; it and its connections end with the test. */
class Site implements AsyncDisposable {
  readonly #server: Server;

  constructor(answer: RequestListener, server: Server = createServer()) {
    this.#server = server.on("request", answer).listen(0, "127.0.0.1");
  }

  async url(protocol = "http"): Promise<string> {
    if (!this.#server.listening) await once(this.#server, "listening");
    return `${protocol}://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let body = "";
  for await (const piece of request.setEncoding("utf8")) body += piece;
  return body;
}

function asked(url: string, rest: Partial<HttpProvider> = {}): HttpProvider {
  return { type: "http", url, ...rest };
}

describe("what is sent", () => {
  test("arguments of a GET → its query, lists several times, null left out, behind a query of the URL", () => {
    const given = { name: "a b", on: true, list: [1, 2], none: null };
    const { url, body } = requestOf(asked("http://a/x?y=1#z", { arguments: given }));
    assert.equal(url, "http://a/x?y=1&name=a+b&on=True&list=1&list=2#z");
    assert.equal(body, undefined);
  });

  test("arguments of a POST → a form; with exactly application/json → JSON; a text → as it is", () => {
    const form = requestOf(asked("http://a/", { method: "post", arguments: { a: 1, b: "x y" } }));
    assert.equal(form.method, "POST");
    assert.equal(form.body, "a=1&b=x+y");
    assert.equal(form.headers["Content-Type"], "application/x-www-form-urlencoded");
    const headers = { "Content-Type": "application/json" };
    const json = requestOf(asked("http://a/", { method: "PUT", headers, arguments: { a: [true] } }));
    assert.equal(json.body, '{"a":[true]}');
    const almost = { "Content-Type": "application/json; charset=utf-8" };
    assert.equal(requestOf(asked("http://a/", { method: "PUT", headers: almost, arguments: { a: 1 } })).body, "a=1");
    const text = requestOf(asked("http://a/", { method: "POST", arguments: "raw & text" }));
    assert.equal(text.body, "raw & text");
    assert.equal(text.headers["Content-Type"], undefined);
  });

  test("method, headers and body → arrive as they were written", async () => {
    let seen: unknown;
    await using site = new Site(async (request, answer) => {
      seen = [request.method, request.url, request.headers["x-a"], await bodyOf(request)];
      answer.end();
    });
    const headers = { "X-A": "1", "Content-Type": "application/json" };
    await runHttp(asked(`${await site.url()}p`, { method: "PATCH", headers, arguments: { a: 1 } }), NEVER);
    assert.deepEqual(seen, ["PATCH", "/p", "1", '{"a":1}']);
  });
});

describe("what is taken", () => {
  test("a status of 500 → a result and no failure; names of headers as they were sent", async () => {
    await using site = new Site((_request, answer) => {
      answer.writeHead(500, { "X-Own": ["a", "b"], "Content-Type": "text/plain" });
      answer.end("broken");
    });
    const result = await runHttp(asked(await site.url()), NEVER);
    assert.equal(result["status"], 500);
    assert.equal(result["body"], "broken");
    assert.equal((result["headers"] as Record<string, string>)["X-Own"], "a, b");
  });

  test("a body → parsed for exactly application/json and for nothing else", async () => {
    await using site = new Site((request, answer) => {
      answer.setHeader("Content-Type", decodeURIComponent(request.url?.slice(1) ?? ""));
      answer.end('{"a":1}');
    });
    const bodyFor = async (type: string): Promise<unknown> =>
      (await runHttp(asked(`${await site.url()}${encodeURIComponent(type)}`), NEVER))["body"];
    assert.deepEqual(await bodyFor("application/json"), { a: 1 });
    assert.equal(await bodyFor("application/json; charset=utf-8"), '{"a":1}');
    assert.equal(await bodyFor("text/plain"), '{"a":1}');
  });

  test("a redirect → followed", async () => {
    await using site = new Site((request, answer) => {
      if (request.url === "/there") answer.end("arrived");
      else answer.writeHead(302, { location: "/there" }).end();
    });
    assert.equal((await runHttp(asked(await site.url()), NEVER))["body"], "arrived");
  });
});

describe("what fails", () => {
  test("nobody listens → failed, with what was tried", async () => {
    const url = "http://127.0.0.1:1/nobody";
    await assert.rejects(runHttp(asked(url), NEVER), (error: Error) => {
      return error instanceof ActivityFailed && error.message.includes(url);
    });
  });

  test("no answer in time → failed, for one number and for a pair", async () => {
    await using site = new Site(() => undefined);
    const url = await site.url();
    await assert.rejects(runHttp(asked(url, { timeout: 0.2 }), NEVER), ActivityFailed);
    await assert.rejects(runHttp(asked(url, { timeout: [5, 0.2] }), NEVER), ActivityFailed);
  });

  test("a stop → interrupted at once", async () => {
    const stop = new AbortController();
    await using site = new Site(() => stop.abort());
    await assert.rejects(runHttp(asked(await site.url()), stop.signal), ActivityInterrupted);
  });

  test("an answer that is too large, or no JSON where it says so → failed", async () => {
    await using site = new Site((request, answer) => {
      if (request.url === "/large") answer.end(Buffer.alloc(MAX_BODY_BYTES + 1));
      else answer.writeHead(200, { "Content-Type": "application/json" }).end("{");
    });
    const url = await site.url();
    await assert.rejects(runHttp(asked(`${url}large`), NEVER), ActivityFailed);
    await assert.rejects(runHttp(asked(`${url}json`), NEVER), ActivityFailed);
  });

  test("wrong settings → failed", async () => {
    for (const rest of [{ timeout: -1 }, { timeout: [1, 2, 3] }, { max_retries: 1.5 }, { max_retries: -1 }])
      await assert.rejects(runHttp(asked("http://127.0.0.1:1/", rest), NEVER), ActivityFailed);
    await assert.rejects(runHttp(asked("no url"), NEVER), ActivityFailed);
  });

  test("max_retries → a GET that is cut is sent again so often, a POST is not", async () => {
    let connections = 0;
    const server = createTcpServer((socket) => {
      connections += 1;
      socket.once("data", () => socket.destroy()).on("error", () => undefined);
    }).listen(0, "127.0.0.1");
    try {
      await once(server, "listening");
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
      await assert.rejects(runHttp(asked(url, { max_retries: 2 }), NEVER), ActivityFailed);
      assert.equal(connections, 3);
      connections = 0;
      await assert.rejects(runHttp(asked(url, { max_retries: 2, method: "POST" }), NEVER), ActivityFailed);
      assert.equal(connections, 1);
    } finally {
      server.close();
    }
  });
});

test("verify_tls → a certificate of nobody is refused; taken with false, or with its own file", async () => {
  const made = await generate([{ name: "commonName", value: "127.0.0.1" }], {
    extensions: [{ name: "subjectAltName", altNames: [{ type: 7, ip: "127.0.0.1" }] }],
  });
  const server = createTlsServer({ key: made.private, cert: made.cert }) as unknown as Server;
  await using site = new Site((_request, answer) => void answer.end("safe"), server);
  const url = await site.url("https");
  using folder = new Folder();
  const file = folder.file("certificate.pem", made.cert);
  await assert.rejects(runHttp(asked(url), NEVER), ActivityFailed);
  assert.equal((await runHttp(asked(url, { verify_tls: false }), NEVER))["body"], "safe");
  assert.equal((await runHttp(asked(url, { verify_tls: file }), NEVER))["body"], "safe");
  await assert.rejects(runHttp(asked(url, { verify_tls: "/nowhere.pem" }), NEVER), ActivityFailed);
});
