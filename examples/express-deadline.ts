/**
 * An Express server whose handlers work under their caller's deadline: a caller that waits for
 * 300 ms is not kept waiting by a service that never answers. Runs against itself, so that it can
 * be tried anywhere.
 */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import express from "express";
import { DeadlineExceededError, ResilientClient } from "ground-station-failover";
import { requestDeadline, shedLoad } from "ground-station-failover/express";

const station = new ResilientClient({ name: "station" });
const app = express();
app.use(shedLoad({ maxConcurrent: 200 }), requestDeadline({ maxMs: 30_000 }));
app.get("/azimuth", async (_request, response) => {
  const error = await station.call(() => new Promise(() => {})).catch((reason: unknown) => reason);
  response.status(error instanceof DeadlineExceededError ? 504 : 502).send("no answer in time");
});
const server = app.listen(0, "127.0.0.1");
await once(server, "listening");

const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/azimuth`;
const response = await fetch(url, { headers: { "x-time-left-ms": "300", connection: "close" } });
console.log(`${response.status} ${await response.text()}`);
server.close();
