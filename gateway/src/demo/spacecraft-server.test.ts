import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { systemClock } from "ground-station-failover";
import { request } from "undici";
import { type Ledger, Spacecraft } from "./spacecraft.ts";
import { spacecraftServer } from "./spacecraft-server.ts";

async function served(context: TestContext): Promise<string> {
  const server = spacecraftServer(new Spacecraft({ clock: systemClock }));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  context.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function send(url: string, body: string, headers: Record<string, string> = {}): Promise<[number, string]> {
  const answer = await request(`${url}/command`, { method: "POST", headers, body });
  const seen = answer.headers["gsf-replayed"] ?? answer.headers["gsf-epoch-seen"] ?? "";
  await answer.body.dump();
  return [answer.statusCode, String(seen)];
}

test("[F3] [F4] a repeated key is answered with the first result, an older epoch with 412 and the newest", async (t) => {
  const url = await served(t);
  const command = JSON.stringify({ command: "c-1" });
  const headers = { "idempotency-key": "k-1", "gsf-epoch": "2" };
  assert.deepEqual(await send(url, command, headers), [200, ""]);
  assert.deepEqual(await send(url, command, headers), [200, "true"]);
  assert.deepEqual(await send(url, command, { ...headers, "gsf-epoch": "1" }), [412, "2"]);
  const ledger = (await (await request(`${url}/ledger`)).body.json()) as Ledger;
  assert.deepEqual(ledger.commands, [["c-1", 3, 1]]);
});

test("[G6] what is no command is refused with a sentence, and changes nothing", async (t) => {
  const url = await served(t);
  assert.equal((await send(url, "not json"))[0], 400);
  assert.equal((await send(url, "{}"))[0], 400);
  assert.equal((await send(url, JSON.stringify({ command: "" })))[0], 400);
  assert.equal((await send(url, JSON.stringify({ command: "c" }), { "gsf-epoch": "-1" }))[0], 400);
  assert.equal((await send(url, JSON.stringify({ command: "c", padding: "x".repeat(70_000) })))[0], 413);
  assert.equal((await request(`${url}/elsewhere`)).statusCode, 404);
  assert.equal((await request(`${url}/command`)).statusCode, 405);
  const ledger = (await (await request(`${url}/ledger`)).body.json()) as Ledger;
  assert.equal(ledger.attempts, 0);
});
