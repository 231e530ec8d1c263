/**
 * What a group and the library tell each other about a call: field by field, and nothing where
 * nothing is said.
 */
import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { test } from "node:test";
import type { FailoverContext } from "ground-station-failover";
import type { LinkedStation } from "./group-calls.ts";
import { callOptionsOf, keyStatusOptions, sendContextOf, signOfLifeMs } from "./group-calls.ts";
import type { Uplink } from "./uplink.ts";

const { signal } = new AbortController();

test("a call's options: its terms, with the time left as an instant on the group's clock", () => {
  const terms = { idempotencyKey: "k", idempotent: true, timeLeftMs: 30, source: "a GET /" };
  assert.deepEqual(callOptionsOf(terms, signal, 1_000), {
    signal,
    idempotent: true,
    idempotencyKey: "k",
    deadline: 1_030,
    source: "a GET /",
  });
});

test("a call's options: what its terms do not say is not there", () => {
  const terms = { idempotencyKey: undefined, idempotent: false, timeLeftMs: undefined };
  assert.deepEqual(callOptionsOf(terms, signal, 1_000), { signal, idempotent: false });
});

test("what an uplink is told of an attempt: within which it may begin is not all the time left", () => {
  const uploading: boolean[] = [];
  const context = {
    station: { name: "north" },
    epoch: 7,
    idempotencyKey: "k",
    signal,
    timeLeftMs: () => 900,
    beginWithinMs: () => 250,
    noteUploading: (isUploading: boolean) => uploading.push(isUploading),
  };
  const keyed = { idempotent: false, idempotencyKey: "k", timeLeftMs: undefined };
  const streams: unknown[] = [];
  const onStream = (...stream: readonly unknown[]): unknown => streams.push(stream);
  const given = context as never as FailoverContext<LinkedStation>;
  assert.equal(sendContextOf(given, keyed, { resendsKeyed: false, isKept: false }, onStream).isRepeatable, false);
  assert.equal(
    sendContextOf(given, { ...keyed, idempotent: true }, { resendsKeyed: false, isKept: false }, onStream).isRepeatable,
    true,
  );
  const { noteUploading, noteStreaming, ...rest } = sendContextOf(
    given,
    keyed,
    { resendsKeyed: true, isKept: true },
    onStream,
  );
  assert.deepEqual(rest, {
    isRepeatable: true,
    isKept: true,
    epoch: 7,
    idempotencyKey: "k",
    timeLeftMs: 900,
    beginWithinMs: 250,
    signal,
  });
  noteUploading?.(true);
  noteUploading?.(false);
  assert.deepEqual(uploading, [true, false]);
  const stream = Readable.from([]);
  noteStreaming?.(stream as never);
  assert.deepEqual(streams, [["north", stream]]);
});

test("how long a sign of life may take: an interval, or an answer where heartbeats are pulled and that takes longer", () => {
  assert.equal(signOfLifeMs({ kind: "udp", intervalMs: 50 }), 50);
  const pulled = { kind: "http", path: "/", intervalMs: 100 } as const;
  assert.deepEqual(
    [signOfLifeMs({ ...pulled, timeoutMs: 30 }), signOfLifeMs({ ...pulled, timeoutMs: 300 })],
    [100, 300],
  );
});

test("how stations are asked about a key: not where that is not set, and `unknown` of one that cannot be asked", () => {
  assert.deepEqual(keyStatusOptions(undefined), {});
  const { keyStatus, keyStatusTimeoutMs } = keyStatusOptions({ timeoutMs: 300 } as never);
  assert.equal(keyStatusTimeoutMs, 300);
  const station = (askOutcome?: Uplink["askOutcome"]): LinkedStation => ({ uplink: { askOutcome } }) as never;
  assert.equal(keyStatus?.(station(), "k", signal), "unknown");
  const asked: unknown[] = [];
  keyStatus?.(
    station((...given) => {
      asked.push(...given);
      return Promise.resolve("unknown");
    }),
    "k",
    signal,
  );
  assert.deepEqual(asked, ["k", signal]);
});
