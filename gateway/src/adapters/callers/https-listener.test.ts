/**
 * [G6] A group's listener that speaks TLS, over real sockets: which certificate it shows, whom it
 * lets in, what a station learns of the caller, and what happens when certificates are replaced
 * while callers are connected.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import type { IncomingMessage, RequestListener } from "node:http";
import { Agent, type RequestOptions, request } from "node:https";
import { connect as connectTcp } from "node:net";
import { test } from "node:test";
import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";
import { type Rig, rig } from "../../../../test/process/proxy-rig.ts";
import { TestAuthority } from "../../../../test/process/test-authority.ts";
import { CertificateError, type ListenerCertificates } from "../tls/certificates.ts";
import { ServerContexts } from "../tls/server-contexts.ts";

const authority = await TestAuthority.make();
const pair = await authority.issue();
const ca = authority.certificate;

function certificates(changes: Partial<ListenerCertificates> = {}): ListenerCertificates {
  return { pairs: [pair], clientCa: undefined, minVersion: "TLSv1.2", ...changes };
}

/** Answers with the header fields that it was asked with. */
const mirror: RequestListener = (message, response) => {
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify(message.headers));
};

interface Told {
  readonly status: number | undefined;
  readonly body: string;
  readonly socket: TLSSocket;
}

async function ask(port: number, options: RequestOptions = {}): Promise<Told> {
  const sent = request({ host: "127.0.0.1", port, ca, agent: false, ...options });
  sent.end();
  const [message] = (await once(sent, "response")) as [IncomingMessage];
  const socket = message.socket as TLSSocket;
  let body = "";
  for await (const chunk of message) body += String(chunk);
  return { status: message.statusCode, body, socket };
}

/** The names of the certificate that is shown to a caller that asks for `servername`. */
async function shownTo(port: number, options: ConnectionOptions = {}): Promise<string> {
  const socket = connect({ port, host: "127.0.0.1", ca, rejectUnauthorized: false, ...options });
  await once(socket, "secureConnect");
  const { subject } = socket.getPeerCertificate();
  socket.destroy();
  return String(subject.CN);
}

test("[G6] caller with TLS → served, and the station learns that it was https", async () => {
  await using at = await rig(mirror, {}, { tls: new ServerContexts(certificates()) });
  const { status, body } = await ask(at.port);
  assert.equal(status, 200);
  assert.equal((JSON.parse(body) as Record<string, string>)["x-forwarded-proto"], "https");
  assert.deepEqual(at.proxy.certificates?.[0]?.names, ["localhost", "127.0.0.1"]);
});

test("[G6] a name that is asked for → its certificate; an unknown one → the first", async () => {
  const north = await authority.issue({ names: ["north.example"] });
  const all = await authority.issue({ names: ["*.south.example"], commonName: "all of the south" });
  const tls = new ServerContexts(certificates({ pairs: [pair, north, all] }));
  await using at = await rig(mirror, {}, { tls });
  assert.equal(await shownTo(at.port, { servername: "north.example" }), "north.example");
  assert.equal(await shownTo(at.port, { servername: "NORTH.example" }), "north.example");
  assert.equal(await shownTo(at.port, { servername: "a.south.example" }), "all of the south");
  for (const servername of ["a.b.south.example", "south.example", "elsewhere.example", ""])
    assert.equal(await shownTo(at.port, { servername }), "localhost", servername);
});

test("[G6] a version of TLS below the least → refused in the handshake", async () => {
  await using at = await rig(mirror, {}, { tls: new ServerContexts(certificates({ minVersion: "TLSv1.3" })) });
  await assert.rejects(ask(at.port, { maxVersion: "TLSv1.2" }), { code: "EPROTO" });
  assert.equal((await ask(at.port)).status, 200);
});

test("[G6] callers' certificates are asked for → nobody else gets in, and the subject is told", async () => {
  const clients = await TestAuthority.make();
  const ops = await clients.issue({ commonName: "Opé of Lima" });
  const stranger = await authority.issue({ commonName: "stranger" });
  const tls = new ServerContexts(certificates({ clientCa: clients.certificate }));
  const section = { certificate: "c", key: "k", sni: [], minVersion: "TLSv1.2" } as const;
  await using at = await rig(mirror, { tls: { ...section, subjectHeader: "X-Caller" } }, { tls });
  await assert.rejects(ask(at.port));
  await assert.rejects(ask(at.port, { cert: stranger.certificate, key: stranger.key }));
  assert.equal(at.stations[0].received(), 0);
  const { status, body } = await ask(at.port, {
    cert: ops.certificate,
    key: ops.key,
    headers: { "x-caller": "CN=root", X_Caller: "CN=root", "client-cert": ":forged:" },
  });
  assert.equal(status, 200);
  const told = JSON.parse(body) as Record<string, string>;
  assert.deepEqual(
    Object.keys(told).filter((name) => /caller|cert/.test(name)),
    ["x-caller"],
  );
  assert.equal(told["x-caller"], "CN=Op\\C3\\A9 of Lima");
});

test("[G6] certificates are replaced → new connections see the new, open ones go on", async () => {
  const tls = new ServerContexts(certificates());
  await using at = await rig(mirror, {}, { tls });
  using agent = new KeptAgent();
  const first = await ask(at.port, { agent: agent.agent });
  const renewed = await authority.issue({ commonName: "renewed" });
  tls.prepare(certificates({ pairs: [renewed] }))();
  assert.equal(await shownTo(at.port), "renewed");
  assert.equal(await shownTo(at.port, { servername: "localhost" }), "renewed");
  const again = await ask(at.port, { agent: agent.agent });
  assert.equal(again.socket.localPort, first.socket.localPort, "the same connection");
});

test("[G6] a pair that does not match → refused, and the old one stays", async () => {
  const tls = new ServerContexts(certificates());
  await using at = await rig(mirror, {}, { tls });
  const other = await authority.issue({ commonName: "other" });
  const bad = [
    { certificate: other.certificate, key: pair.key },
    { certificate: "nothing", key: pair.key },
    { certificate: other.certificate, key: "nothing" },
    { certificate: `${other.certificate.slice(0, 200)}\n-----END CERTIFICATE-----`, key: other.key },
  ];
  for (const one of bad) assert.throws(() => tls.prepare(certificates({ pairs: [pair, one] })), CertificateError);
  assert.throws(() => tls.prepare(certificates({ clientCa: "nothing" })), /needs a restart/);
  assert.equal(await shownTo(at.port), "localhost");
});

test("[G6] a streamed reply that breaks off → the caller's connection is reset, not ended", async () => {
  await using at = await rig(
    (_message, response) => {
      response.writeHead(200, { connection: "close" });
      response.write("half of it");
      setTimeout(() => response.socket?.resetAndDestroy(), 20);
    },
    {},
    { tls: new ServerContexts(certificates()) },
  );
  // HTTP/1.0: only the end of the connection marks the end of the body.
  const socket = connect({ port: at.port, host: "127.0.0.1", ca });
  socket.write("GET / HTTP/1.0\r\nHost: a\r\n\r\n");
  const seen = await new Promise<string>((resolve) => {
    socket.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? "")).on("end", () => resolve("end"));
    socket.resume();
  });
  assert.equal(seen, "ECONNRESET");
});

test("[G6] no TLS, or no handshake at all → closed, and others are served", async () => {
  const tls = new ServerContexts(certificates());
  await using at = await rig(mirror, {}, { tls, maxConnections: 3, callerRatio: 1 });
  const plain = connectTcp(at.port, "127.0.0.1");
  plain.on("error", () => undefined).resume();
  plain.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  await once(plain, "close");
  const silent = connectTcp(at.port, "127.0.0.1").on("error", () => undefined);
  await once(silent, "connect");
  assert.equal((await ask(at.port)).status, 200);
  const closed = once(silent, "close");
  const drained = at.proxy.drain(50);
  await closed;
  await drained;
});

test("[G7] a stop → idle connections with TLS end at once, commands in flight are answered", async () => {
  const arrived = Promise.withResolvers<() => void>();
  await using at: Rig = await rig(
    (_message, response) => arrived.resolve(() => void response.end("in time")),
    {},
    { tls: new ServerContexts(certificates()) },
  );
  const answer = ask(at.port, { headers: { connection: "keep-alive" } });
  const respond = await arrived.promise;
  const drained = at.proxy.drain(10_000);
  respond();
  assert.equal((await answer).body, "in time");
  await drained;
});

/** An agent that keeps its connection. */
class KeptAgent implements Disposable {
  readonly agent: Agent = new Agent({ keepAlive: true, maxSockets: 1 });

  [Symbol.dispose](): void {
    this.agent.destroy();
  }
}
