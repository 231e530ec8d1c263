/** When a station's service counts as living: on a virtual clock, and against real sockets. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, test } from "node:test";
import { VirtualClock } from "ground-station-failover/sim";
import { answers, type Check, ServiceCheck, takesConnections } from "./service-check.ts";

/**
 * Runs `check` every 200 ms with 1 s of time until `lastMs`; tells when checks began and what was
 * told when.
 */
async function run(check: (number: number, clock: VirtualClock, signal: AbortSignal) => Promise<void>, lastMs: number) {
  const clock = new VirtualClock();
  const began: number[] = [];
  const told: [number, boolean, string][] = [];
  const stop = new AbortController();
  const running = new ServiceCheck({
    clock,
    check: (signal) => {
      began.push(clock.nowMs());
      return check(began.length - 1, clock, signal);
    },
    intervalMs: 200,
    timeoutMs: 1_000,
    onChange: (lives, why) => told.push([clock.nowMs(), lives, why]),
  }).run(stop.signal);
  await clock.advanceTo(lastMs);
  stop.abort();
  await running;
  return { began, told };
}

describe("a service's life", () => {
  test("the first result is told, and every change", async () => {
    const { began, told } = await run(async (number) => {
      if (number === 0 || number === 3) throw new Error(`failed ${number}`);
    }, 1_050);
    assert.deepEqual(began, [0, 200, 400, 600, 800, 1_000]);
    assert.deepEqual(told, [
      [0, false, "failed 0"],
      [200, true, ""],
      [600, false, "failed 3"],
      [800, true, ""],
    ]);
  });

  test("a check that is not answered in time has failed, and the next one begins then", async () => {
    const { began, told } = await run(
      (_number, _clock, signal) =>
        new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
      2_500,
    );
    assert.deepEqual(began, [0, 1_000, 2_000]);
    assert.deepEqual(told, [[1_000, false, "no answer in 1000 ms"]]);
  });
});

describe("how a service is asked", () => {
  const passes = (check: Check): Promise<boolean> =>
    check(new AbortController().signal).then(
      () => true,
      () => false,
    );

  test("2xx and 3xx pass, 4xx and 5xx do not, a closed port passes neither way", async () => {
    const server = createServer((request, response) => response.writeHead(Number(request.url?.slice(1))).end("x"));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const url = (path: string): URL => new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`);
    const port = url("/200");
    const seen = await Promise.all(["/200", "/302", "/404", "/503"].map((path) => passes(answers(url(path)))));
    assert.deepEqual(seen, [true, true, false, false]);
    assert.equal(await passes(takesConnections(port)), true);
    server.close();
    server.closeAllConnections();
    await once(server, "close");
    assert.deepEqual([await passes(answers(port)), await passes(takesConnections(port))], [false, false]);
  });
});
