/**
 * The gateway as its callers and stations see it, over real sockets: what passes through unchanged,
 * what is added, and what becomes of commands when a station refuses, dies, or lies in the middle
 * of one.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { Agent, request } from "node:http";
import { connect } from "node:net";
import { describe, test } from "node:test";
import { ask, askRaw, rig } from "./proxy-rig.ts";

const MEBIBYTE = 1_024 ** 2;

async function bodyOf(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** Answers with what it was asked, as JSON. */
const mirror: RequestListener = async (message, response) => {
  const body = await bodyOf(message);
  response.setHeader("content-type", "application/json");
  const { method, url, rawHeaders } = message;
  response.end(JSON.stringify({ method, url, rawHeaders, body: body.toString("latin1") }));
};

interface Mirrored {
  readonly method: string;
  readonly url: string;
  readonly rawHeaders: string[];
  readonly body: string;
}

async function mirrored(port: number, path: string, how?: Parameters<typeof ask>[2]): Promise<Mirrored> {
  const answer = await ask(port, path, how);
  assert.equal(answer.status, 200, answer.body.toString());
  return answer.headers["content-type"] === "application/json" ? JSON.parse(answer.body.toString()) : ({} as Mirrored);
}

function valuesOf(raw: readonly string[], name: string): string[] {
  return raw.filter((_value, place) => place % 2 === 1 && raw[place - 1]?.toLowerCase() === name);
}

describe("what passes through", () => {
  test("any method, with its body or without", async () => {
    await using at = await rig(mirror);
    for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "PURGE", "QUERY"]) {
      assert.equal((await mirrored(at.port, "/a", { method })).method, method);
      const withBody = await mirrored(at.port, "/a", { method, body: "xyz", headers: { "content-length": "3" } });
      assert.deepEqual([withBody.method, withBody.body], [method, "xyz"]);
    }
  });

  test("the target, byte for byte; an absolute one becomes path and host", async () => {
    await using at = await rig(mirror);
    for (const target of ["/", "//a//b", "/a/../b/./c", "/%7Euser/%2F?q=a%20b&q=c+d&&=", "/a;b=c/?", "/?a=\\b"]) {
      assert.equal((await mirrored(at.port, target)).url, target);
    }
    const raw = await askRaw(
      at.port,
      "GET http://other.example:81/x?y HTTP/1.1\r\nHost: wrong\r\nConnection: close\r\n\r\n",
    );
    assert.match(raw, /"url":"\/x\?y"/);
    assert.match(raw, /"other\.example:81"/);
    assert.doesNotMatch(raw, /wrong/);
  });

  test("header fields in order, duplicates and spelling kept; those of the connection stay behind", async () => {
    await using at = await rig(mirror);
    const headers = [
      "Host",
      "sat.example",
      "X-One",
      "1",
      "x-two",
      "2",
      "X-One",
      "3",
      "X-Empty",
      "",
      "X-Latin",
      "caf\xe9",
    ];
    const seen = await mirrored(at.port, "/", {
      headers: [
        ...headers,
        ...["Connection", "close, X-Private", "X-Private", "p", "Keep-Alive", "timeout=9", "TE", "trailers"],
        ...["Proxy-Connection", "x", "Upgrade", "h2c", "gsf-epoch", "999", "gsf-station", "forged"],
      ],
    });
    const endToEnd = seen.rawHeaders.filter((_part, place, all) =>
      /^(x-(?!forwarded|time-left|request-id)|host)/i.test(all[place - (place % 2)] as string),
    );
    // The host goes first, on its own line, in undici's spelling.
    assert.deepEqual(endToEnd, ["host", "sat.example", ...headers.slice(2)]);
    for (const gone of ["x-private", "keep-alive", "te", "proxy-connection", "upgrade", "gsf-station"]) {
      assert.deepEqual(valuesOf(seen.rawHeaders, gone), [], gone);
    }
    assert.deepEqual(valuesOf(seen.rawHeaders, "connection"), ["keep-alive"]);
  });

  test("[F3] what is added: epoch, time left, who asked, for a caller that is a trusted proxy", async () => {
    await using at = await rig(mirror, { trustedProxies: ["127.0.0.0/8"] });
    const { rawHeaders } = await mirrored(at.port, "/", {
      headers: { host: "sat.example", "x-forwarded-for": "192.0.2.7", "x-forwarded-proto": "https", via: "1.0 front" },
    });
    assert.deepEqual(valuesOf(rawHeaders, "gsf-epoch"), [String(at.group.epoch)]);
    assert.deepEqual(valuesOf(rawHeaders, "x-forwarded-for"), ["192.0.2.7, 127.0.0.1"]);
    assert.deepEqual(valuesOf(rawHeaders, "x-forwarded-proto"), ["https"]);
    assert.deepEqual(valuesOf(rawHeaders, "x-forwarded-host"), ["sat.example"]);
    assert.deepEqual(valuesOf(rawHeaders, "via"), ["1.0 front", "1.1 gsf"]);
    const left = Number(valuesOf(rawHeaders, "x-time-left-ms")[0]);
    assert.ok(left > 0 && left <= 20_000, `the group's deadline, less the time taken: ${left}`);
  });

  test("[G6] what any other caller says of itself is replaced", async () => {
    await using at = await rig(mirror);
    const claims = { "x-forwarded-for": "192.0.2.7", "x-forwarded-proto": "https", "x-real-ip": "192.0.2.7" };
    const { rawHeaders } = await mirrored(at.port, "/", {
      headers: { host: "sat.example", ...claims, forwarded: "for=192.0.2.7;proto=https", "x-forwarded-host": "bank" },
    });
    assert.deepEqual(valuesOf(rawHeaders, "x-forwarded-for"), ["127.0.0.1"]);
    assert.deepEqual(valuesOf(rawHeaders, "x-forwarded-proto"), ["http"]);
    assert.deepEqual(valuesOf(rawHeaders, "x-forwarded-host"), ["sat.example"]);
    for (const gone of ["forwarded", "x-real-ip"]) assert.deepEqual(valuesOf(rawHeaders, gone), [], gone);
  });

  test("[R4] the caller's own time left goes on, less the time taken here", async () => {
    await using at = await rig(mirror);
    const { rawHeaders } = await mirrored(at.port, "/", {
      headers: { "x-time-left-ms": "15000", "grpc-timeout": "9S" },
    });
    const left = Number(valuesOf(rawHeaders, "x-time-left-ms")[0]);
    assert.ok(left > 0 && left <= 9_000, String(left));
    assert.match(valuesOf(rawHeaders, "grpc-timeout")[0] ?? "", /^\d{1,8}[mun]$/);
    const spent = await ask(at.port, "/", { headers: { "x-time-left-ms": "0" } });
    assert.deepEqual([spent.status, JSON.parse(spent.body.toString()).code], [504, "DEADLINE_EXCEEDED"]);
    const endless = await mirrored(at.port, "/", { headers: { "x-time-left-ms": "999999999999999" } });
    assert.equal(endless.method, "GET");
  });

  test("a reply's status, phrase, fields and duplicates, Set-Cookie above all", async () => {
    await using at = await rig((_message, response) => {
      response.writeHead(207, "Many Things", [
        ...["Set-Cookie", "a=1", "X-B", "2", "Set-Cookie", "b=2; Path=/", "Connection", "X-Hop", "X-Hop", "h"],
        ...["Date", "Thu, 01 Jan 1970 00:00:00 GMT", "gsf-station", "forged"],
      ]);
      response.end("ok");
    });
    const answer = await askRaw(at.port, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert.match(answer, /^HTTP\/1\.1 207 Many Things\r\nSet-Cookie: a=1\r\nX-B: 2\r\nSet-Cookie: b=2; Path=\/\r\n/);
    assert.match(answer, /Date: Thu, 01 Jan 1970/);
    assert.doesNotMatch(answer, /X-Hop|forged/);
    assert.match(answer, /gsf-station: north\r\ngsf-epoch: 1\r\n/);
  });

  test("HEAD, 204 and 304 keep their fields and have no body", async () => {
    await using at = await rig((message, response) => {
      const status = Number(message.url?.slice(1));
      response.writeHead(status, status === 204 ? {} : { "content-length": "1234", etag: '"v1"' }).end();
    });
    const head = await ask(at.port, "/200", { method: "HEAD" });
    assert.deepEqual([head.headers["content-length"], head.headers.etag, head.body.length], ["1234", '"v1"', 0]);
    const unchanged = await ask(at.port, "/304", { headers: { "if-none-match": '"v1"' } });
    assert.deepEqual([unchanged.status, unchanged.headers.etag, unchanged.body.length], [304, '"v1"', 0]);
    assert.equal((await ask(at.port, "/204")).status, 204);
  });

  test("bodies of known and unknown length, short and long, as they are", async () => {
    await using at = await rig((message, response) => {
      message.pipe(response);
    });
    for (const size of [1, 1_000, 65_536, 65_537, 300_000]) {
      const body = Buffer.alloc(size, "gsf");
      for (const headers of [{ "content-length": String(size) }, { "transfer-encoding": "chunked" }]) {
        for (const keyed of [{}, { "idempotency-key": `${size}` }]) {
          const answer = await ask(at.port, "/", { method: "POST", body, headers: { ...headers, ...keyed } });
          assert.ok(answer.body.equals(body), `${size} ${JSON.stringify({ ...headers, ...keyed })}`);
        }
      }
    }
  });

  test("Expect: 100-continue is answered, and the body follows", async () => {
    await using at = await rig(mirror);
    const sent = request({
      host: "127.0.0.1",
      port: at.port,
      method: "POST",
      agent: false,
      headers: { expect: "100-continue" },
    });
    sent.flushHeaders();
    await once(sent, "continue");
    sent.end("after all");
    const [message] = (await once(sent, "response")) as [IncomingMessage];
    const seen = JSON.parse((await bodyOf(message)).toString()) as Mirrored;
    assert.equal(seen.body, "after all");
    assert.deepEqual(valuesOf(seen.rawHeaders, "expect"), []);
  });

  test("trailers of streamed and of short replies", async () => {
    await using at = await rig((message, response) => {
      response.writeHead(200, {
        trailer: "x-sum",
        ...(message.url === "/json" ? { "content-type": "text/json" } : {}),
      });
      response.write('{"a":1}');
      response.addTrailers({ "x-sum": "42" });
      response.end();
    });
    for (const path of ["/json", "/stream"]) {
      const answer = await ask(at.port, path);
      assert.deepEqual([answer.body.toString(), answer.trailers["x-sum"]], ['{"a":1}', "42"], path);
    }
  });

  test("an HTTP/1.0 caller gets a reply that ends with its connection", async () => {
    await using at = await rig((_message, response) => {
      response.write("in ");
      response.end("parts");
    });
    const answer = await askRaw(at.port, "GET / HTTP/1.0\r\n\r\n");
    assert.match(answer, /\r\n\r\nin parts$/);
    assert.doesNotMatch(answer, /transfer-encoding/i);
  });
});

describe("streaming", () => {
  test("an event stream passes each event when it is sent, head first", async () => {
    let response: ServerResponse | undefined;
    await using at = await rig((_message, given) => {
      response = given;
      given.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
    });
    const sent = request({ host: "127.0.0.1", port: at.port, agent: false });
    sent.end();
    const [message] = (await once(sent, "response")) as [IncomingMessage];
    for (const event of ["data: 1\n\n", "data: 2\n\n", "data: 3\n\n"]) {
      // The next is sent only when this one has come out: held back, it would never come.
      response?.write(event);
      const [chunk] = (await once(message, "data")) as [Buffer];
      assert.equal(chunk.toString(), event);
    }
    sent.destroy();
  });

  test("both ways at once: each part is answered before the next is sent", async () => {
    await using at = await rig((message, response) => {
      message.pipe(response);
    });
    const sent = request({ host: "127.0.0.1", port: at.port, method: "POST", agent: false });
    sent.write("part 0");
    const [message] = (await once(sent, "response")) as [IncomingMessage];
    const iterator = message[Symbol.asyncIterator]();
    for (let part = 0; part < 5; part++) {
      assert.equal(String((await iterator.next()).value), `part ${part}`);
      sent.write(`part ${part + 1}`);
    }
    sent.end();
    assert.equal(String((await iterator.next()).value), "part 5");
    assert.equal((await iterator.next()).done, true);
  });

  test("64 MiB pass each way, and a reader that stops makes the sender stop", async () => {
    const total = 64 * MEBIBYTE;
    const chunk = Buffer.alloc(256 * 1_024, 7);
    let written = 0;
    await using at = await rig(async (message, response) => {
      if (message.method === "POST") {
        let read = 0;
        for await (const part of message) read += (part as Buffer).length;
        return response.end(String(read));
      }
      for (; written < total; written += chunk.length) {
        if (!response.write(chunk)) await once(response, "drain");
      }
      response.end();
    });
    const sent = request({ host: "127.0.0.1", port: at.port, agent: false });
    sent.end();
    const [message] = (await once(sent, "response")) as [IncomingMessage];
    message.pause();
    // It stands still once every buffer on the way is full: no progress over many turns of the
    // loop.
    for (let still = 0, before = -1; still < 200; still = written === before ? still + 1 : 0) {
      before = written;
      await new Promise((resolve) => setImmediate(resolve));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    assert.ok(written < total / 2, `${written} bytes had been taken for a caller that reads nothing`);
    let read = 0;
    for await (const part of message) read += (part as Buffer).length;
    assert.equal(read, total);

    const upload = request({ host: "127.0.0.1", port: at.port, method: "POST", agent: false });
    const answered = once(upload, "response") as Promise<[IncomingMessage]>;
    const before = process.memoryUsage.rss();
    let peak = before;
    for (let at = 0; at < total; at += chunk.length) {
      if (!upload.write(chunk)) await once(upload, "drain");
      peak = Math.max(peak, process.memoryUsage.rss());
    }
    upload.end();
    assert.equal((await bodyOf((await answered)[0])).toString(), String(total));
    assert.ok(
      peak - before < 48 * MEBIBYTE,
      `${Math.round((peak - before) / MEBIBYTE)} MiB more while it passed through`,
    );
  });
});

describe("pairing", () => {
  test("1,000 requests at once each get their own reply, on few connections", async () => {
    await using at = await rig(mirror);
    const agent = new Agent({ keepAlive: true, maxSockets: 200 });
    const one = (number: number): Promise<void> =>
      new Promise((resolve, reject) => {
        const sent = request(
          { host: "127.0.0.1", port: at.port, path: `/${number}`, method: "POST", agent },
          (message) =>
            bodyOf(message).then((body) => {
              const seen = JSON.parse(body.toString()) as Mirrored;
              assert.deepEqual([seen.url, seen.body], [`/${number}`, `body ${number}`]);
              resolve();
            }, reject),
        );
        sent.on("error", reject).end(`body ${number}`);
      });
    await Promise.all(Array.from({ length: 1_000 }, (_, number) => one(number)));
    agent.destroy();
    assert.ok(at.stations[0].connections() <= 400, `${at.stations[0].connections()} connections`);
  });

  test("requests sent one behind the other on one connection are answered in order", async () => {
    await using at = await rig((message, response) => {
      setTimeout(() => response.end(message.url), message.url === "/1" ? 30 : 0);
    });
    const answer = await askRaw(
      at.port,
      "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    );
    assert.ok(answer.indexOf("/1") < answer.indexOf("/2") && answer.includes("/1"), answer);
  });
});

describe("[F4] when a station fails", () => {
  const counted = (): { seen: string[]; serve: (name: string) => RequestListener } => {
    const seen: string[] = [];
    return {
      seen,
      serve: (name) => async (message, response) => {
        seen.push(`${name} ${message.headers["gsf-epoch"]}`);
        await bodyOf(message);
        response.end(name);
      },
    };
  };

  test("a refused connection: the command goes to the other station at once, key or no key", async () => {
    const { seen, serve } = counted();
    await using at = await rig([serve("north"), serve("south")]);
    await at.stations[0].kill();
    const answer = await ask(at.port, "/", { method: "POST", body: "x" });
    assert.deepEqual([answer.status, answer.body.toString(), answer.headers["gsf-station"]], [200, "south", "south"]);
    assert.deepEqual(seen, ["south 1"]);
  });

  test("a streamed body that was not begun goes to the other station too", async () => {
    const { serve } = counted();
    await using at = await rig([serve("north"), serve("south")]);
    await at.stations[0].kill();
    const headers = { "transfer-encoding": "chunked" };
    assert.equal((await ask(at.port, "/", { method: "POST", body: "x", headers })).body.toString(), "south");
  });

  for (const body of ["short", "streamed"] as const) {
    test(`an unkeyed POST (${body}) to a station that dies with it: 502, outcome unknown, and sent nowhere else`, async () => {
      const { seen, serve } = counted();
      await using at = await rig([(message) => message.socket.destroy(), serve("south")]);
      const headers = body === "short" ? {} : { "transfer-encoding": "chunked" };
      const answer = await ask(at.port, "/", { method: "POST", body: "x", headers });
      const problem = JSON.parse(answer.body.toString()) as { code: string };
      assert.deepEqual(
        [answer.status, problem.code, answer.headers["gsf-outcome"]],
        [502, "AMBIGUOUS_OUTCOME", "unknown"],
      );
      assert.deepEqual(seen, []);
      assert.equal(at.stations[0].received(), 1);
    });
  }

  test("a keyed POST to a station that dies with it is sent to the other under the same key", async () => {
    const keys: (string | undefined)[] = [];
    await using at = await rig([
      (message) => {
        keys.push(message.headers["idempotency-key"] as string);
        message.socket.destroy();
      },
      async (message, response) => {
        keys.push(message.headers["idempotency-key"] as string);
        response.end(await bodyOf(message));
      },
    ]);
    const headers = { "idempotency-key": '"k-1"' };
    const answer = await ask(at.port, "/", { method: "POST", body: "the command", headers });
    assert.deepEqual([answer.status, answer.body.toString()], [200, "the command"]);
    assert.ok(keys.length >= 2 && keys.every((key) => key === '"k-1"'), String(keys));
  });

  test("a short reply that breaks off is not passed on, and asked for again", async () => {
    await using at = await rig([
      (message, response) => {
        response.writeHead(200, { "content-length": "100" });
        response.write("half of it", () => message.socket.destroy());
      },
      (_message, response) => {
        response.end("all of it");
      },
    ]);
    assert.equal((await ask(at.port, "/")).body.toString(), "all of it");
  });

  test("a streamed reply that breaks off cuts the caller's connection, whichever way it was framed", async () => {
    await using at = await rig((message, response) => {
      if (message.url === "/length") response.writeHead(200, { "content-length": String(10 * MEBIBYTE) });
      response.write("half of it");
      setTimeout(() => message.socket.destroy(), 20);
    });
    for (const path of ["/chunked", "/length"]) await assert.rejects(ask(at.port, path), { code: "ECONNRESET" }, path);
    const old = connect(at.port, "127.0.0.1");
    old.write("GET / HTTP/1.0\r\n\r\n");
    old.resume();
    await assert.rejects(once(old, "close"), { code: "ECONNRESET" }, "an HTTP/1.0 caller can only tell by a reset");
  });

  test("200 with an error in its body is not passed on while another station can do better", async () => {
    await using at = await rig([
      (_message, response) => {
        response.writeHead(200, { "content-type": "application/json" }).end('{"error":"uplink lost"}');
      },
      (_message, response) => {
        response.writeHead(200, { "content-type": "application/json" }).end('{"ok":true}');
      },
    ]);
    assert.equal((await ask(at.port, "/")).body.toString(), '{"ok":true}');
  });

  test("[F3] a station that has seen a newer epoch: ours goes above it, and the command goes again", async () => {
    const { seen, serve } = counted();
    const answer = serve("north");
    await using at = await rig((message, response) => {
      if (Number(message.headers["gsf-epoch"]) >= 9) return answer(message, response);
      response.writeHead(412, { "gsf-epoch-seen": "8" }).end();
    });
    const reply = await ask(at.port, "/", { method: "POST", body: "x" });
    assert.deepEqual([reply.status, reply.headers["gsf-epoch"]], [200, "9"], reply.body.toString());
    assert.deepEqual(seen, ["north 9"]);
    const streamed = { "transfer-encoding": "chunked" };
    await using other = await rig((_message, response) => {
      response.writeHead(412, { "gsf-epoch-seen": "8" }).end();
    });
    const refused = await ask(other.port, "/", { method: "POST", body: "x", headers: streamed });
    assert.equal(refused.status, 503, "a streamed body is gone, and the caller is told to come back");
  });

  test("[F5] nobody there: 503 with Retry-After, once the wait is over", async () => {
    await using at = await rig(mirror, { commands: { maxWaitMs: 100 } });
    for (const station of at.stations) await station.kill();
    const answer = await ask(at.port, "/");
    assert.equal(answer.status, 503, answer.body.toString());
    assert.ok(Number(answer.headers["retry-after"]) >= 1);
    assert.equal((JSON.parse(answer.body.toString()) as { code: string }).code, "NO_ELIGIBLE_STATION");
  });
});
