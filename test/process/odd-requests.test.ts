/**
 * One table of requests, byte for byte, for the gateway's listener and for a station's relay: both
 * refuse the same, and nothing of it reaches the service. Sources: RFC 9112 §3.2 (targets, Host),
 * §5 (fields), §6 (framing), §7.1 (chunks), RFC 9110 §7.8, §10.1.1.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { after, before, test } from "node:test";
import { systemClock } from "ground-station-failover";
import { EpochProofs } from "../../gateway/src/adapters/stations/epoch-proof.ts";
import { ArrivalClock } from "../../gateway/src/station/arrival-clock.ts";
import { StationRelay } from "../../gateway/src/station/relay.ts";
import { RelayFaults } from "../../gateway/src/station/relay-faults.ts";
import { rig } from "./proxy-rig.ts";

/** `method target body` of what reached a service. */
let served: string[] = [];
const serve: RequestListener = (message, response) => {
  let body = "";
  message.on("data", (piece) => {
    body += piece;
  });
  message.on("end", () => {
    served.push(`${message.method} ${message.url?.slice(0, 20)} ${body}`.trim());
    response.end("served");
  });
  message.on("error", () => undefined);
};

const SECRET = Buffer.from("the secret of the station north");
const ports: { name: string; port: number }[] = [];
const open = new AsyncDisposableStack();
after(() => open.disposeAsync());

before(async () => {
  const gateway = open.use(await rig(serve));
  const service = createServer({ maxHeaderSize: 64 * 1_024 }, serve).listen(0, "127.0.0.1");
  await once(service, "listening");
  const arrivals = open.use(new ArrivalClock(systemClock));
  const relayTo = new URL(`http://127.0.0.1:${(service.address() as AddressInfo).port}`);
  const faults = new RelayFaults("north", systemClock);
  const relay = new StationRelay({
    group: "atlantic",
    name: "north",
    secrets: [SECRET],
    relayTo,
    clock: systemClock,
    arrivals,
    faults,
  });
  relay.server.listen(0, "127.0.0.1");
  await once(relay.server, "listening");
  open.defer(async () => {
    await relay.close();
    service.close();
    service.closeAllConnections();
  });
  ports.push({ name: "gateway", port: gateway.port });
  ports.push({ name: "relay", port: (relay.server.address() as AddressInfo).port });
});

interface Said {
  readonly statuses: readonly number[];
  /** Did the other side end the connection? */
  readonly ended: boolean;
  readonly text: string;
}

/**
 * Sends `text`, and then ends its side if `ends`; resolves at the end of the connection, or after
 * `answers` answers.
 */
function send(
  port: number,
  text: string,
  { answers, ends = false }: { answers?: number; ends?: boolean },
): Promise<Said> {
  return new Promise((resolve) => {
    let said = "";
    const statuses = (): number[] => [...said.matchAll(/^HTTP\/1\.1 (\d{3})/gm)].map(([, status]) => Number(status));
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true }, () => {
      socket.write(Buffer.from(text, "latin1"));
      if (ends) socket.end();
    });
    const finish = (ended: boolean): void => {
      resolve({ statuses: statuses(), ended, text: said });
      socket.destroy();
    };
    socket.setTimeout(20_000, () => finish(false));
    socket.on("data", (piece) => {
      said += piece.toString("latin1");
      if (answers !== undefined && statuses().filter((status) => status >= 200).length >= answers) finish(false);
    });
    socket.on("error", () => undefined).on("end", () => finish(true));
    socket.on("close", () => finish(true));
  });
}

const HOST = "Host: localhost\r\n";
const get = (more = "", target = "/x"): string => `GET ${target} HTTP/1.1\r\n${HOST}${more}\r\n`;
const post = (more: string, body: string): string => `POST /x HTTP/1.1\r\n${HOST}${more}\r\n${body}`;
const chunks = (body: string, coding = " chunked"): string => post(`Transfer-Encoding:${coding}\r\n`, body);
const ABC = "3\r\nabc\r\n0\r\n\r\n";

const TAKEN: Readonly<Record<string, readonly [text: string, reaches: string]>> = {
  plain: [get(), "GET /x"],
  "blanks before the target": [`GET   /x HTTP/1.1\r\n${HOST}\r\n`, "GET /x"],
  "a backslash in a query": [get("", "/x?y=\\z"), "GET /x?y=\\z"],
  chunks: [chunks(ABC), "POST /x abc"],
  "a blank behind the coding": [chunks(ABC, " chunked "), "POST /x abc"],
  "a tab before the coding": [chunks(ABC, "\tchunked"), "POST /x abc"],
  "no blank before the coding": [chunks(ABC, "chunked"), "POST /x abc"],
  "the coding in capitals": [chunks(ABC, " CHUNKED"), "POST /x abc"],
  "chunk extensions": [chunks('3;a=b;c="d"\r\nabc\r\n0;x\r\n\r\n'), "POST /x abc"],
  "chunk extensions and trailers": [chunks("3;a=b\r\nabc\r\n0;x=y\r\nX-T: 1\r\nY: 2\r\n\r\n"), "POST /x abc"],
  "a chunk size with zeros": [chunks("0000003\r\nabc\r\n0\r\n\r\n"), "POST /x abc"],
  "an absolute target": [get("", "http://b.example:81/y?z"), "GET /y?z"],
  "an absolute target of HTTP/1.0": ["GET http://b.example/y HTTP/1.0\r\n\r\n", "GET /y"],
  "200 fields": [get("a:\r\n".repeat(200)), "GET /x"],
  "100-continue": [post("Expect: 100-continue\r\nContent-Length: 1\r\n", "1"), "POST /x 1"],
};

for (const [name, [text, reaches]] of Object.entries(TAKEN)) {
  test(`[G1] ${name} → served`, async () => {
    for (const at of ports) {
      served = [];
      const { statuses, text: said } = await send(at.port, text, { answers: 1 });
      assert.deepEqual([statuses.at(-1), served], [200, [reaches]], `${at.name}: ${said}`);
    }
  });
}

const REFUSED: Readonly<Record<string, readonly [text: string, status: number, ends?: boolean]>> = {
  "no Host": ["GET /x HTTP/1.1\r\n\r\n", 400],
  "two Hosts": [get(HOST), 400],
  "a Host with colons in brackets": ["GET /x HTTP/1.1\r\nHost: [:::::::]\r\n\r\n", 400],
  "a Host with dots in brackets": ["GET /x HTTP/1.1\r\nHost: [1.2.3.4]\r\n\r\n", 400],
  "a fragment": [get("", "/x#y"), 400],
  "a fragment in a query": [get("", "/x?y#z"), 400],
  "a fragment in an absolute target": [get("", "http://b.example/x#y"), 400],
  "a backslash in a path": [get("", "/x\\..\\y"), 400],
  "a backslash in an absolute target": [get("", "http://b.example/x\\y"), 400],
  "a backslash behind a host": [get("", "http://b.example\\@c/x"), 400],
  "a Host beyond ASCII": ["GET /x HTTP/1.1\r\nHost: \xc3\xa9\r\n\r\n", 400],
  "a Host with a path": ["GET /x HTTP/1.1\r\nHost: a/b\r\n\r\n", 400],
  "an absolute target whose host is none": [get("", "http://[::1/x"), 400],
  "an absolute target with a password": [get("", "http://u:p@b/x"), 400],
  "a target that is no path": [get("", "a/b"), 400],
  "both framings": [post("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400],
  "two lengths": [post("Content-Length: 3\r\nContent-Length: 3\r\n", "abc"), 400],
  "a length with a sign": [post("Content-Length: +3\r\n", "abc"), 400],
  "chunks of HTTP/1.0": [`POST /x HTTP/1.0\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
  "another coding": [chunks("0\r\n\r\n", " gzip, chunked"), 501],
  // Legal (RFC 9110 §5.5), and not read by Node's parser.
  "a tab behind the coding": [chunks(ABC, " chunked\t"), 400],
  "the coding twice": [post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400],
  "a chunk size of 17 digits": [chunks("FFFFFFFFFFFFFFFFF\r\nabc\r\n0\r\n\r\n"), 400],
  "a chunk size below 0": [chunks("-1\r\nabc\r\n0\r\n\r\n"), 400],
  "a chunk that is longer than its size": [chunks("2\r\nabc\r\n0\r\n\r\n"), 400],
  "a chunk that is shorter than its size": [chunks("5\r\nabc\r\n0\r\n\r\n"), 400],
  "a chunk that never comes, of a caller that ends": [chunks("FFFFFFFFFFFFFFFF\r\nabc"), 400, true],
  "a body that never comes, of a caller that ends": [post("Content-Length: 5\r\n", "abc"), 400, true],
  "a keyed body that never comes, of a caller that ends": [
    post("Idempotency-Key: k\r\nTransfer-Encoding: chunked\r\n", "5\r\nabc"),
    400,
    true,
  ],
  "30,000 fields": [get("a:\r\n".repeat(30_000)), 431],
  "500 fields": [get("a:\r\n".repeat(500)), 431],
  "40 KB of fields": [get(`x: ${"a".repeat(40_000)}\r\n`), 431],
  "40 KB with what stands between them": [get(`${"a".repeat(150)}:b\r\n`.repeat(245)), 431],
  "control characters": [get("x: a\x01b\r\n"), 400],
  "a folded field": [get("x: a\r\n b\r\n"), 400],
  "bare line feeds": ["GET /x HTTP/1.1\nHost: a\n\n", 400],
  "HTTP/2.0": [`GET /x HTTP/2.0\r\n${HOST}\r\n`, 505],
  "HTTP/0.9": ["GET /x\r\n\r\n", 505],
  "a method of Icecast": [`SOURCE /x ICE/1.0\r\n${HOST}\r\n`, 501],
  "another protocol": [get("Upgrade: web socket\r\nConnection: upgrade\r\n"), 501],
  "a tunnel": [`CONNECT a:1 HTTP/1.1\r\n${HOST}\r\n`, 501],
  "an expectation that nobody knows": [post("Expect: 100-continue, foo\r\nContent-Length: 1\r\n", "1"), 417],
};

for (const [name, [text, status, ends]] of Object.entries(REFUSED)) {
  test(`[G6] ${name} → ${status}, and nothing reaches the service`, async () => {
    for (const at of ports) {
      served = [];
      const behind = ends === true ? "" : get("", "/behind");
      const said = await send(at.port, text + behind, { ends: ends === true });
      assert.deepEqual([said.statuses.slice(0, 1), said.ended], [[status], true], `${at.name}: ${said.text}`);
      assert.match(said.text, /application\/problem\+json/);
      assert.deepEqual(served, [], at.name);
    }
  });
}

test("[G6] what comes behind a request that ends its connection is not served, and whole requests before garbage are", async () => {
  for (const at of ports) {
    for (const first of [get("Connection: close\r\n"), get("Upgrade: h2c\r\nConnection: upgrade\r\n")]) {
      served = [];
      const { statuses, ended } = await send(at.port, first + get("", "/behind"), {});
      assert.deepEqual([statuses, ended, served], [[200], true, ["GET /x"]], at.name);
    }
    served = [];
    const { statuses, ended } = await send(at.port, `${get()}\x00\x01\r\n\r\n`, {});
    assert.deepEqual([statuses, ended, served], [[200], true, ["GET /x"]], at.name);
  }
});

test("[G1] CONNECT behind whole requests → their answers come first, each with its own status, and the connection ends", async () => {
  const tunnel = "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n";
  for (const { name, port } of ports) {
    for (const before of [1, 2, 3]) {
      served = [];
      const posts = Array.from({ length: before }, (_, place) => post("Content-Length: 1\r\n", `${place}`)).join("");
      const { ended, text } = await send(port, `${posts}${tunnel}${get()}`, {});
      const statuses = [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => Number(status));
      assert.deepEqual(statuses, Array(before).fill(200), `${name}: ${text}`);
      assert.ok(ended, name);
      assert.deepEqual(
        served,
        Array.from({ length: before }, (_, place) => `POST /x ${place}`),
        name,
      );
    }
    assert.deepEqual((await send(port, tunnel, {})).statuses, [501], name);
  }
});

test("[G1] what the gateway takes, the relay takes with what the gateway adds", async () => {
  const [, relay] = ports;
  served = [];
  const fields = `x: ${"a".repeat(32_000)}\r\n`;
  const proof = new EpochProofs({ shared: [SECRET], own: new Map() }).of({ group: "atlantic", station: "north" }, 1);
  const { statuses, text } = await send(
    relay?.port as number,
    get(`${fields}gsf-epoch: 1\r\ngsf-epoch-proof: ${proof}\r\nvia: 1.1 gsf\r\n`),
    {
      answers: 1,
    },
  );
  assert.deepEqual([statuses, served], [[200], ["GET /x"]], text);
});
