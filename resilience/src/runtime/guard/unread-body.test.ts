/** An answer whose body nobody has read is told of once; what has none, or was read, is not. */
import assert from "node:assert/strict";
import { createServer, get, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { Duplex, PassThrough, Readable } from "node:stream";
import { test } from "node:test";
import { PhiAccrualDetector } from "../detection/detectors.ts";
import { PrimaryBackupFailover } from "../failover/failover.ts";
import { ResilientClient } from "./client.ts";
import type { ClientEvent } from "./client-parts.ts";
import { hasUnreadBody } from "./unread-body.ts";

function listening(): { readonly client: ResilientClient; readonly events: ClientEvent[] } {
  const client = new ResilientClient({ name: "north" });
  const events: ClientEvent[] = [];
  client.onEvent((event) => events.push(event));
  return { client, events };
}

test("[R4] an operation returns a Response nobody has read → told once, with what to write", async () => {
  const { client, events } = listening();
  await client.call(() => "no answer");
  for (let call = 0; call < 5; call++) await client.call(async () => new Response("text"));
  assert.equal(events.length, 1);
  const [event] = events;
  assert.ok(event?.type === "unread-body" && /read it inside the operation/.test(event.reason));
});

test("[R4] bodies that were read, answers without one and anything else → nothing is told", async () => {
  const { client, events } = listening();
  const read = async (): Promise<Response> => {
    const reply = new Response("text");
    await reply.text();
    return reply;
  };
  const empty = new Response(null, { status: 204 });
  const results = [read, () => empty, () => ({ status: 200, body: "text" }), () => null, () => 5, () => undefined];
  for (const result of results) await client.call<unknown>(result);
  assert.deepEqual(events, []);
});

const webStream = (): ReadableStream => new ReadableStream({ start: (controller) => controller.enqueue("x") });
const nodeStream = (): Readable => new Readable({ read() {} });

test("[R4] streams that nobody reads, where clients put them → unread", () => {
  for (const [what, result] of [
    ["fetch's body taken out", { status: 200, body: new Response("text").body }],
    ["the body alone", new Response("text").body],
    ["undici", { statusCode: 200, headers: {}, body: nodeStream() }],
    ["axios", { status: 200, data: nodeStream() }],
    ["axios, unpacking", { status: 200, data: new PassThrough() }],
    ["axios with adapter fetch", { status: 200, data: webStream() }],
  ] as const) {
    assert.equal(hasUnreadBody(result), true, what);
  }
});

test("[R4] streams that are read or over, and what is no answer → nothing to tell", async () => {
  const locked = webStream();
  locked.getReader();
  const read = nodeStream();
  read.resume();
  const awaited = nodeStream();
  awaited.on("readable", () => undefined);
  const destroyed = nodeStream();
  destroyed.destroy();
  const used = new Response("text");
  await used.text();
  for (const result of [
    { status: 200, body: locked },
    { status: 200, body: read },
    { status: 200, body: awaited },
    { status: 200, body: destroyed },
    { status: used.status, body: "text" },
    used,
    new Response(null, { status: 204 }),
    { statusCode: 204, readableDidRead: false, readableFlowing: null, pipe() {} },
    { statusCode: 200, complete: true, readableDidRead: false, readableFlowing: null, pipe() {} },
    new Duplex({ read() {}, write() {} }),
    { body: null, data: undefined },
    { data: { pipe: "drawn" } },
    [nodeStream()],
    "text",
    null,
  ]) {
    assert.equal(hasUnreadBody(result), false);
  }
});

/** A service whose body never ends; its address. */
async function serveEndlessly(): Promise<{ readonly server: Server; readonly url: string }> {
  const server = createServer((_, response) => response.writeHead(200).write("x"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` };
}

test("[R4] an http.IncomingMessage and a Response whose bodies never end → told by client and failover, once, with the station", async () => {
  const { server, url } = await serveEndlessly();
  const giveUp = new AbortController();
  const { signal } = giveUp;
  try {
    for (const operation of [
      () => fetch(url, { signal }),
      () =>
        new Promise<IncomingMessage>((resolve, reject) => {
          get(url, { signal }, (reply) => resolve(reply.on("error", () => undefined))).on("error", reject);
        }),
    ] as readonly (() => Promise<unknown>)[]) {
      const { client, events } = listening();
      const failover = new PrimaryBackupFailover({
        primary: { name: "north" },
        backup: { name: "south" },
        detector: new PhiAccrualDetector(),
      });
      const told: unknown[] = [];
      failover.onEvent((event) => {
        if (event.type === "unread-body") told.push([event.station, event.reason]);
      });
      for (let call = 0; call < 3; call++) {
        await client.call(operation);
        await failover.call(operation);
      }
      assert.deepEqual([events.length, events[0]?.type], [1, "unread-body"]);
      assert.deepEqual(told, [["north", (events[0] as { reason: string }).reason]]);
    }
  } finally {
    giveUp.abort();
    server.closeAllConnections();
    server.close();
  }
});
