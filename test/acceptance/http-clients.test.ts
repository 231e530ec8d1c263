/**
 * A healthy service, and the ways in which people call it: with `fetch` and its body read at once,
 * with `node:http`, with clients that throw for a status (axios, got, ky). Nothing that the caller
 * did wrong opens its circuit, the caller gets what its client gave, and a service that asks for a
 * moment is given it.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, get, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import {
  type Classifier,
  ConfigurationError,
  httpErrorBody,
  httpStatus,
  PhiAccrualDetector,
  PrimaryBackupFailover,
  problemJson,
  ResilientClient,
} from "ground-station-failover";
import { VirtualClock } from "ground-station-failover/sim";

const BUSY_CALLS = 20;

function axiosError(status: number, headers: Record<string, string> = {}): Error {
  const details = { code: "ERR_BAD_REQUEST", status, response: { status, headers } };
  return Object.assign(new Error(`Request failed with status code ${status}`), details);
}

test("[C2] an HTTP preset beside fetch(…).json() → refused with the line to write; the circuit of a healthy service stays closed", async () => {
  for (const classify of [httpStatus, httpErrorBody, problemJson] as Classifier<unknown>[]) {
    const clock = new VirtualClock();
    const client = new ResilientClient({ name: "north", clock, classify });
    let ran = 0;
    for (let call = 0; call < BUSY_CALLS; call++) {
      const body = client.call(async () => ({ pass: ++ran }), { idempotent: true });
      const error = await clock.runUntilSettled(body.catch((thrown: unknown) => thrown));
      assert.ok(error instanceof ConfigurationError && error.hazard === "nothing-to-judge", String(error));
      assert.match(error.message, /return \{ status: response\.status/);
    }
    assert.deepEqual(
      [client.breaker?.state, client.breaker?.status.calls, ran],
      ["closed", 0, BUSY_CALLS],
      "not retried",
    );
  }
});

test("[F10] an HTTP preset beside fetch(…).json(), through a failover → refused the same way; no station is held to it", async () => {
  const clock = new VirtualClock();
  const detector = new PhiAccrualDetector({ expectedIntervalMs: 100, clock });
  const failover = new PrimaryBackupFailover({
    primary: { name: "north" },
    backup: { name: "south" },
    detector,
    clock,
    client: { classify: httpStatus as Classifier<unknown> },
  });
  const sentTo: string[] = [];
  for (let call = 0; call < BUSY_CALLS; call++) {
    for (const name of ["north", "south"]) detector.noteHeartbeat(name);
    const body = failover.call(({ station }) => ({ pass: sentTo.push(station.name) }), { idempotent: true });
    const error = await clock.runUntilSettled(body.catch((thrown: unknown) => thrown));
    assert.ok(error instanceof ConfigurationError && error.hazard === "nothing-to-judge", String(error));
    await clock.advanceBy(100);
  }
  assert.deepEqual(
    sentTo,
    Array.from({ length: BUSY_CALLS }, () => "north"),
  );
  assert.deepEqual([failover.currentActive, failover.epoch], ["primary", 1]);
  assert.equal(failover.status.stations[0]?.breaker?.failures, 0);
});

test("[C2] a 404 that a client throws → the caller gets that very error; the circuit stays closed, and nothing is retried", async () => {
  const clock = new VirtualClock();
  const client = new ResilientClient<unknown>({ name: "north", clock, classify: httpStatus as Classifier<unknown> });
  let ran = 0;
  for (let call = 0; call < BUSY_CALLS; call++) {
    const missing = axiosError(404);
    const end = client.call(() => Promise.reject(++ran && missing), { idempotent: true });
    assert.equal(await clock.runUntilSettled(end.catch((thrown: unknown) => thrown)), missing);
  }
  assert.deepEqual([client.breaker?.state, client.breaker?.status.failures, ran], ["closed", 0, BUSY_CALLS]);
});

test("[C2] a 500 that a client throws → retried, and opens the circuit", async () => {
  const clock = new VirtualClock();
  const client = new ResilientClient<unknown>({ name: "north", clock, classify: httpStatus as Classifier<unknown> });
  for (let call = 0; call < BUSY_CALLS; call++) {
    const end = client.call(() => Promise.reject(axiosError(500)), { idempotent: true });
    await clock.runUntilSettled(end.catch(() => undefined));
  }
  assert.equal(client.breaker?.state, "open");
});

for (const [how, headers] of [
  ["in seconds", { "retry-after": "2" }],
  ["in seconds, with a blank behind", { "retry-after": "2 " }],
  ["as a date", { date: "Sun, 06 Nov 1994 08:49:37 GMT", "retry-after": "Sun, 06 Nov 1994 08:49:39 GMT" }],
  ["as an obsolete date", { date: "Sun, 06 Nov 1994 08:49:37 GMT", "retry-after": "Sunday, 06-Nov-94 08:49:39 GMT" }],
  ["as the other obsolete date", { date: "Sun Nov  6 08:49:37 1994", "retry-after": "Sun Nov  6 08:49:39 1994" }],
  ["as a date, without a Date", { "retry-after": "Thu, 01 Jan 2026 00:00:02 GMT" }],
] as const) {
  test(`[R1] a service that asks for 2 s, ${how} → is tried again after 2 s`, async () => {
    for (const isThrown of [false, true]) {
      const time = new VirtualClock();
      const clock = Object.assign(time, { wallMs: () => Date.UTC(2026, 0) + time.nowMs() });
      const client = new ResilientClient({ name: "north", clock, classify: httpStatus });
      const sentAtMs: number[] = [];
      const answer = async (): Promise<{ status: number; headers: Record<string, string> }> => {
        sentAtMs.push(clock.nowMs());
        if (sentAtMs.length > 1) return { status: 200, headers: {} };
        if (isThrown) throw axiosError(503, headers);
        return { status: 503, headers };
      };
      assert.equal((await clock.runUntilSettled(client.call(answer, { idempotent: true }))).status, 200);
      assert.deepEqual(sentAtMs, [0, 2_000]);
    }
  });
}

test("[C2] Node's own answers, with statusCode as undici's request has it → judged; the circuit of a healthy service stays closed", async () => {
  const server = createServer((asked, response) => {
    response.statusCode = Number(asked.url?.slice(1));
    response.end("{}");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const client = new ResilientClient({ name: "north", classify: httpStatus, retry: false });
  const answered = async (status: number): Promise<number | undefined> => {
    const answer = await client.call(async ({ signal }) => {
      const [response] = (await once(get(`${url}/${status}`, { signal }), "response")) as [IncomingMessage];
      response.resume();
      return response as IncomingMessage & { statusCode: number };
    });
    return answer.statusCode;
  };
  for (let call = 0; call < BUSY_CALLS; call++) assert.equal(await answered(200), 200);
  assert.deepEqual([client.breaker?.state, client.breaker?.status.failures], ["closed", 0]);
  for (let call = 0; call < BUSY_CALLS; call++) assert.equal(await answered(502), 502);
  assert.equal(client.breaker?.state, "open");
  server.close();
  server.closeAllConnections();
});
