/**
 * The stream of a group's heartbeats: whole lines, no holes, nothing kept without bound, nothing
 * done while nobody reads.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Heartbeat } from "ground-station-failover";
import { VirtualClock } from "ground-station-failover/sim";
import type { BeatListener, Group } from "../../fleet/group.ts";
import { HeldMemory } from "../../fleet/held-memory.ts";
import { BeatStreams, type BeatStreamsOptions } from "./beat-streams.ts";

/** As much of a group as a stream sees. */
function groupOf(): { readonly group: Group; readonly listeners: Set<BeatListener>; beat(beat?: Heartbeat): void } {
  const listeners = new Set<BeatListener>();
  let atMs = 0;
  const group = {
    name: "atlantic",
    settings: { heartbeat: { kind: "udp", intervalMs: 50 } },
    onBeat(listener: BeatListener): Disposable {
      listeners.add(listener);
      return { [Symbol.dispose]: () => listeners.delete(listener) };
    },
  };
  return {
    group: group as unknown as Group,
    listeners,
    beat(beat) {
      atMs += 50;
      for (const listener of listeners) listener("primary", beat, atMs);
    },
  };
}

function streamsOf(options: Partial<BeatStreamsOptions> = {}): { streams: BeatStreams; clock: VirtualClock } {
  const clock = new VirtualClock();
  return { streams: new BeatStreams({ clock, ...options }), clock };
}

const never = (): void => assert.fail("this reader keeps up and must not be dropped");

function readerOf(stream: ReadableStream<Uint8Array> | undefined): { next(): Promise<string>; leave(): Promise<void> } {
  assert.ok(stream !== undefined);
  const reader = stream.getReader();
  return {
    async next() {
      const { value, done } = await reader.read();
      return done ? "end" : new TextDecoder().decode(value);
    },
    leave: () => reader.cancel(),
  };
}

test("[D10] the first line says what is recorded, each further one is a heartbeat with what it carried", async () => {
  const { streams } = streamsOf();
  const { group, beat } = groupOf();
  const reader = readerOf(streams.open(group, "10.0.0.1", never));
  assert.deepEqual(JSON.parse(await reader.next()), {
    recording: "atlantic",
    kind: "udp",
    intervalMs: 50,
    startedMs: 0,
  });
  beat({ sequence: 7, sentAtMs: 3.5, incarnation: 2 });
  assert.equal(await reader.next(), '{"node":"primary","arrival":50,"sequence":7,"sent":3.5,"incarnation":2}\n');
  beat();
  assert.equal(await reader.next(), '{"node":"primary","arrival":100}\n');
});

test("[D10] nothing listens to a group that nobody records", async () => {
  const { streams } = streamsOf();
  const { group, listeners } = groupOf();
  const reader = readerOf(streams.open(group, "10.0.0.1", never));
  assert.equal(listeners.size, 1);
  await reader.leave();
  assert.deepEqual([listeners.size, streams.readers], [0, 0]);
});

test("[D10] a reader that does not keep up is cut off, not given a trace with a hole", () => {
  const { streams } = streamsOf({ maxWaitingBytes: 400 });
  const { group, listeners, beat } = groupOf();
  let dropped = 0;
  streams.open(group, "10.0.0.1", () => dropped++);
  for (let beats = 0; beats < 100; beats++) beat();
  assert.deepEqual([dropped, listeners.size, streams.readers], [1, 0, 0]);
});

test("[G10] what waits for readers is counted, and given back as they take it, leave, or are cut off", async () => {
  const memory = new HeldMemory({ maxBytes: 2_000 });
  const { streams } = streamsOf({ memory, maxWaitingBytes: 1_000 });
  const { group, beat } = groupOf();
  let dropped = 0;
  const brisk = readerOf(streams.open(group, "10.0.0.2", never));
  streams.open(group, "10.0.0.1", () => dropped++);
  await brisk.next();
  for (let beats = 0; beats < 100 && dropped === 0; beats++) {
    const next = brisk.next();
    beat();
    await next;
    assert.ok(memory.status.heldBytes <= 2_000);
  }
  assert.deepEqual([dropped, streams.readers], [1, 1]);
  await brisk.leave();
  assert.equal(memory.status.heldBytes, 0);
});

test("[D10] an empty line breaks a long silence, and no timer stays behind", async () => {
  const { streams, clock } = streamsOf({ silenceMs: 1_000 });
  const { group } = groupOf();
  const reader = readerOf(streams.open(group, "10.0.0.1", never));
  await reader.next();
  const next = reader.next();
  await clock.advanceBy(1_000);
  assert.equal(await next, "\n");
  await reader.leave();
  await clock.advanceBy(10_000);
  assert.equal(clock.pending, 0);
});

test("[D10] there are at most so many readers, and all are ended when the gateway closes", async () => {
  const { streams } = streamsOf({ maxReaders: 1 });
  const { group } = groupOf();
  const reader = readerOf(streams.open(group, "10.0.0.1", never));
  assert.equal(streams.open(group, "10.0.0.1", never), undefined);
  await reader.next();
  streams.close();
  assert.equal(await reader.next(), "end");
  assert.equal(streams.open(group, "10.0.0.1", never), undefined);
});
