/**
 * What a caller sends on one connection, byte for byte, to a real listener in front of real
 * stations: which requests reach them, in which order, and what is answered. Sources: RFC 9112
 * §9.3.2 (pipelining), §9.6 (closing), RFC 9110 §7.8 (Upgrade), §7.2 (Host).
 */
import assert from "node:assert/strict";
import { connect } from "node:net";
import { after, test } from "node:test";
import { type Rig, rig } from "../../../../test/process/proxy-rig.ts";

/** What the stations did, by when they began and ended. */
let done: string[] = [];
const opened: Rig[] = [];
after(async () => {
  for (const one of opened) await one[Symbol.asyncDispose]();
});

async function proxy(): Promise<number> {
  if (opened[0] !== undefined) return opened[0].port;
  const one = await rig((message, response) => {
    let body = "";
    message.on("data", (piece) => {
      body += piece;
    });
    message.on("end", () => {
      done.push(`${message.method} ${message.url} ${body}`.trim());
      const end = (): void => {
        done.push(`end ${message.url}`);
        response.end(message.url);
      };
      if (message.url?.startsWith("/slow") === true) setTimeout(end, 100);
      else end();
    });
  });
  opened.push(one);
  return one.port;
}

interface Said {
  readonly statuses: readonly number[];
  readonly text: string;
  readonly closed: boolean;
}

/**
 * Sends `text`, and returns what came until the connection ended, or until `answers` answers were
 * there.
 */
async function send(text: string | Buffer, answers = Number.POSITIVE_INFINITY): Promise<Said> {
  const port = await proxy();
  done = [];
  return new Promise((resolve) => {
    let said = "";
    const statuses = (): number[] => [...said.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => Number(status));
    const socket = connect(port, "127.0.0.1", () => socket.write(text));
    const finish = (closed: boolean): void => {
      resolve({ statuses: statuses(), text: said, closed });
      socket.destroy();
    };
    socket.setTimeout(10_000, () => finish(false));
    socket.on("data", (piece) => {
      said += piece.toString("latin1");
      if (statuses().length >= answers) finish(false);
    });
    socket.on("error", () => undefined);
    socket.on("close", () => finish(true));
  });
}

const HOST = "Host: localhost\r\n";
const post = (path: string, more = ""): string => `POST ${path} HTTP/1.1\r\n${HOST}${more}Content-Length: 1\r\n\r\n1`;

test("[G1] requests on one connection are carried out one after the other, in their order", async () => {
  const { statuses } = await send(`${post("/slow-start")}${post("/stop")}GET /then HTTP/1.1\r\n${HOST}\r\n`, 3);
  assert.deepEqual(statuses, [200, 200, 200]);
  assert.deepEqual(done, [
    "POST /slow-start 1",
    "end /slow-start",
    "POST /stop 1",
    "end /stop",
    "GET /then",
    "end /then",
  ]);
});

for (const [name, first, status] of [
  ["a request that says close", `GET /slow-one HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`, 200],
  ["a request of HTTP/1.0", `GET /slow-one HTTP/1.0\r\n${HOST}\r\n`, 200],
  ["an offer of h2c", `GET /slow-one HTTP/1.1\r\n${HOST}Upgrade: h2c\r\nConnection: upgrade\r\n\r\n`, 200],
  ["an offer of h2c with a body", post("/slow-one", "Upgrade: h2c\r\nConnection: upgrade\r\n"), 200],
  ["a refused request", `GET /slow-one HTTP/1.1\r\n${HOST}${HOST}\r\n`, 400],
] as const) {
  test(`[G6] ${name} is answered, and nothing behind it reaches a station`, async () => {
    const { statuses, closed } = await send(`${first}${post("/behind")}`);
    assert.deepEqual([statuses, closed], [[status], true]);
    assert.deepEqual(
      done.filter((line) => line.includes("/behind")),
      [],
    );
  });
}

test("[G6] the body behind an ignored offer of h2c is never taken for a request", async () => {
  const offer = post("/first", "Upgrade: h2c\r\nConnection: upgrade\r\n");
  const { closed } = await send(
    `${offer}POST /second HTTP/1.1\r\n${HOST}Content-Length: 40\r\n\r\nGET /evil HTTP/1.1\r\n${HOST}\r\n`,
  );
  assert.ok(closed);
  assert.deepEqual(done, ["POST /first 1", "end /first"]);
});

test("[G6] the answer of a complete request comes although what follows it cannot be read", async () => {
  const { statuses, closed, text } = await send(`${post("/slow-whole")}\x00\x01 garbage\r\n\r\n`);
  assert.deepEqual([statuses, closed], [[200], true]);
  assert.match(text, /slow-whole$/);
  const two = await send(
    `${post("/slow-whole")}POST /broken HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\nzz\r\n`,
  );
  assert.deepEqual([two.statuses, two.closed], [[200], true]);
  assert.deepEqual(done, ["POST /slow-whole 1", "end /slow-whole"]);
});

test("[G6] thousands of requests on one connection → the first are served, and the connection ends", async () => {
  const { statuses, closed } = await send(`GET /one HTTP/1.1\r\n${HOST}\r\n`.repeat(5_000));
  assert.ok(closed);
  assert.ok(statuses.length >= 1 && statuses.length <= 200, `${statuses.length} answers`);
  assert.equal(done.filter((line) => line.startsWith("GET")).length, statuses.length);
});

test("[G6] requests on one connection that are more than one piece → each is read in its turn, and all are answered", async () => {
  const field = `x: ${"a".repeat(4_000)}\r\n`;
  const paths = Array.from({ length: 200 }, (_, place) => `/number-${place}`);
  const text = paths.map((path) => `GET ${path} HTTP/1.1\r\n${HOST}${field}\r\n`).join("");
  const { statuses } = await send(`${post("/slow-first")}${text}`, 201);
  assert.deepEqual(statuses, Array(201).fill(200));
  assert.deepEqual(
    done.filter((line) => line.startsWith("GET")),
    paths.map((path) => `GET ${path}`),
  );
});

for (const more of ["", "Connection: close\r\n"]) {
  test(`[G6] a long body behind a slow request is read in its turn ${more}`.trim(), async () => {
    const bytes = 3_000_000;
    const long = `POST /long HTTP/1.1\r\n${HOST}${more}Content-Length: ${bytes}\r\n\r\n${"b".repeat(bytes)}`;
    const { statuses } = await send(`GET /slow-one HTTP/1.1\r\n${HOST}\r\n${long}`, 2);
    assert.deepEqual(statuses, [200, 200]);
    assert.deepEqual(
      done.map((line) => [line.slice(0, 12), line.length]),
      [
        ["GET /slow-on", 13],
        ["end /slow-on", 13],
        ["POST /long b", 11 + bytes],
        ["end /long", 9],
      ],
    );
  });
}

test("[G6] a Host that is none, another protocol and other expectations are refused, and reach nobody", async () => {
  for (const host of ["u:p@evil", "evil/p?x", "a b", "a:99999x", "\u00e9", "a:99999", "[::1", "a:-1"]) {
    const { statuses, closed } = await send(Buffer.from(`GET /host HTTP/1.1\r\nHost: ${host}\r\n\r\n`, "latin1"));
    assert.deepEqual([statuses, closed, done], [[400], true, []], host);
  }
  for (const host of ["localhost", "localhost:80", "[::1]:8080", "a.b-c_d", "127.0.0.1", ""]) {
    assert.deepEqual((await send(`GET /host HTTP/1.1\r\nHost: ${host}\r\n\r\n`, 1)).statuses, [200], host);
  }
  for (const [text, status] of [
    [`GET /1 HTTP/2.0\r\n${HOST}\r\n`, 505],
    ["GET /1\r\n\r\n", 505],
    [`SOURCE /1 ICE/1.0\r\n${HOST}\r\n`, 501],
    [`DESCRIBE /1 RTSP/1.0\r\n${HOST}\r\n`, 400],
    [post("/1", "Expect: 100-continue, foo\r\n"), 417],
    [post("/1", "Expect: fire\r\n"), 417],
  ] as const) {
    const { statuses } = await send(text);
    assert.deepEqual([statuses, done], [[status], []], text);
  }
});
