/** The middleware in two majors of Express, and with requests as they come over a socket. */
import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import express5 from "express";
import express4 from "express4";
import { ambientDeadline, NO_DEADLINE, systemClock, timeLeftMs } from "../../index.ts";
import { requestDeadline, shedLoad } from "./index.ts";

for (const { major, express } of [
  { major: 5, express: express5 },
  // The types of the later major stand for both.
  { major: 4, express: express4 as unknown as typeof express5 },
]) {
  const listen = async (app: express5.Express) => {
    const server = app.listen(0, "127.0.0.1");
    await once(server, "listening");
    return {
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
      async [Symbol.asyncDispose]() {
        server.closeAllConnections();
        server.close();
      },
    };
  };

  test(`express ${major}: the caller's time becomes the ambient deadline, behind a parsed body too`, async () => {
    const app = express();
    app.use(requestDeadline({ maxMs: 30_000 }), express.json());
    app.post("/", (_, response) => {
      response.json(timeLeftMs(ambientDeadline(), systemClock.nowMs()));
    });
    await using server = await listen(app);
    const leftOf = async (timeLeft: string | undefined) => {
      const headers = { "content-type": "application/json", ...(timeLeft && { "x-time-left-ms": timeLeft }) };
      const response = await fetch(server.url, { method: "POST", headers, body: '{"seconds":12}' });
      return response.status === 200 ? ((await response.json()) as number) : response.status;
    };
    const isUpTo = (ms: number, mostMs: number) => assert.ok(ms > 1_000 && ms <= mostMs, `${ms} of ${mostMs}`);
    isUpTo(await leftOf("20000"), 20_000);
    isUpTo(await leftOf("90000"), 30_000);
    isUpTo(await leftOf("soon"), 30_000);
    isUpTo(await leftOf(undefined), 30_000);
    assert.equal(await leftOf("0"), 504);
  });

  test(`express ${major}: no time is said and none is set → no deadline`, async () => {
    const app = express();
    app.use(requestDeadline());
    app.get("/", (_, response) => {
      response.json(ambientDeadline() === NO_DEADLINE);
    });
    await using server = await listen(app);
    assert.equal(await (await fetch(server.url)).json(), true);
  });

  test(`express ${major}: above maxConcurrent → 503 with Retry-After; answered or gone → served again`, async () => {
    const app = express();
    app.use(shedLoad({ maxConcurrent: 1, retryAfterMs: 1_500 }));
    let waiting: express5.Response | undefined;
    let come = Promise.withResolvers<void>();
    app.get("/", (_, response) => {
      waiting = response;
      come.resolve();
    });
    await using server = await listen(app);
    for (const end of ["answered", "gone"]) {
      come = Promise.withResolvers();
      const caller = new AbortController();
      const first = fetch(server.url, { signal: caller.signal }).then((response) => response.text());
      await come.promise;
      const refused = await fetch(server.url);
      assert.deepEqual([refused.status, refused.headers.get("retry-after")], [503, "2"]);
      const closed = once(waiting as express5.Response, "close");
      if (end === "answered") waiting?.send("served");
      else caller.abort();
      assert.equal(await first.catch(() => "gone"), end === "answered" ? "served" : "gone");
      await closed;
    }
  });
}

test("bad options are refused, with what is allowed", () => {
  assert.throws(() => requestDeadline({ maxMs: 0 }), /maxMs/);
  assert.throws(() => shedLoad({ maxConcurrent: 0 }), /maxConcurrent/);
  assert.throws(() => shedLoad({ max: 1 } as object as { maxConcurrent: number }), /there is no option max/);
});
