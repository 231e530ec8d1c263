/**
 * A guarded HTTP call: timeout, breaker, bulkhead, retry within a budget, and a 200 that carries an
 * error is a failure. Runs against a small unreliable service of its own, so that it can be tried
 * anywhere.
 */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { deadlineAfter, httpErrorBody, ResilientClient } from "ground-station-failover";

let requests = 0;
const server = createServer((_request, response) => {
  requests++;
  response.setHeader("content-type", "application/json");
  response.end(requests % 3 === 1 ? '{"error":"uplink busy"}' : '{"azimuth":141.2}');
});
server.listen(0, "127.0.0.1");
await once(server, "listening");
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/azimuth`;

const station = new ResilientClient({
  name: "station",
  timeoutMs: 1_000,
  bulkhead: { maxConcurrent: 20, acquireTimeoutMs: 100 },
  retry: { maxAttempts: 3, baseMs: 10 },
  classify: httpErrorBody,
});

const answer = await station.call(
  async ({ signal }) => {
    const response = await fetch(url, { signal });
    return { status: response.status, headers: response.headers, body: await response.json() };
  },
  { idempotent: true, deadline: deadlineAfter(2_000) },
);

console.log(`azimuth ${(answer.body as { azimuth: number }).azimuth} after ${requests} requests`);
server.close();
