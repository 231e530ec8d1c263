/**
 * Ids of requests over real sockets: every request gets one, the station sees it, and every
 * response has it, whoever made it and however the request ended.
 */
import assert from "node:assert/strict";
import type { IncomingMessage, RequestListener } from "node:http";
import { test } from "node:test";
import { ask, askRaw, rig } from "../../../../test/process/proxy-rig.ts";

const SHOWN: RequestListener = (message, response) => {
  response.setHeader("x-seen", message.headers["x-request-id"] ?? "none");
  response.setHeader("x-seen-trace", JSON.stringify([message.headers["traceparent"], message.headers["tracestate"]]));
  response.end();
};

function idsIn({ rawHeaders }: Pick<IncomingMessage, "rawHeaders">): string[] {
  return rawHeaders.filter((_, place) => place % 2 === 1 && rawHeaders[place - 1]?.toLowerCase() === "x-request-id");
}

test("[F9] no id → one is made, the station and the caller get the same, another request gets another", async () => {
  await using at = await rig(SHOWN);
  const first = await ask(at.port, "/");
  const second = await ask(at.port, "/");
  assert.equal(first.headers["x-seen"], first.headers["x-request-id"]);
  assert.match(String(first.headers["x-request-id"]), /^[0-9a-f]{12}-[0-9a-z]+$/);
  assert.notEqual(first.headers["x-request-id"], second.headers["x-request-id"]);
});

test("[F9] a well-formed id is kept; one too long, twice, empty or with a space is replaced", async () => {
  await using at = await rig(SHOWN);
  const kept = "Root=1-67891233/abc'$(x)";
  const answer = await ask(at.port, "/", { headers: { "X-Request-ID": kept } });
  assert.deepEqual([answer.headers["x-request-id"], answer.headers["x-seen"]], [kept, kept]);
  for (const headers of [
    ["host", "a", "x-request-id", "x".repeat(129)],
    ["host", "a", "x-request-id", "one", "X-Request-Id", "two"],
    ["host", "a", "x-request-id", ""],
    ["host", "a", "x-request-id", "a b"],
    ["host", "a", "x_request_id", "twin"],
  ]) {
    const replaced = await ask(at.port, "/", { headers });
    assert.match(String(replaced.headers["x-request-id"]), /^[0-9a-f]{12}-/, String(headers));
    assert.equal(replaced.headers["x-seen"], replaced.headers["x-request-id"], String(headers));
  }
});

test("[F9] an id named by Connection still reaches the station; traceparent and tracestate pass unchanged", async () => {
  await using at = await rig(SHOWN);
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const headers = { connection: "close, x-request-id", "x-request-id": "mine", traceparent, tracestate: "a=1,b=2" };
  const answer = await ask(at.port, "/", { headers });
  assert.equal(answer.headers["x-seen"], "mine");
  assert.equal(answer.headers["x-seen-trace"], JSON.stringify([traceparent, "a=1,b=2"]));
});

test("[F9] the station answers with another id → the caller gets its own, the station's under another name", async () => {
  await using at = await rig((_message, response) => {
    response.setHeader("X-Request-Id", "of-the-station");
    response.write("streamed");
    setTimeout(() => response.end(), 5);
  });
  const answer = await ask(at.port, "/", { headers: { "x-request-id": "mine" } });
  assert.deepEqual(idsIn({ rawHeaders: [...answer.raw] }), ["mine"]);
  assert.equal(answer.headers["gsf-station-request-id"], "of-the-station");
});

test("[F9] a refusal, a lost station and rubbish → a problem with the id, and how to explain it", async () => {
  await using at = await rig(SHOWN, { limits: { requestBytes: 10 }, commands: { maxWaitMs: 50 } });
  const refused = await ask(at.port, "/", {
    method: "POST",
    body: "x".repeat(20),
    headers: { "x-request-id": "-$(x)'" },
  });
  const problem = JSON.parse(refused.body.toString());
  assert.deepEqual(
    [refused.headers["x-request-id"], problem.requestId, problem.explain],
    ["-$(x)'", "-$(x)'", `gsf explain atlantic -- '-$(x)'\\'''`],
  );
  const rubbish = await askRaw(at.port, "GET / HTTP/1.1\r\nHost : a\r\n\r\n");
  const id = /^x-request-id: (\S+)\r$/im.exec(rubbish)?.[1];
  assert.ok(id !== undefined && rubbish.includes(`"explain":"gsf explain atlantic ${id}"`), rubbish);
  const tunnel = await askRaw(at.port, "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n");
  assert.match(tunnel, /^x-request-id: \S+\r$/im);
  await Promise.all(at.stations.map((station) => station.kill()));
  const lost = await ask(at.port, "/");
  assert.equal(JSON.parse(lost.body.toString()).requestId, lost.headers["x-request-id"]);
});
