/**
 * The event feed: nothing lost on reconnecting, nothing kept without bound for readers that do not
 * read.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "ground-station-failover/sim";
import { MemoryRecords } from "../../../../test/worlds/memory-records.ts";
import { EventHistory, idBefore } from "../../fleet/event-history.ts";
import { HeldMemory } from "../../fleet/held-memory.ts";
import type { GroupEvent } from "../telemetry/event-sentence.ts";
import { LiveFeed, type LiveFeedOptions } from "./live-feed.ts";

const NOON = new Date("2702-01-01T12:00:00Z");

function feedOf(options: Partial<LiveFeedOptions> = {}): { feed: LiveFeed; clock: VirtualClock } {
  const clock = new VirtualClock();
  const history = new EventHistory({ clock, timeOfDayMs: () => NOON.getTime() });
  return { feed: new LiveFeed({ clock, history, ...options }), clock };
}

/** The id of the n-th event, counted from 1. */
function idOf(n: number, at = NOON): string {
  return `${idBefore(at.getTime())}-${String(n - 1).padStart(5, "0")}`;
}

function adopted(epoch: number): GroupEvent {
  return { type: "epoch-adopted", group: "atlantic", epoch, atMs: epoch };
}

class Client {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  text = "";
  ended = false;

  constructor(stream: ReadableStream<Uint8Array> | undefined) {
    assert.ok(stream !== undefined);
    this.#reader = stream.getReader();
  }

  /** Reads until `pattern` has come. */
  async until(pattern: RegExp): Promise<string> {
    while (!pattern.test(this.text)) await this.once();
    return this.text;
  }

  async once(): Promise<void> {
    const { done, value } = await this.#reader.read();
    if (done) {
      assert.equal(this.ended, false, "the stream has ended already");
      this.ended = true;
    } else this.text += new TextDecoder().decode(value);
  }

  leave(): Promise<void> {
    return this.#reader.cancel();
  }
}

function idsIn(text: string): string[] {
  return [...text.matchAll(/^id: (.*)$/gm)].map(([, id]) => id as string);
}

const never = (): void => assert.fail("this reader keeps up and must not be dropped");

test("a reader gets what happens from now on, with an id and a sentence", async () => {
  const { feed } = feedOf();
  feed.publish(adopted(1), NOON);
  const client = new Client(feed.open(undefined, "10.0.0.1", never));
  feed.publish(adopted(2), NOON);
  const text = await client.until(/"epoch":2/);
  assert.doesNotMatch(text, /"epoch":1,/);
  assert.match(text, /^retry: 1000\n\n/);
  assert.match(text, new RegExp(`\nid: ${idOf(2)}\nevent: epoch-adopted\ndata: \\{`));
  const data = JSON.parse(/data: (.*)/.exec(text)?.[1] as string);
  assert.equal(data.at, "2702-01-01T12:00:00.000Z");
  assert.equal(data.group, "atlantic");
  assert.equal(data.sentence, "a station has seen epoch 2; it is ours from now on");
  feed.close();
});

test("a reader that comes back goes on after the last event it has seen", async () => {
  const { feed } = feedOf();
  for (const epoch of [1, 2, 3]) feed.publish(adopted(epoch), NOON);
  const client = new Client(feed.open(idOf(1), "10.0.0.1", never));
  const text = await client.until(new RegExp(`id: ${idOf(3)}`));
  assert.deepEqual(idsIn(text), [idOf(2), idOf(3)]);
  assert.doesNotMatch(text, /event: gap/);
  feed.close();
});

test("a reader from before a restart gets everything of this run", async () => {
  const { feed } = feedOf();
  feed.publish(adopted(1), NOON);
  const client = new Client(feed.open("b7-99", "10.0.0.1", never));
  assert.match(await client.until(new RegExp(`id: ${idOf(1)}`)), /event: gap/);
  feed.close();
});

test("[G3] an id of before a restart → the stored events of then, in order, then those of now", async () => {
  const records = new MemoryRecords();
  const clock = new VirtualClock();
  const runAt = async (at: Date): Promise<{ feed: LiveFeed; history: EventHistory }> => {
    const history = new EventHistory({ clock, timeOfDayMs: () => at.getTime(), records });
    await history.open();
    return { feed: new LiveFeed({ clock, history, kept: 4 }), history };
  };
  const before = await runAt(NOON);
  for (let epoch = 1; epoch <= 250; epoch++) before.feed.publish(adopted(epoch), NOON);
  await before.history.close();
  // The clock was set back by an hour.
  const { feed } = await runAt(new Date(NOON.getTime() - 3_600_000));
  for (let epoch = 251; epoch <= 260; epoch++) feed.publish(adopted(epoch), NOON);
  const client = new Client(feed.open(idOf(3), "10.0.0.1", never));
  const text = await client.until(/"epoch":260/);
  assert.deepEqual(
    [...text.matchAll(/"epoch":(\d+)/g)].map(([, epoch]) => Number(epoch)),
    Array.from({ length: 257 }, (_, place) => place + 4),
  );
  assert.deepEqual(idsIn(text), idsIn(text).toSorted());
  assert.doesNotMatch(text, /event: gap/);
  feed.publish(adopted(261), NOON);
  await client.until(/"epoch":261/);
  feed.close();
});

test("what neither the ring nor the history holds is told as a gap", async () => {
  const clock = new VirtualClock();
  const history = new EventHistory({ clock, timeOfDayMs: () => NOON.getTime(), kept: 8 });
  const { feed } = feedOf({ kept: 3, history });
  for (let epoch = 1; epoch <= 10; epoch++) feed.publish(adopted(epoch), NOON);
  const client = new Client(feed.open(idOf(2), "10.0.0.1", never));
  const text = await client.until(new RegExp(`id: ${idOf(10)}`));
  assert.match(text, /event: gap\ndata: \{"missed":null\}\n/);
  assert.deepEqual(
    idsIn(text),
    [4, 5, 6, 7, 8, 9, 10].map((n) => idOf(n)),
  );
  feed.close();
});

test("a reader that does not read is dropped once the ring has overtaken it, and only that one", async () => {
  const { feed } = feedOf({ kept: 4 });
  let dropped = 0;
  const slow = feed.open(undefined, "10.0.0.1", () => dropped++);
  assert.ok(slow !== undefined);
  const brisk = new Client(feed.open(undefined, "10.0.0.1", never));
  for (let epoch = 1; epoch <= 20; epoch++) {
    feed.publish(adopted(epoch), NOON);
    await brisk.until(new RegExp(`id: ${idOf(epoch)}\n`));
  }
  assert.equal(dropped, 1);
  assert.equal(feed.readers, 1);
  feed.close();
});

test("silence is filled with comments, by a timer that lives only while somebody reads", async () => {
  const { feed, clock } = feedOf({ silenceMs: 15_000 });
  assert.equal(clock.pending, 0);
  const client = new Client(feed.open(undefined, "10.0.0.1", never));
  await client.once();
  const comment = client.until(/still here/);
  await clock.advanceBy(15_000);
  await comment;
  await client.leave();
  assert.equal(feed.readers, 0);
  assert.equal(clock.pending, 0);
});

test("[G10] long events → a bound in bytes, too, and readers that were overtaken by it are told what they missed", async () => {
  const memory = new HeldMemory({ maxBytes: 10 * 1_024 ** 2 });
  const { feed } = feedOf({ keptBytes: 10_000, memory });
  const long = (epoch: number): GroupEvent =>
    ({
      ...adopted(epoch),
      type: "handover-begun",
      station: "s",
      cause: "failback",
      reason: "x".repeat(900),
    }) as GroupEvent;
  for (let epoch = 1; epoch <= 100; epoch++) feed.publish(long(epoch), NOON);
  const held = memory.status.held.events;
  assert.ok(held > 5_000 && held <= 10_000, `${held}`);
  const client = new Client(feed.open(undefined, "10.0.0.1", never));
  await client.once();
  assert.equal(memory.status.largest?.caller, "10.0.0.1");
  await client.leave();
  assert.equal(memory.status.heldBytes, held);
  for (let epoch = 1; epoch <= 100; epoch++) feed.publish(adopted(epoch), NOON);
  assert.ok(memory.status.held.events <= 10_000);
});

test("there is a bound on readers, and closing ends them all", async () => {
  const { feed, clock } = feedOf({ maxReaders: 2 });
  const clients = [
    new Client(feed.open(undefined, "10.0.0.1", never)),
    new Client(feed.open(undefined, "10.0.0.2", never)),
  ];
  assert.equal(feed.open(undefined, "10.0.0.1", never), undefined);
  await clients[0]?.leave();
  clients[0] = new Client(feed.open(undefined, "10.0.0.1", never));
  feed.close();
  for (const client of clients) while (!client.ended) await client.once();
  assert.equal(clock.pending, 0);
  assert.equal(feed.open(undefined, "10.0.0.1", never), undefined);
});
