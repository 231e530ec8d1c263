/**
 * A guarded `fetch`: the service cuts the body of its first answer, and the second one is whole.
 * Runs against a small unreliable service of its own, so that it can be tried anywhere.
 */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { resilientFetch } from "ground-station-failover/fetch";

let requests = 0;
const server = createServer((_request, response) => {
  requests++;
  const body = '{"azimuth":141.2}';
  response.writeHead(200, { "content-type": "application/json", "content-length": body.length });
  if (requests === 1) response.write(body.slice(0, 5), () => setImmediate(() => response.destroy()));
  else response.end(body);
});
server.listen(0, "127.0.0.1");
await once(server, "listening");
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/azimuth`;

const fetch = resilientFetch({ name: "station", timeoutMs: 1_000, deadlineMs: 5_000 });
const response = await fetch(url);
const { azimuth } = (await response.json()) as { azimuth: number };

console.log(`azimuth ${azimuth} after ${requests} requests`);
server.close();
