/**
 * The history of events on a store: what a restart keeps, what a lost second costs, and that no
 * trouble of the store stops anything.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "ground-station-failover/sim";
import { MemoryRecords } from "../../../test/worlds/memory-records.ts";
import { EventHistory, type EventHistoryOptions, idBefore, timeOfEvent } from "./event-history.ts";

const START_MS = 1_790_000_000_000;

async function historyOf(
  options: Partial<EventHistoryOptions> = {},
): Promise<{ history: EventHistory; clock: VirtualClock }> {
  const clock = new VirtualClock();
  const history = new EventHistory({ clock, timeOfDayMs: () => START_MS + clock.nowMs(), ...options });
  await history.open();
  await history.countStored();
  return { history, clock };
}

function happen(history: EventHistory, text: string): string {
  const id = history.nextId();
  history.note(id, JSON.stringify({ id, text }));
  return id;
}

async function textsAfter(history: EventHistory, id = ""): Promise<string[]> {
  const events = await history.after(id, 10_000);
  return events.map(({ text }) => (JSON.parse(text) as { text: string }).text);
}

test("[G3] many events → one commit a second; after a restart they are there, and ids go on above them", async () => {
  const records = new MemoryRecords();
  const { history, clock } = await historyOf({ records });
  const ids = ["a", "b", "c"].map((text) => happen(history, text));
  await clock.advanceBy(999);
  assert.equal(records.commits, 0);
  await clock.advanceBy(1);
  assert.equal(records.commits, 1);
  // Killed: what was not committed is lost, and nothing else.
  happen(history, "lost");
  const again = await historyOf({ records, timeOfDayMs: () => START_MS - 86_400_000 });
  assert.deepEqual(await textsAfter(again.history), ["a", "b", "c"]);
  const next = happen(again.history, "d");
  assert.ok(next > (ids[2] as string));
  assert.deepEqual(await textsAfter(again.history, ids[1]), ["c", "d"]);
  assert.deepEqual(
    (await again.history.before(undefined, 2)).map(({ id }) => id),
    [next, ids[2]],
  );
  assert.equal(again.history.isCompleteAfter(ids[0] as string), true);
  assert.equal(again.history.isCompleteAfter(idBefore(START_MS - 1)), false);
});

test("[G10] more than may be stored, or older → the oldest are removed, and the bounds hold", async () => {
  const records = new MemoryRecords();
  const bounds = { records, maxEvents: 1_000, maxBytes: 1_000_000, maxAgeMs: 3_600_000, kept: 300 };
  const { history, clock } = await historyOf(bounds);
  for (let round = 0; round < 40; round++) {
    for (let n = 0; n < 50; n++) happen(history, `${round}/${n}`);
    await clock.advanceBy(1_000);
  }
  const { events = 0, bytes = 0, lost } = history.status;
  assert.ok(events > 700 && events <= 1_300, `${events}`);
  assert.equal((await records.scan("events", { limit: 10_000 })).length, events);
  assert.ok(bytes > 0);
  assert.equal(lost, 0);
  const recounted = await historyOf(bounds);
  assert.deepEqual([recounted.history.status.events, recounted.history.status.bytes], [events, bytes]);
  await clock.advanceBy(2 * 3_600_000);
  for (let n = 0; n < 600; n++) {
    happen(history, "late");
    if (n % 100 === 0) await clock.advanceBy(1_000);
  }
  await clock.advanceBy(5_000);
  const texts = new Set(await textsAfter(history));
  assert.ok(!texts.has("30/0"), "an event of two hours ago is still there");
});

test("[G1] the store is full, then has room → events wait in memory and are stored; broken → memory only", async () => {
  const records = new MemoryRecords();
  const { history, clock } = await historyOf({ records });
  records.commitError = "full";
  happen(history, "a");
  await clock.advanceBy(2_000);
  assert.equal(history.status.state, "full");
  records.commitError = undefined;
  await clock.advanceBy(6_000);
  assert.equal(history.status.state, "stored");
  assert.equal((await records.scan("events", { limit: 10 })).length, 1);
  records.commitError = "failed";
  happen(history, "b");
  await clock.advanceBy(2_000);
  assert.equal(history.status.state, "failed");
  assert.deepEqual(await textsAfter(history), ["a", "b"]);
  await history.close();
  assert.equal(clock.pending, 0);
});

test("ids of one millisecond keep their order, and give back their time", async () => {
  const { history } = await historyOf();
  const ids = Array.from({ length: 100_002 }, () => history.nextId());
  assert.deepEqual(ids, ids.toSorted());
  assert.equal(new Set(ids).size, ids.length);
  assert.equal(timeOfEvent(ids[0] as string), START_MS);
});
