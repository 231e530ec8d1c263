/**
 * Replies that stream for long: counted, and ended with an error when their station is down or was
 * replaced.
 */
import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import type { VirtualClock } from "ground-station-failover/sim";
import { probedPair } from "../../../test/worlds/probed-pair.ts";
import type { Group } from "./group.ts";
import type { GroupEvent } from "./group-events.ts";
import type { CommandReply, SendContext } from "./uplink.ts";

/** A body that its station goes on with until somebody ends it. */
class Body extends PassThrough {
  failure: Error | undefined;

  constructor() {
    super();
    this.on("error", (error) => {
      this.failure = error;
    });
    this.resume();
  }
}

function replyWith(body: Body, context: SendContext, status = 200): CommandReply {
  context.noteStreaming?.(body);
  const streamed = { kind: "stream", stream: body, trailers: () => [] } as const;
  return { status, statusText: "", headers: [], body: streamed, json: undefined, trailers: [] };
}

interface Fleet extends AsyncDisposable {
  readonly clock: VirtualClock;
  readonly group: Group;
  readonly silent: Set<string>;
  readonly told: GroupEvent[];
  /** Opens a stream at the station that serves now. */
  open(): Promise<Body>;
  shown(): Record<string, [inFlight: number, streams: number]>;
}

/** Two stations that stream every reply, heard for some seconds. */
async function fleet(statusOf: (station: string) => number = () => 200): Promise<Fleet> {
  const { gateway, clock, silent } = probedPair(async (station, _request, context) =>
    replyWith(new Body(), context, statusOf(station)),
  );
  const group = gateway.groups.get("atlantic") as Group;
  const told: GroupEvent[] = [];
  group.onEvent((event) => told.push(event));
  const stop = new AbortController();
  const running = gateway.run(stop.signal);
  await clock.advanceBy(5_000);
  const request = { method: "GET", target: "/events", headers: [], body: { kind: "none" } } as const;
  const terms = { idempotencyKey: undefined, idempotent: true, timeLeftMs: undefined };
  return {
    ...{ clock, group, silent, told },
    async open() {
      const { body } = await clock.runUntilSettled(group.handle(request, terms, new AbortController().signal));
      return (body as { readonly stream: unknown }).stream as Body;
    },
    shown: () =>
      Object.fromEntries(group.status.stations.map(({ name, inFlight, streams }) => [name, [inFlight, streams]])),
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running;
    },
  };
}

test("a stream is counted in flight at its station, until it ends", async () => {
  await using at = await fleet();
  const body = await at.open();
  assert.deepEqual(at.shown(), { primary: [1, 1], backup: [0, 0] });
  body.end();
  await at.clock.advanceBy(1);
  assert.deepEqual(at.shown(), { primary: [0, 0], backup: [0, 0] });
});

test("its station is declared down → the stream ends at once, with an error, and an event says so", async () => {
  await using at = await fleet();
  const bodies = [await at.open(), await at.open()];
  at.silent.add("primary");
  await at.clock.advanceBy(2_000);
  for (const body of bodies) assert.match(String(body.failure), /primary is down/);
  assert.equal(at.group.activeStation, "backup");
  const down = at.told.find((event) => event.type === "declaration" && event.to === "down");
  const cut = at.told.filter((event) => event.type === "streams-cut");
  assert.deepEqual(cut, [
    { type: "streams-cut", station: "primary", reason: "down", streams: 2, atMs: (down as { atMs: number }).atMs },
  ]);
  assert.deepEqual(at.shown(), { primary: [0, 0], backup: [0, 0] });
});

test("the other station is declared down → the stream goes on", async () => {
  await using at = await fleet();
  const body = await at.open();
  at.silent.add("backup");
  await at.clock.advanceBy(60_000);
  assert.equal(body.failure, undefined);
});

for (const [what, replace] of Object.entries({
  switchover: (group: Group): unknown => group.switchover("backup", "antenna work"),
  maintenance: (group: Group): unknown => group.setMaintenance("primary", "antenna work", 60_000),
})) {
  test(`[F7] ${what} → streams at the old station may go on for \`drain\`, new ones are at the new station`, async () => {
    await using at = await fleet();
    const [long, short] = [await at.open(), await at.open()];
    replace(at.group);
    await at.clock.advanceBy(9_000);
    assert.equal(at.group.activeStation, "backup");
    assert.equal(long.failure, undefined);
    assert.deepEqual(at.shown(), { primary: [2, 2], backup: [0, 0] });
    short.end();
    const other = await at.open();
    await at.clock.advanceBy(1_500);
    assert.match(String(long.failure), /another station serves in place of primary/);
    assert.deepEqual([short.failure, other.failure], [undefined, undefined]);
    assert.deepEqual(at.shown(), { primary: [0, 0], backup: [1, 1] });
  });
}

test("[F7] switched over and back within `drain` → streams at the station that serves again go on", async () => {
  await using at = await fleet();
  const first = await at.open();
  at.group.switchover("backup", "a mistake");
  await at.clock.advanceBy(2_000);
  const second = await at.open();
  at.group.switchover("primary", "back");
  await at.clock.advanceBy(30_000);
  assert.equal(first.failure, undefined);
  assert.match(String(second.failure), /in place of backup/);
});

test("[F7] maintenance of a station that does not serve → its streams end within `drain`", async () => {
  await using at = await fleet();
  const body = await at.open();
  at.group.switchover("backup", "antenna work");
  await at.clock.advanceBy(1);
  at.group.setMaintenance("primary", "antenna work", 60_000);
  await at.clock.advanceBy(10_500);
  assert.notEqual(body.failure, undefined);
});

test("a streamed reply that is not the answer → ended, not left unread", async () => {
  await using at = await fleet((station) => (station === "primary" ? 500 : 200));
  const body = await at.open();
  await at.clock.advanceBy(1);
  assert.equal(body.failure, undefined);
  assert.deepEqual(at.shown(), { primary: [0, 0], backup: [1, 1] });
});

test("the gateway stops → no timer is left", async () => {
  const at = await fleet();
  await at.open();
  at.group.switchover("backup", "antenna work");
  await at.clock.advanceBy(1);
  await at[Symbol.asyncDispose]();
  assert.equal(at.clock.pending, 0);
});
