/**
 * Attacks on a real server and a real gateway: how each was answered is counted, and all of it
 * ends.
 */
import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { contextOf, lift, until } from "../../../../test/drills/lifting.ts";
import { Folder, GsfProcess } from "../../../../test/process/gsf-process.ts";
import { UserError } from "../../adapters/process/exit-codes.ts";
import type { JsonObject } from "../experiment/experiment.ts";
import { hostile } from "./hostile.ts";
import { ATTACKS } from "./hostile-requests.ts";

/** A gateway that nobody can bring to anything: its stations are away. */
async function gatewayIn(
  folder: Folder,
): Promise<{ gateway: GsfProcess; url: string; control: string; heartbeats: string }> {
  const secretFile = folder.file("secret", "0123456789abcdef0123456789abcdef");
  const config = folder.file(
    "fleet.yaml",
    `control: { listen: "127.0.0.1:0" }
heartbeats: { listen: "127.0.0.1:0", secretFile: ${secretFile} }
groups:
  - name: atlantic
    listen: 127.0.0.1:0
    stations: [{ name: primary, url: "http://127.0.0.1:9001" }, { name: backup, url: "http://127.0.0.1:9002" }]
`,
  );
  const gateway = new GsfProcess(["run", "--config", config, "--json"]);
  const [line] = await gateway.saying(/.*"ready":true.*/);
  const { control, groups, heartbeats } = JSON.parse(line as string);
  return { gateway, url: `${groups.atlantic.address}/`, control, heartbeats };
}

test("hostile requests at a gateway → each is answered, none is smuggled, the gateway lives", async () => {
  using folder = new Folder();
  const { gateway, url, control } = await gatewayIn(folder);
  await using _gateway = gateway;
  const prepared = await hostile.prepare({ do: "requests", url, repeat: 2, waitMs: 3_000 }, contextOf());
  assert.equal(await prepared.felt(), undefined);
  const output = (await prepared.inject()) as { answers: Record<string, Record<string, number>> };
  assert.deepEqual(Object.keys(output.answers).sort(), [...ATTACKS].sort());
  for (const [attack, answers] of Object.entries(output.answers)) {
    assert.equal(
      Object.values(answers).reduce((sum, count) => sum + count, 0),
      2,
      attack,
    );
  }
  for (const attack of ["two-lengths", "length-and-chunks"]) {
    assert.deepEqual(Object.keys(output.answers[attack] ?? {}), ["400"], JSON.stringify(output.answers));
  }
  assert.ok(await prepared.felt());
  assert.deepEqual(await prepared.remaining(), []);
  assert.equal((await fetch(`${control}/healthz`)).status, 200);
});

test("heartbeats that prove nothing at a gateway → refused and counted", async () => {
  using folder = new Folder();
  const { gateway, control, heartbeats } = await gatewayIn(folder);
  await using _gateway = gateway;
  const args = {
    ...{ do: "heartbeats", address: heartbeats, group: "atlantic", station: "primary", count: 5, perSecond: 500 },
    ...{ secretFile: `${folder.path}/secret`, metricsUrl: `${control}/metrics` },
  };
  const prepared = await hostile.prepare(args, contextOf());
  const output = (await prepared.inject()) as JsonObject;
  assert.equal(output["sent"], 35);
  await until(async () => (await prepared.felt()) !== undefined);
  assert.deepEqual(await prepared.remaining(), []);
  const status = (await (await fetch(`${control}/v1/status`)).json()) as {
    groups: { atlantic: { stations: { liveness: string }[] } };
  };
  assert.notEqual(status.groups.atlantic.stations[0]?.liveness, "alive");
});

test("heartbeats to a port where nobody listens → not felt", async () => {
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  const { port } = socket.address();
  socket.close();
  const args = { do: "heartbeats", address: `127.0.0.1:${port}`, group: "a", station: "b", count: 5, perSecond: 100 };
  const prepared = await hostile.prepare(args, contextOf());
  await prepared.inject();
  assert.equal(await prepared.felt(), undefined);
});

class Listener implements AsyncDisposable {
  open = 0;
  readonly server = createServer((request, response) => {
    request.resume();
    response.end("x".repeat(100_000));
  });

  async start(): Promise<string> {
    this.server.headersTimeout = 0;
    this.server.requestTimeout = 0;
    this.server.on("connection", (socket) => {
      this.open++;
      socket.on("error", () => undefined).once("close", () => this.open--);
    });
    this.server.listen(0, "127.0.0.1");
    await once(this.server, "listening");
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, "close");
  }
}

for (const action of ["slowloris", "unread-answers", "connections"]) {
  test(`${action} in the background → held, and gone after the lift`, async () => {
    await using listener = new Listener();
    const url = await listener.start();
    const prepared = await hostile.prepare({ do: action, url, connections: 60, until: "started" }, contextOf());
    assert.equal(listener.open, 0);
    const output = (await prepared.inject()) as JsonObject;
    assert.equal(output["opened"], 60);
    await until(() => listener.open === 60);
    assert.ok(await prepared.felt());
    assert.equal((await prepared.remaining()).length, 1);
    await lift(prepared.inverses);
    await lift(prepared.inverses);
    assert.deepEqual(await prepared.remaining(), []);
    await until(() => listener.open === 0);
  });

  test(`${action} that is aborted → gone`, async () => {
    await using listener = new Listener();
    const url = await listener.start();
    const stop = new AbortController();
    const prepared = await hostile.prepare({ do: action, url, connections: 5 }, contextOf(stop.signal));
    const injecting = prepared.inject();
    await until(() => listener.open === 5);
    stop.abort();
    await injecting;
    assert.deepEqual(await prepared.remaining(), []);
    await until(() => listener.open === 0);
  });
}

test("slow connections that the server ends → counted by how", async () => {
  await using listener = new Listener();
  const url = await listener.start();
  listener.server.headersTimeout = 100;
  listener.server.on("connection", (socket) => setTimeout(() => socket.resetAndDestroy(), 50));
  const prepared = await hostile.prepare({ do: "slowloris", url, connections: 3, everyMs: 10 }, contextOf());
  const output = (await prepared.inject()) as { ended: Record<string, number>; open: number };
  assert.deepEqual([output.ended, output.open], [{ reset: 3 }, 0]);
});

test("a port where nobody listens → the error's code, not felt", async () => {
  const listener = new Listener();
  const url = await listener.start();
  await listener[Symbol.asyncDispose]();
  const prepared = await hostile.prepare({ do: "requests", url, attacks: ["noise"], repeat: 1 }, contextOf());
  assert.deepEqual(await prepared.inject(), { answers: { noise: { ECONNREFUSED: 1 } } });
  assert.equal(await prepared.felt(), undefined);
});

test("another machine, and wrong arguments → refused by field", async () => {
  for (const url of ["http://192.0.2.1/", "http://example.com/", "https://127.0.0.1/", "http://0.0.0.0/"]) {
    await assert.rejects(hostile.prepare({ do: "requests", url }, contextOf()), UserError);
  }
  const heartbeats = { do: "heartbeats", group: "a", station: "b" };
  await assert.rejects(hostile.prepare({ ...heartbeats, address: "192.0.2.1:70" }, contextOf()), UserError);
  const fields = (args: JsonObject): string[] => hostile.problems(args).map((one) => one.split(":")[0] as string);
  assert.deepEqual(fields({ do: "requests", url: "x", attacks: ["nose"] }), ["url", "attacks[0]"]);
  assert.deepEqual(fields({ ...heartbeats, address: "127.0.0.1" }), ["address"]);
  assert.deepEqual(fields({ ...heartbeats, address: "127.0.0.1:7", attacks: ["replayed"] }), ["secretFile"]);
});
