/** Promise [B1]: a rate over a window, with a floor of calls under which nothing is judged. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CircuitBreaker, ResilientClient } from "ground-station-failover";
import { VirtualClock } from "ground-station-failover/sim";

/** Runs calls of which every `nth` fails, `gapMs` apart, and tells where it tripped, if it did. */
async function trippedAt(calls: number, nth: number, gapMs: number, options = {}): Promise<number | undefined> {
  const clock = new VirtualClock();
  const breaker = new CircuitBreaker({ clock, ...options });
  for (let call = 1; call <= calls; call++) {
    const permit = breaker.tryAcquire();
    if (call % nth === 0) breaker.noteFailure(permit);
    else breaker.noteSuccess(permit);
    if (breaker.state !== "closed") return call;
    await clock.advanceBy(gapMs);
  }
  return undefined;
}

test("[B1] 5 of 5 failures do not trip at the default floor", async () => {
  assert.equal(await trippedAt(5, 1, 10), undefined);
});

test("[B1] 50 of 100 failures trip, as soon as the floor is reached", async () => {
  assert.equal(await trippedAt(100, 2, 10), 20);
});

test("[B1] 50 of 100 trip also where the floor is a hundred: exactly at the threshold counts", async () => {
  assert.equal(await trippedAt(100, 2, 10, { minimumVolume: 100 }), 100);
});

test("[B1] below the threshold no number of failures trips: a third of thirty thousand", async () => {
  assert.equal(await trippedAt(30_000, 3, 0), undefined);
});

test("[B1] the incident's fifty failures, spread over a day, trip nothing", async () => {
  assert.equal(await trippedAt(50, 1, 86_400_000 / 50), undefined);
});

test("[B1] through a client: 5 of 5 leave it closed, 50 of 100 open it", async () => {
  for (const [failures, successes, state] of [
    [5, 0, "closed"],
    [50, 50, "open"],
  ] as const) {
    const client = new ResilientClient({
      name: "uplink",
      clock: new VirtualClock(),
      breaker: { minimumVolume: failures + successes > 20 ? 100 : 20 },
    });
    const outcomes = Array.from({ length: failures + successes }, (_, call) => call % 2 === 0 || successes === 0);
    for (const bad of outcomes) {
      await client.call(async () => (bad ? Promise.reject(new Error("down")) : "up")).catch(() => undefined);
    }
    assert.equal(client.breaker?.state, state);
  }
});
