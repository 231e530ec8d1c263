import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { systemClock } from "ground-station-failover";
import { CommandLoad, dueAfterMs } from "./load.ts";
import type { CommandRecord } from "./sums.ts";

/**
 * Sends commands to a service that answers as `answer` says, and returns the record of the first
 * one.
 */
async function firstRecord(answer: (response: ServerResponse) => void, deadlineMs = 5_000): Promise<CommandRecord> {
  const server = createServer((request, response) => {
    request.resume();
    answer(response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const first = Promise.withResolvers<CommandRecord>();
  const load = new CommandLoad({
    to: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`),
    ratePerSecond: 100,
    deadlineMs,
    prefix: "c",
    clock: systemClock,
    machineNowMs: () => systemClock.nowMs(),
    onRecord: (record) => {
      if (record.command === "c-0") first.resolve(record);
    },
  });
  const record = await first.promise;
  await load.stop();
  server.close();
  server.closeAllConnections();
  return record;
}

test("a clean 2xx is no error, and says who served it", async () => {
  const record = await firstRecord((response) => response.writeHead(201, { "x-served-by": "south" }).end("{}"));
  assert.deepEqual([record.status, record.station, record.error], [201, "south", undefined]);
  assert.ok(record.endedMs >= record.sentMs);
});

test("any other status, and 200 with an error in the body, are errors in the eyes of the caller", async () => {
  const refused = await firstRecord((response) => response.writeHead(503).end("nobody is fit"));
  assert.equal(refused.error, "status 503: nobody is fit");
  const lie = await firstRecord((response) => response.end('{"error":"uplink lost"}'));
  assert.match(lie.error ?? "", /error in the body/);
});

test("a broken connection and a silence beyond the deadline are errors without a status", async () => {
  const broken = await firstRecord((response) => response.destroy());
  assert.equal(broken.status, undefined);
  assert.match(broken.error ?? "", /^no answer: /);
  const silent = await firstRecord(() => undefined, 30);
  assert.deepEqual([silent.status, silent.error], [undefined, "no answer within 30 ms"]);
});

test("it sends at its rate while nobody answers: commands do not wait for one another", async () => {
  let waiting = 0;
  const all = Promise.withResolvers<void>();
  await firstRecord((response) => {
    if (++waiting === 10) all.resolve();
    all.promise.then(() => response.end("{}"));
  });
  assert.ok(waiting >= 10);
});

test("the rate grows evenly for a second and is steady from then on", () => {
  assert.equal(dueAfterMs(0, 100), 0);
  assert.equal(dueAfterMs(50, 100), 1_000);
  assert.equal(dueAfterMs(51, 100), 1_010);
  assert.ok(dueAfterMs(1, 100) > dueAfterMs(50, 100) - dueAfterMs(49, 100));
});
