/**
 * Replies that are none, byte for byte, from real sockets through a real listener: what a caller is
 * told, how soon, and how often the command was sent. Sources: RFC 9110 §15.2 (interim replies),
 * RFC 9112 §4 (status line), §6.3 (framing).
 */
import assert from "node:assert/strict";
import type { RequestListener } from "node:http";
import { after, describe, test } from "node:test";
import { ask, type Rig, rig } from "../../../../test/process/proxy-rig.ts";

const opened: Rig[] = [];
after(async () => {
  for (const one of opened) await one[Symbol.asyncDispose]();
});

async function open(serve: RequestListener | readonly [RequestListener, RequestListener]): Promise<Rig> {
  const one = await rig(serve);
  opened.push(one);
  return one;
}

/** A station that answers with `text` as it stands, once the request is there. */
function saying(text: string): RequestListener {
  return (message) => {
    message.resume();
    message.on("end", () => message.socket.write(text, "latin1"));
  };
}

const well: RequestListener = (message, response) => {
  message.resume();
  message.on("end", () => response.end("well"));
};

const KEYED = { method: "POST", body: "x", headers: { "idempotency-key": "k-1", "content-length": "1" } } as const;
const ONCE = { method: "POST", body: "x", headers: { "content-length": "1" } } as const;

const UNREADABLE: Readonly<Record<string, string>> = {
  "0x01 in a field": "HTTP/1.1 200 OK\r\nx-a: a\x01b\r\ncontent-length: 0\r\n\r\n",
  "0x7f in a field": "HTTP/1.1 200 OK\r\nx-a: a\x7fb\r\ncontent-length: 0\r\n\r\n",
  "0x00 in a field": "HTTP/1.1 200 OK\r\nx-a: a\x00b\r\ncontent-length: 0\r\n\r\n",
  "a space in a field's name": "HTTP/1.1 200 OK\r\nx a: b\r\ncontent-length: 0\r\n\r\n",
  "a field without a colon": "HTTP/1.1 200 OK\r\nnothing\r\n\r\n",
  "a header of 100 KiB": `HTTP/1.1 200 OK\r\nx-a: ${"a".repeat(100_000)}\r\ncontent-length: 0\r\n\r\n`,
  "30,000 fields": `HTTP/1.1 200 OK\r\n${"a:\r\n".repeat(30_000)}content-length: 0\r\n\r\n`,
  "600 fields": `HTTP/1.1 200 OK\r\n${"a:\r\n".repeat(600)}content-length: 0\r\n\r\n`,
  "64 KiB with what stands between fields": `HTTP/1.1 200 OK\r\n${`${"a".repeat(140)}:\r\n`.repeat(460)}\r\n`,
  "no status": "HTTP/1.1 OK\r\ncontent-length: 0\r\n\r\n",
  "a status of two digits": "HTTP/1.1 20 OK\r\ncontent-length: 0\r\n\r\n",
  "a status of four digits": "HTTP/1.1 2000 OK\r\ncontent-length: 0\r\n\r\n",
  "a status below 100": "HTTP/1.1 099 OK\r\ncontent-length: 0\r\n\r\n",
  "another version": "HTTP/7.3 200 OK\r\ncontent-length: 0\r\n\r\n",
  "another protocol": "SSH-2.0-OpenSSH_9.2\r\n",
  "a length that is no number": "HTTP/1.1 200 OK\r\ncontent-length: abc\r\n\r\n",
  "a length below 0": "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
  "a length that no number holds": "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\nabc",
  "two lengths": "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
  "a length and chunks":
    "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
  "another transfer coding": "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
  "a chunk size that is none":
    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nabc\r\n",
  "a chunk size that no number holds":
    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\nabc\r\n",
  "101 that nobody asked for": "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
  "101 without an upgrade": "HTTP/1.1 101 Switching Protocols\r\n\r\n",
};

describe("[G1] a reply that cannot be read → 502 at once, and what is wrong with it", () => {
  for (const [name, text] of Object.entries(UNREADABLE)) {
    test(name, async () => {
      const both = await open(saying(text));
      for (const [asked, times] of [
        [{}, 2],
        [KEYED, 2],
        [ONCE, 1],
      ] as const) {
        const before = both.stations[0].received() + both.stations[1].received();
        const startedMs = performance.now();
        const { status, headers, body } = await ask(both.port, "/", asked);
        const told = JSON.parse(body.toString()) as { code: string; detail: string };
        assert.deepEqual(
          [status, told.code, headers["gsf-outcome"]],
          [502, "UNREADABLE_REPLY", "unknown"],
          told.detail,
        );
        assert.match(told.detail, /(north|south): .+/);
        assert.ok(performance.now() - startedMs < 3_000, "at once");
        assert.ok(both.stations[0].received() + both.stations[1].received() - before <= times);
      }
    });
  }

  test("the other station serves what may be sent again, each time", async () => {
    const one = await open([saying(UNREADABLE["0x01 in a field"] as string), well]);
    for (let count = 0; count < 500 && one.group.activeStation === "north"; count++) {
      assert.equal((await ask(one.port, `/${count}`, KEYED)).status, 200);
      assert.equal((await ask(one.port, `/${count}`)).status, 200);
    }
    assert.equal(one.group.activeStation, "south", "north has failed what the other one served");
  });
});

describe("[G1] interim replies are skipped, asked for or not", () => {
  const FINAL = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nwell";
  const CONTINUE = "HTTP/1.1 100 Continue\r\n\r\n";
  const INTERIM: Readonly<Record<string, string>> = {
    "100": CONTINUE,
    "100 with fields": "HTTP/1.1 100 Continue\r\nx-a: b\r\ndate: now\r\n\r\n",
    "100 without a phrase": "HTTP/1.1 100 \r\n\r\n",
    "100 ten times": CONTINUE.repeat(10),
    "102": "HTTP/1.1 102 Processing\r\n\r\n",
    "103": "HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n",
    "199": "HTTP/1.1 199 Odd\r\n\r\n",
    "100, 103, 102, 100": `${CONTINUE}HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n${CONTINUE}`,
  };
  for (const [name, text] of Object.entries(INTERIM)) {
    test(name, async () => {
      const both = await open(saying(text + FINAL));
      for (const asked of [{}, KEYED, ONCE, ONCE]) {
        const { status, body } = await ask(both.port, "/", asked);
        assert.deepEqual([status, body.toString()], [200, "well"]);
      }
    });
  }

  test("in pieces of one byte", async () => {
    const text = `${CONTINUE}HTTP/1.1 103 Early Hints\r\n\r\n${CONTINUE}${FINAL}`;
    const both = await open((message) => {
      message.resume();
      message.socket.setNoDelay(true);
      message.on("end", async () => {
        for (const byte of text) {
          message.socket.write(byte);
          await new Promise((resolve) => setImmediate(resolve));
        }
      });
    });
    for (let count = 0; count < 3; count++) {
      const { status, body } = await ask(both.port, "/", ONCE);
      assert.deepEqual([status, body.toString()], [200, "well"]);
    }
  });

  test("a body that looks like one is left as it is", async () => {
    const body = `${CONTINUE}HTTP/1.1 100 Continue`;
    const both = await open((message, response) => {
      message.resume();
      message.on("end", () => {
        response.writeHead(200, { "content-length": body.length }).flushHeaders();
        setTimeout(() => response.end(body), 20);
      });
    });
    assert.equal((await ask(both.port, "/", ONCE)).body.toString(), body);
  });
});
