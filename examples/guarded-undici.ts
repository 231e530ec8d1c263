/**
 * An undici agent whose requests are guarded: the service is overloaded at first, and says when it
 * can be asked again. Runs against a small service of its own, so that it can be tried anywhere.
 */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { resilientInterceptor } from "ground-station-failover/undici";
import { Agent, request } from "undici";

let requests = 0;
const server = createServer((_request, response) => {
  requests++;
  if (requests === 1) response.writeHead(503, { "retry-after": "0" }).end("busy");
  else response.end('{"azimuth":141.2}');
});
server.listen(0, "127.0.0.1");
await once(server, "listening");
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/azimuth`;

const guard = resilientInterceptor({ name: "station", timeoutMs: 1_000, deadlineMs: 5_000 });
const dispatcher = new Agent().compose(guard);
const { body } = await request(url, { dispatcher });
const { azimuth } = (await body.json()) as { azimuth: number };

console.log(`azimuth ${azimuth} after ${requests} requests`);
await dispatcher.close();
server.close();
