/** An answer whose body nobody has read is told of once; what has none, or was read, is not. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ResilientClient } from "./client.ts";
import type { ClientEvent } from "./client-parts.ts";

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
