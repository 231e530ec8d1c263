/** Bodies that trickle: every kind of body that has chunks is slowed, nothing else is touched. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CallAbortedError } from "../core/errors.ts";
import { VirtualClock } from "../sim/kernel/virtual-clock.ts";
import { Chaos } from "./chaos.ts";

const CHUNKS = ["range ", "and ", "range rate"];
const ENCODED = CHUNKS.map((chunk) => new TextEncoder().encode(chunk));

async function* chunks(): AsyncGenerator<string> {
  yield* CHUNKS;
}

function slow(clock: VirtualClock): Chaos {
  const chaos = new Chaos({ clock });
  chaos.setSlowBody({ chunkDelayMs: 100 });
  return chaos;
}

async function timedChunks(body: AsyncIterable<unknown>, clock: VirtualClock): Promise<readonly unknown[][]> {
  const seen: unknown[][] = [];
  for await (const chunk of body) seen.push([clock.nowMs(), chunk]);
  return seen;
}

const PACED = CHUNKS.map((chunk, place) => [100 * (place + 1), chunk]);

test("[H] an async iterable gives the same chunks in the same order, each a delay later", async () => {
  const clock = new VirtualClock();
  const body = await slow(clock).wrap(async () => chunks())({});
  assert.deepEqual(await clock.runUntilSettled(timedChunks(body, clock)), PACED);
});

test("[H] a readable stream is slowed and stays one", async () => {
  const clock = new VirtualClock();
  const body = await slow(clock).wrap(async () => ReadableStream.from(chunks()))({});
  assert.ok(body instanceof ReadableStream);
  assert.deepEqual(await clock.runUntilSettled(timedChunks(body, clock)), PACED);
});

test("[H] a Response keeps its status and headers, and its text arrives late but whole", async () => {
  const clock = new VirtualClock();
  const send = async (): Promise<Response> =>
    new Response(ReadableStream.from(ENCODED), { status: 203, headers: { station: "azores" } });
  const response = await slow(clock).wrap(send)({});
  assert.equal(response.status, 203);
  assert.equal(response.headers.get("station"), "azores");
  assert.equal(await clock.runUntilSettled(response.text()), CHUNKS.join(""));
  assert.equal(clock.nowMs(), 300);
});

test("[H] a Response of another realm, or of undici's package, is slowed too", async () => {
  const clock = new VirtualClock();
  const send = async (): Promise<Response> => {
    const response = new Response(ReadableStream.from(ENCODED), { headers: { station: "azores" } });
    const { body, headers, status, statusText } = response;
    const foreign = { body, headers, status, statusText, arrayBuffer: () => response.arrayBuffer() };
    return Object.assign(Object.create({ constructor: class Response {} }), foreign) as Response;
  };
  assert.equal((await send()) instanceof Response, false, "else this proves nothing");
  const response = await slow(clock).wrap(send)({});
  assert.equal(response.headers.get("station"), "azores");
  assert.equal(await clock.runUntilSettled(response.text()), CHUNKS.join(""));
  assert.equal(clock.nowMs(), 300);
});

test("[H] an answer object with a streamed body keeps its other fields", async () => {
  const clock = new VirtualClock();
  const answer = await slow(clock).wrap(async () => ({ status: 200, body: chunks() }))({});
  assert.equal(answer.status, 200);
  assert.deepEqual(await clock.runUntilSettled(timedChunks(answer.body, clock)), PACED);
});

test("[H] an answer whose body is already whole passes unchanged", async () => {
  const clock = new VirtualClock();
  for (const answer of ["text", undefined, null, 7, { status: 200, body: { ok: true } }, new Response(null)]) {
    assert.equal(await slow(clock).wrap(async () => answer)({}), answer);
  }
  assert.equal(clock.pending, 0);
});

test("[H] an abort ends a trickling body at once and reaches its source", async () => {
  const clock = new VirtualClock();
  const controller = new AbortController();
  let cancelledWith: unknown;
  const source = (): ReadableStream<string> =>
    new ReadableStream({
      start: (stream) => stream.enqueue("endless"),
      cancel(reason) {
        cancelledWith = reason;
      },
    });
  const body = await slow(clock).wrap(async () => source())({ signal: controller.signal });
  const read = body.getReader().read();
  await clock.advanceBy(50);
  controller.abort(new Error("lost patience"));
  await assert.rejects(clock.runUntilSettled(read), CallAbortedError);
  assert.ok(cancelledWith instanceof CallAbortedError);
  assert.equal(clock.pending, 0);
});

test("[H] a reader that stops early cancels the source", async () => {
  const clock = new VirtualClock();
  let cancelled = false;
  const source = (): ReadableStream<string> =>
    new ReadableStream({
      start: (stream) => stream.enqueue("endless"),
      cancel() {
        cancelled = true;
      },
    });
  const body = await slow(clock).wrap(async () => source())({});
  const reader = body.getReader();
  await clock.runUntilSettled(reader.read());
  await reader.cancel("enough");
  assert.ok(cancelled);
});

test("[H] taking the fault off lets the rest of a trickling body flow", async () => {
  const clock = new VirtualClock();
  const chaos = slow(clock);
  const body = await chaos.wrap(async () => chunks())({});
  const reading = timedChunks(body, clock);
  await clock.advanceBy(150);
  chaos.off("slow-body");
  assert.deepEqual(await reading, [
    [100, CHUNKS[0]],
    [150, CHUNKS[1]],
    [150, CHUNKS[2]],
  ]);
  assert.equal(clock.pending, 0);
});
