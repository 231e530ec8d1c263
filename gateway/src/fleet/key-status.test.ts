/** What a station's word on a key means, row by row of the table in key-status.ts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { keyStatusOf, keyStatusPath } from "./key-status.ts";
import type { KeyStatusSettings } from "./settings.ts";

const CANCELS: KeyStatusSettings = {
  path: "/commands/{key}?by=gsf",
  method: "DELETE",
  executed: "executed",
  answer: "answer",
  cancelled: "cancelled",
  inFlight: "inflight",
  timeoutMs: 250,
  trustGet: false,
};
const ASKS: KeyStatusSettings = { ...CANCELS, method: "GET" };
const TRUSTS: KeyStatusSettings = { ...ASKS, trustGet: true };

test("[F4] executed with an answer → it ran, and the answer is a JSON reply", () => {
  const status = keyStatusOf(CANCELS, { executed: true, cancelled: false, answer: { status: "ok", key: "k" } });
  assert.ok(status !== "unknown" && status.ran);
  const { body, ...reply } = status.result;
  assert.deepEqual(reply, {
    status: 200,
    statusText: "OK",
    headers: [["content-type", "application/json"]],
    json: { status: "ok", key: "k" },
    trailers: [],
  });
  assert.ok(body.kind === "bytes");
  assert.equal(Buffer.from(body.bytes).toString(), '{"status":"ok","key":"k"}');
});

test("[F4] not executed → sent elsewhere only where the station cancelled it, or a GET is trusted", () => {
  const gone = { ran: false };
  for (const [settings, said, expected] of [
    [CANCELS, { executed: false, cancelled: true }, gone],
    [CANCELS, { executed: false, cancelled: false }, "unknown"],
    [CANCELS, { executed: false, inflight: false }, "unknown"],
    [CANCELS, { executed: true }, "unknown"],
    [CANCELS, { executed: true, answer: null }, "unknown"],
    [CANCELS, { executed: "false", cancelled: true }, "unknown"],
    [CANCELS, { cancelled: true }, "unknown"],
    [ASKS, { executed: false, inflight: false }, "unknown"],
    [ASKS, { executed: false, inflight: false, cancelled: true }, gone],
    [TRUSTS, { executed: false, inflight: false }, gone],
    [TRUSTS, { executed: false, inflight: true }, "unknown"],
    [TRUSTS, { executed: false }, "unknown"],
  ] as const) {
    assert.deepEqual(keyStatusOf(settings, said), expected, JSON.stringify([settings.method, said]));
  }
  for (const said of [undefined, null, "executed", 1, [], [true]]) assert.equal(keyStatusOf(TRUSTS, said), "unknown");
});

test("fields are found below others, and inherited ones are none", () => {
  const nested = { ...CANCELS, executed: "state.done", answer: "state.reply.body", cancelled: "toString" };
  const status = keyStatusOf(nested, { state: { done: true, reply: { body: 0 } } });
  assert.ok(status !== "unknown" && status.ran && status.result.json === 0);
  assert.equal(keyStatusOf(nested, { state: { done: false } }), "unknown");
});

test("a key cannot leave its place in the path", () => {
  assert.equal(keyStatusPath(CANCELS, '../a?b#c/"d$&'), "/commands/..%2Fa%3Fb%23c%2F%22d%24%26?by=gsf");
});
