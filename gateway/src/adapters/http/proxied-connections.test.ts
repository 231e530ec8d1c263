/** [G6] PROXY headers in front of real connections, with TLS and without. */
import assert from "node:assert/strict";
import { once } from "node:events";
import type { RequestListener } from "node:http";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import { connect as connectTls } from "node:tls";
import { rig } from "../../../../test/process/proxy-rig.ts";
import { TestAuthority } from "../../../../test/process/test-authority.ts";
import { ServerContexts } from "../tls/server-contexts.ts";

const mirror: RequestListener = (message, response) => response.end(`from ${message.headers["x-forwarded-for"]}`);
const trusting = { proxyProtocol: { trust: ["127.0.0.1"] } };
const HEADER = "PROXY TCP4 192.0.2.7 10.0.0.1 56789 443\r\n";
const GET = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

async function answerOf(socket: Socket): Promise<string> {
  let text = "";
  socket
    .on("error", () => undefined)
    .on("data", (piece: Buffer) => {
      text += String(piece);
    });
  await once(socket, "close");
  return text;
}

/** Sends the pieces one after the other, each by itself. */
async function said(port: number, ...pieces: string[]): Promise<string> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true }).on("error", () => undefined);
  const answer = answerOf(socket);
  for (const piece of pieces) {
    socket.write(piece, "latin1");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return await answer;
}

test("[G6] a trusted balancer's header → the true caller, in one piece or in many", async () => {
  await using at = await rig(mirror, trusting);
  assert.match(await said(at.port, HEADER + GET), /from 192\.0\.2\.7$/);
  assert.match(await said(at.port, HEADER, GET), /from 192\.0\.2\.7$/);
  assert.match(await said(at.port, "PR", "OXY TCP4 192.0.2.7 10.0.0.1 5", `6789 443\r\n${GET}`), /from 192\.0\.2\.7$/);
  assert.match(await said(at.port, `PROXY UNKNOWN\r\n${GET}`), /from 127\.0\.0\.1$/);
});

test("[G6] no header, or a wrong one, from a trusted balancer → closed unread", async () => {
  await using at = await rig(mirror, trusting);
  assert.equal(await said(at.port, GET), "");
  assert.equal(await said(at.port, `PROXY TCP4 1 2 3 4\r\n${GET}`), "");
  assert.equal(at.stations[0].received() + at.stations[1].received(), 0);
});

test("[G6] a header from any other address → a malformed request", async () => {
  await using at = await rig(mirror, { proxyProtocol: { trust: ["192.0.2.0/24"] } });
  assert.match(await said(at.port, HEADER + GET), /^HTTP\/1\.1 400 /);
  assert.match(await said(at.port, GET), /from 127\.0\.0\.1$/);
});

test("[G6] TLS behind the header → the true caller, too", async () => {
  const authority = await TestAuthority.make();
  const pair = await authority.issue();
  const tls = new ServerContexts({ pairs: [pair], clientCa: undefined, minVersion: "TLSv1.2" });
  await using at = await rig(mirror, trusting, { tls });
  const socket = connect(at.port, "127.0.0.1");
  socket.write(HEADER);
  const secured = connectTls({ socket, ca: authority.certificate, servername: "localhost" });
  secured.write(GET);
  assert.match(await answerOf(secured), /from 192\.0\.2\.7$/);
});
