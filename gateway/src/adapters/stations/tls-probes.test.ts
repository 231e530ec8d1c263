/** Stations with TLS that is not as it should be: what a probe of them says, in words. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo, Server } from "node:net";
import { type TestContext, test } from "node:test";
import { CERTIFICATE, KEY } from "../../../../test/process/long-lived-certificate.ts";
import { groupSettings } from "../../../../test/process/proxy-rig.ts";
import { failureInWords } from "../../fleet/failure-words.ts";
import { healthPage } from "../../fleet/uplink.ts";
import { answers } from "../../station/service-check.ts";
import { httpUplink } from "./http-uplink.ts";

/** How often a machine that stands still may take a handshake's time. */
const TRIES = 20;

/** What a probe by the gateway and a check by a station say of `https://` at `server`. */
async function said(t: TestContext, server: Server): Promise<string[]> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const url = `https://localhost:${(server.address() as AddressInfo).port}/`;
  await using uplink = httpUplink(groupSettings([1]), { name: "north", url, capacityPerSecond: 1 });
  const { signal } = new AbortController();
  // Awaited here, before the uplink is closed.
  const checks = [() => uplink.probe(healthPage("/"), signal), () => answers(new URL(url))(signal)];
  return await Promise.all(
    checks.map(async (check) => {
      let text = "";
      for (let tries = 0; tries < TRIES; tries++) {
        text = await check().then(() => "well", failureInWords);
        if (text !== "no connection in time") break;
      }
      return text;
    }),
  );
}

test("[G6] a certificate that is signed by itself is told as such", async (t) => {
  const words = await said(
    t,
    createTlsServer({ key: KEY, cert: CERTIFICATE }, (_request, response) => response.end()),
  );
  for (const text of words)
    assert.match(text, /^its certificate is self-signed; name its file in tls.ca of the station/);
});

test("[G6] a service without TLS is told as such", async (t) => {
  const words = await said(
    t,
    createServer((_request, response) => response.end()),
  );
  for (const text of words) assert.match(text, /it does not speak TLS there/);
});
