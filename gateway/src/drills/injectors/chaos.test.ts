/** A switch: a program that one request hurts and another one heals, over real HTTP. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { contextOf, lift } from "../../../../test/drills/lifting.ts";
import { UserError } from "../../adapters/process/exit-codes.ts";
import { chaos } from "./chaos.ts";

/** A program with a page of its state, and one to change it each way. */
async function patient(): Promise<{ readonly url: string; readonly server: Server }> {
  let isHurt = false;
  const server = createServer((request, response) => {
    if (request.method === "POST" && request.url === "/hurt") isHurt = true;
    else if (request.method === "POST" && request.url === "/heal") isHurt = false;
    else if (request.url === "/refuse") response.statusCode = 409;
    response.end(JSON.stringify({ isHurt }));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}

test("a switch → felt by the page that changed; lifted twice, it is as before", async () => {
  const { url, server } = await patient();
  try {
    const args = {
      do: "switch",
      send: { url: `${url}/hurt` },
      undo: { url: `${url}/heal` },
      felt: { url, member: "isHurt" },
    };
    const prepared = await chaos.prepare(args, contextOf());
    assert.equal(await prepared.felt(), undefined);
    await prepared.inject();
    assert.ok(await prepared.felt());
    await lift(prepared.inverses);
    await lift(prepared.inverses);
    const state = (await (await fetch(url)).json()) as { readonly isHurt: boolean };
    assert.equal(state.isHurt, false);
  } finally {
    server.close();
    server.closeAllConnections();
  }
});

test("a program that refuses the switch → the activity fails, and nothing was felt", async () => {
  const { url, server } = await patient();
  try {
    const args = { do: "switch", send: { url: `${url}/refuse` }, undo: { url: `${url}/heal` } };
    const prepared = await chaos.prepare(args, contextOf());
    await assert.rejects(prepared.inject(), UserError);
    assert.equal(await prepared.felt(), undefined);
  } finally {
    server.close();
    server.closeAllConnections();
  }
});

for (const field of ["send", "undo", "felt"] as const) {
  test(`a switch whose ${field} leads to another machine → refused before anything is sent`, async () => {
    const own = "http://127.0.0.1:1";
    const other = "http://192.0.2.1";
    const args = {
      do: "switch",
      send: { url: field === "send" ? other : own },
      undo: { url: field === "undo" ? other : own },
      felt: { url: field === "felt" ? other : own, member: "isHurt" },
    };
    await assert.rejects(chaos.prepare(args, contextOf()), UserError);
  });
}
