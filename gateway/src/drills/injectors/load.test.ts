/** Callers at a real service: counted by how they end, bounded, and gone at the abort. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { contextOf, lift, until } from "../../../../test/drills/lifting.ts";
import { UserError } from "../../adapters/process/exit-codes.ts";
import type { JsonObject } from "../experiment/experiment.ts";
import { load } from "./load.ts";

class Service implements AsyncDisposable {
  readonly server: Server;
  requests = 0;
  cut = 0;
  receivedBytes = 0;

  private constructor(serve: RequestListener) {
    this.server = createServer((request, response) => {
      this.requests++;
      response.once("close", () => {
        if (!response.writableFinished) this.cut++;
      });
      request.on("data", (piece: Buffer) => (this.receivedBytes += piece.length));
      serve(request, response);
    });
  }

  static async that(serve: RequestListener): Promise<Service> {
    const service = new Service(serve);
    service.server.listen(0, "127.0.0.1");
    await once(service.server, "listening");
    return service;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, "close");
  }
}

test("a burst of calls → all answered, counted by status, with quantiles", async () => {
  await using service = await Service.that((_, response) => response.writeHead(404).end("no"));
  const args = { do: "calls", url: service.url, count: 40, burst: 20, ratePerSecond: 400 };
  const prepared = await load.prepare(args, contextOf());
  assert.equal(service.requests, 0);
  assert.equal(await prepared.felt(), undefined);
  const output = (await prepared.inject()) as JsonObject;
  assert.deepEqual([output["sent"], output["answered"], output["statuses"]], [40, 40, { 404: 40 }]);
  assert.ok(Number((output["latencyMs"] as JsonObject)["p99"]) > 0);
  assert.ok(await prepared.felt());
  assert.deepEqual(await prepared.remaining(), []);
});

test("impatient callers of a silent service → all give up", async () => {
  await using service = await Service.that(() => undefined);
  const args = { do: "calls", url: service.url, count: 10, ratePerSecond: 500, patienceMs: 50 };
  const prepared = await load.prepare(args, contextOf());
  const output = (await prepared.inject()) as JsonObject;
  assert.deepEqual([output["sent"], output["gaveUp"]], [10, 10]);
  await until(() => service.cut === 10);
  assert.ok(await prepared.felt());
});

test("callers that hang up → the service sees each of them go", async () => {
  await using service = await Service.that(() => undefined);
  const args = { do: "hang-ups", url: service.url, count: 5, ratePerSecond: 500, afterMs: 100 };
  const prepared = await load.prepare(args, contextOf());
  const output = (await prepared.inject()) as JsonObject;
  assert.equal(output["hungUp"], 5);
  await until(() => service.cut === 5);
});

test("slow uploads → they last as long as their bytes at that rate", async () => {
  await using service = await Service.that((request, response) => {
    request.once("end", () => response.end("ok"));
  });
  const args = { do: "uploads", url: service.url, count: 3, bodyBytes: 1_000, bodyBytesPerSecond: 4_000 };
  const prepared = await load.prepare(args, contextOf());
  const beforeMs = performance.now();
  const output = (await prepared.inject()) as JsonObject;
  assert.ok(performance.now() - beforeMs >= 200);
  assert.deepEqual(output["statuses"], { 200: 3 });
  assert.equal(service.receivedBytes, 3_000);
});

test("more calls in flight than allowed → the others are not sent", async () => {
  await using service = await Service.that(() => undefined);
  const args = { do: "calls", url: service.url, count: 20, burst: 20, maxInFlight: 5, patienceMs: 200 };
  const prepared = await load.prepare(args, contextOf());
  const output = (await prepared.inject()) as JsonObject;
  assert.deepEqual([output["sent"], output["notSent"]], [5, 15]);
});

for (const [title, end] of [
  ["aborted", (stop: AbortController) => Promise.resolve(stop.abort())],
  ["lifted", (_: AbortController, inverses: Parameters<typeof lift>[0]) => lift(inverses)],
] as const) {
  test(`a load in the background that is ${title} → callers go, nothing is left`, async () => {
    await using service = await Service.that(() => undefined);
    const stop = new AbortController();
    const args = { do: "calls", url: service.url, ratePerSecond: 200, until: "started" };
    const prepared = await load.prepare(args, contextOf(stop.signal));
    await prepared.inject();
    await until(() => service.requests > 5);
    assert.equal((await prepared.remaining()).length, 1);
    await end(stop, prepared.inverses);
    assert.deepEqual(await prepared.remaining(), []);
    await until(() => service.cut === service.requests);
  });
}

test("a load over its time → ends by itself and counts what it cut", async () => {
  await using service = await Service.that(() => undefined);
  const args = { do: "calls", url: service.url, count: 3, ratePerSecond: 100, forMs: 200 };
  const prepared = await load.prepare(args, contextOf());
  const output = (await prepared.inject()) as JsonObject;
  assert.equal(output["cut"], 3);
  assert.deepEqual(await prepared.remaining(), []);
});

test("a service that is gone → errors by code, not felt", async () => {
  const service = await Service.that(() => undefined);
  const { url } = service;
  await service[Symbol.asyncDispose]();
  const prepared = await load.prepare({ do: "calls", url, count: 2, ratePerSecond: 100 }, contextOf());
  const output = (await prepared.inject()) as JsonObject;
  assert.deepEqual(output["errors"], { ECONNREFUSED: 2 });
  assert.equal(await prepared.felt(), undefined);
});

test("random arrivals → all are made", async () => {
  await using service = await Service.that((_, response) => response.end());
  const args = { do: "calls", url: service.url, count: 20, ratePerSecond: 200, arrivals: "poisson" };
  const prepared = await load.prepare(args, contextOf());
  const output = (await prepared.inject()) as JsonObject;
  assert.equal(output["answered"], 20);
});

test("another machine, and wrong arguments → refused by field", async () => {
  await assert.rejects(load.prepare({ do: "calls", url: "http://192.0.2.1/" }, contextOf()), UserError);
  const fields = (args: JsonObject): string[] => load.problems(args).map((one) => one.split(":")[0] as string);
  assert.deepEqual(fields({ do: "calls", url: "ftp://127.0.0.1/" }), ["url"]);
  assert.deepEqual(fields({ do: "calls" }), ["url"]);
  assert.deepEqual(fields({ do: "calls", url: "http://a:b@127.0.0.1/", ratePerSecond: 1e9 }), ["url", "ratePerSecond"]);
  assert.deepEqual(fields({ do: "uploads", url: "http://127.0.0.1/", method: "GET" }), ["method"]);
});
