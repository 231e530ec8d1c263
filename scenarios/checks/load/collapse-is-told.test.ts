/**
 * A lasting collapse needs an event with numbers. A short one does not, nor one in which more than
 * half is answered.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { GatewayEvent } from "../../../gateway/src/compose.ts";
import { OVERLOAD_EVENT } from "../gateway-events.ts";
import { Scripted } from "../scripted.ts";
import { startGateway } from "../scripted-gateway.ts";
import type { WideDraft } from "../wide-world.ts";
import { widePlan } from "../wide-world.ts";
import { collapseIsTold } from "./collapse-is-told.ts";

/**
 * 20 sendings a second from 40 s on, of which `good` are answered in time, for `forMs`; then all
 * are.
 */
async function run(good: number, forMs: number, tell?: object, group: WideDraft["group"] = {}): Promise<string[]> {
  const made = new Scripted(widePlan({ group }), collapseIsTold);
  startGateway(made);
  for (let atMs = 40_000; atMs < 46_000; atMs += 50) {
    await made.at(atMs);
    const place = (atMs / 50) % 20;
    made.finishes(made.begins(made.command()), atMs >= 40_000 + forMs || place < good ? "served" : "left");
    if (atMs % 250 === 0) made.tell("tick");
    if (atMs === 41_500 && tell !== undefined)
      made.tell("gatewayEvent", { type: OVERLOAD_EVENT, group: "atlantic", ...tell } as unknown as GatewayEvent, 1);
  }
  return made.violated;
}

const INVARIANT = "collapse-is-told";

test("a fifth is answered in time, and nobody says so → violated", async () => {
  assert.ok((await run(4, 6_000)).includes(INVARIANT));
});

test("the gateway says so, with its numbers → nothing is wrong", async () => {
  assert.deepEqual(await run(4, 6_000, { offered: 20, ended: 20, answered: 4, refused: 0 }), []);
});

test("many that came before end in a second in which few come → its numbers are right all the same", async () => {
  assert.deepEqual(await run(4, 6_000, { offered: 2, ended: 20, answered: 4, refused: 0 }), []);
});

test("it says so without numbers, or with wrong ones → violated", async () => {
  assert.deepEqual(await run(4, 6_000, { offered: 20, ended: 20 }), [INVARIANT]);
  assert.deepEqual(await run(4, 6_000, { offered: 20, ended: 20, answered: 25, refused: 0 }), [INVARIANT]);
  assert.deepEqual(await run(4, 6_000, { offered: 20, ended: 20, answered: 10, refused: 0 }), [INVARIANT]);
});

test("callers neither say how long they wait nor hang up → nothing is owed; where they say it, it is", async () => {
  const callers = { patienceMs: 2_000, leaves: "silently", retries: 0, retryAfterMs: 500 } as const;
  assert.deepEqual(await run(4, 6_000, undefined, { callers }), []);
  assert.ok((await run(4, 6_000, undefined, { callers, patienceMs: 2_000 })).includes(INVARIANT));
});

test("it is over within a second → nothing is owed", async () => {
  assert.deepEqual(await run(4, 1_000), []);
});

test("over half is answered in time → nothing is owed", async () => {
  assert.deepEqual(await run(12, 6_000), []);
});
