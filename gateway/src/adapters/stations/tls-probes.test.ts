/** Stations with TLS that is not as it should be: what a probe of them says, in words. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo, Server } from "node:net";
import { type TestContext, test } from "node:test";
import { groupSettings } from "../../../../test/process/proxy-rig.ts";
import { failureInWords } from "../../fleet/failure-words.ts";
import { healthPage } from "../../fleet/uplink.ts";
import { answers } from "../../station/service-check.ts";
import { httpUplink } from "./http-uplink.ts";

/** For tests only: of `north.example`, signed by itself, valid until 2126. */
const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgJtDjzXZhFYs633Lw
0VkMVaMKNCxSrMSRcVvHWwriYzyhRANCAASz3pA4JsL/iGXg4Fq7vqL8vXTSloNz
eDqLW/fTgnUXKrohITAsjhJfmtfAsfjaY3Q9HpL6y/pcOCt0frTEQOmp
-----END PRIVATE KEY-----`;
const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBoTCCAUegAwIBAgIUBdyqHMR3OH+uQ1zWyw5OvNfsjbQwCgYIKoZIzj0EAwIw
GDEWMBQGA1UEAwwNbm9ydGguZXhhbXBsZTAgFw0yNjExMzAwOTUzNTZaGA8yMTI2
MTEwNjA5NTM1NlowGDEWMBQGA1UEAwwNbm9ydGguZXhhbXBsZTBZMBMGByqGSM49
AgEGCCqGSM49AwEHA0IABLPekDgmwv+IZeDgWru+ovy9dNKWg3N4Ootb99OCdRcq
uiEhMCyOEl+a18Cx+NpjdD0ekvrL+lw4K3R+tMRA6amjbTBrMB0GA1UdDgQWBBRd
XUQhRBQkoT+Q1JZApIZyrUdEsDAfBgNVHSMEGDAWgBRdXUQhRBQkoT+Q1JZApIZy
rUdEsDAPBgNVHRMBAf8EBTADAQH/MBgGA1UdEQQRMA+CDW5vcnRoLmV4YW1wbGUw
CgYIKoZIzj0EAwIDSAAwRQIgO/6GjhyEacMMSCjILFZ+LgaADiA7Q4q4T+g98BO3
cf8CIQDmRU+svQtuGNgnjF/FmQK24upbdBURwqmaxYfLNaN8/A==
-----END CERTIFICATE-----`;

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
    assert.match(text, /^its certificate is self-signed; name its file in NODE_EXTRA_CA_CERTS$/);
});

test("[G6] a service without TLS is told as such", async (t) => {
  const words = await said(
    t,
    createServer((_request, response) => response.end()),
  );
  for (const text of words) assert.match(text, /it does not speak TLS there/);
});
