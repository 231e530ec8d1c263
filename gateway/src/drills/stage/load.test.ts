import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { systemClock } from "ground-station-failover";
import { LoadSource } from "./load.ts";
import type { CallRecord, OpenCall } from "./observations.ts";
import type { WrittenSource } from "./settings.ts";
import { readSource } from "./settings-schema.ts";

interface Running {
  readonly source: LoadSource;
  readonly sent: OpenCall[];
  readonly ended: CallRecord[];
  /** Resolves when so many have ended. */
  until(count: number): Promise<void>;
}

async function running(
  context: TestContext,
  answer: RequestListener,
  written: Partial<Omit<WrittenSource, "burst">> & { burst?: { everyMs: number; commands: number } },
): Promise<Running> {
  const server = createServer(answer);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const read = readSource("source", JSON.parse(JSON.stringify({ perSecond: 100, ...written })));
  if ("problems" in read) throw new Error(read.problems.join());
  const [sent, ended]: [OpenCall[], CallRecord[]] = [[], []];
  const source = new LoadSource({
    to: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`),
    ...{ settings: read.value, prefix: "c", clock: systemClock, machineNowMs: () => systemClock.nowMs() },
    addresses: [undefined],
    onSent: (call) => sent.push(call),
    onEnded: (record) => ended.push(record),
  });
  context.after(async () => {
    await source.stop(0);
    server.closeAllConnections();
    server.close();
  });
  const until = async (count: number): Promise<void> => {
    while (ended.length < count) await systemClock.sleepUntil(systemClock.nowMs() + 5);
  };
  return { source, sent, ended, until };
}

test("commands → keyed POSTs, whose answers are recorded with the station", async (context) => {
  const keys: unknown[] = [];
  const { ended, until } = await running(
    context,
    (request, response) => {
      keys.push(request.headers["idempotency-key"]);
      request.resume();
      response.writeHead(200, { "gsf-station": "north", "content-type": "application/json" }).end('{"command":"c"}');
    },
    {},
  );
  await until(3);
  assert.deepEqual(keys.slice(0, 3), ["c-0", "c-1", "c-2"]);
  const { command, status, station, error } = ended[0] as CallRecord;
  assert.deepEqual(
    { command, status, station, error },
    { command: "c-0", status: 200, station: "north", error: undefined },
  );
});

test("errors of each kind → a code for each", async (context) => {
  let asked = 0;
  const { ended, until } = await running(
    context,
    (request, response) => {
      request.resume();
      const kind = asked++;
      if (kind === 0) response.writeHead(503).end();
      else if (kind === 1) response.writeHead(200).end('{"status":"error"}');
      else if (kind === 2) response.socket?.destroy();
      // The others are not answered.
    },
    { patienceMs: 150, perSecond: 200 },
  );
  await until(4);
  const errors = ended.map(({ error }) => error);
  assert.ok(errors.includes("status-503") && errors.includes("error-body") && errors.includes("gave-up"));
  assert.ok(errors.some((error) => error === "UND_ERR_SOCKET" || error === "ECONNRESET"));
});

test("a slow upload → comes whole, at its rate", async (context) => {
  const sizes: number[] = [];
  const { ended, until } = await running(
    context,
    async (request, response) => {
      let bytes = 0;
      for await (const chunk of request) bytes += (chunk as Buffer).length;
      sizes.push(bytes);
      response.end("{}");
    },
    { kind: "uploads", bytes: 4_000, bytesPerSecond: 10_000, perSecond: 5 },
  );
  await until(1);
  assert.deepEqual(sizes, [4_000]);
  const { sentMs, endedMs, error } = ended[0] as CallRecord;
  assert.equal(error, undefined);
  assert.ok(endedMs - sentMs >= 200, `${endedMs - sentMs}`);
});

test("a burst beside the rate → so many at once", async (context) => {
  const { sent, until } = await running(context, (_, response) => response.end("{}"), {
    perSecond: 0.01,
    burst: { everyMs: 100, commands: 25 },
  });
  await until(25);
  const instants = sent.slice(1, 25).map(({ sentMs }) => sentMs);
  assert.ok(Math.max(...instants) - Math.min(...instants) < 100);
});

test("a source that is stopped → its open commands end, and nothing is sent any more", async (context) => {
  const { source, sent, ended } = await running(context, () => undefined, { patienceMs: 60_000 });
  while (sent.length < 3) await systemClock.sleepUntil(systemClock.nowMs() + 5);
  await source.stop(20);
  assert.equal(ended.length, sent.length);
  assert.ok(ended.every(({ error }) => error === "ended-early"));
});
