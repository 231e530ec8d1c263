/**
 * Faults at a real `gsf proxy`: in force, felt by its log, lifted twice, and nothing of others
 * taken.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { connect, createServer, type Server, type Socket } from "node:net";
import { test } from "node:test";
import { contextOf, lift, placeholder, until } from "../../../../test/drills/lifting.ts";
import { GsfProcess } from "../../../../test/process/gsf-process.ts";
import { UserError } from "../../adapters/process/exit-codes.ts";
import type { JsonObject } from "../experiment/experiment.ts";
import { fault } from "./fault.ts";

/** An echo server, and a proxy `web` before it. */
class Setup implements AsyncDisposable {
  readonly proxy: GsfProcess;
  readonly echo: Server = createServer({ allowHalfOpen: false }, (socket) => {
    socket.on("error", () => undefined).pipe(socket);
  });
  url = "";
  listen = "";

  constructor(args: readonly string[]) {
    this.proxy = new GsfProcess(["proxy", "--port", "0", "--seed", "1", ...args]);
  }

  static async start(args: readonly string[] = []): Promise<Setup> {
    const setup = new Setup(args);
    setup.echo.listen(0, "127.0.0.1");
    await once(setup.echo, "listening");
    const [, url] = await setup.proxy.saying(/listening on (http:\S+),/);
    setup.url = url as string;
    const upstream = `127.0.0.1:${(setup.echo.address() as AddressInfo).port}`;
    const made = (await setup.ask("POST", "/proxies", { name: "web", listen: "127.0.0.1:0", upstream })) as JsonObject;
    setup.listen = String(made["listen"]);
    return setup;
  }

  async ask(method: string, path: string, body?: JsonObject): Promise<unknown> {
    const answer = await fetch(`${this.url}${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return answer.status === 204 ? undefined : answer.json();
  }

  async toxics(): Promise<JsonObject[]> {
    return (await this.ask("GET", "/proxies/web/toxics")) as JsonObject[];
  }

  async connected(): Promise<Socket> {
    const [host, port] = this.listen.split(":") as [string, string];
    const socket = connect({ host, port: Number(port) });
    socket.on("error", () => undefined);
    await once(socket, "connect");
    return socket;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.proxy[Symbol.asyncDispose]();
    this.echo.close();
  }
}

test("toxics in both directions → in force, felt by traffic only, lifted twice", async () => {
  await using setup = await Setup.start();
  await setup.ask("POST", "/proxies/web/toxics", { name: "foreign", type: "latency", attributes: { latency: 1 } });
  const args = { do: "add", proxy: "web", toxics: [{ type: "latency", stream: "both", attributes: { latency: 20 } }] };
  const context = contextOf(undefined, 7, { proxy_url: setup.url });
  const prepared = await fault.prepare(args, context);
  assert.equal((await setup.toxics()).length, 1);
  await prepared.inject();
  const added = (await setup.toxics()).filter(({ name }) => name !== "foreign");
  assert.deepEqual(
    added.map(({ stream, type, attributes }) => [stream, type, (attributes as JsonObject)["latency"]]),
    [
      ["upstream", "latency", 20],
      ["downstream", "latency", 20],
    ],
  );
  assert.equal(await prepared.felt(), undefined);
  const socket = await setup.connected();
  const beforeMs = performance.now();
  socket.write("hello");
  await once(socket, "data");
  assert.ok(performance.now() - beforeMs >= 38);
  assert.ok(await prepared.felt());
  assert.equal((await prepared.remaining()).length, 2);
  await lift(prepared.inverses);
  await lift(prepared.inverses);
  assert.deepEqual(await prepared.remaining(), []);
  assert.deepEqual(
    (await setup.toxics()).map(({ name }) => name),
    ["foreign"],
  );
  socket.destroy();
});

test("a disabled proxy → connections are refused, felt, enabled again", async () => {
  await using setup = await Setup.start();
  const prepared = await fault.prepare({ do: "disable", proxy: "web", proxyUrl: setup.url }, contextOf());
  await prepared.inject();
  assert.ok(await prepared.felt());
  await assert.rejects(setup.connected());
  assert.equal((await prepared.remaining()).length, 1);
  await assert.rejects(fault.prepare({ do: "disable", proxy: "web", proxyUrl: setup.url }, contextOf()), UserError);
  await lift(prepared.inverses);
  await lift(prepared.inverses);
  assert.deepEqual(await prepared.remaining(), []);
  (await setup.connected()).destroy();
});

for (const type of ["refuse", "stall_accept"]) {
  test(`a listener with ${type} → felt, and back after the lift`, async () => {
    await using setup = await Setup.start();
    const args = { do: "add", proxy: "web", proxyUrl: setup.url, toxics: [{ type }] };
    const prepared = await fault.prepare(args, contextOf());
    await prepared.inject();
    const socket = await setup.connected().catch(() => undefined);
    socket?.write("hello");
    await until(async () => (await prepared.felt()) !== undefined);
    await lift(prepared.inverses);
    assert.deepEqual(await prepared.remaining(), []);
    socket?.destroy();
    const later = await setup.connected();
    later.write("hello");
    await once(later, "data");
    later.destroy();
  });
}

test("nobody lifts a fault → the proxy removes its toxics by itself", async () => {
  await using setup = await Setup.start();
  const toxics = [{ type: "timeout", attributes: { timeout: 0 } }];
  const prepared = await fault.prepare(
    { do: "add", proxy: "web", proxyUrl: setup.url, toxics, expiresAfterMs: 300 },
    contextOf(),
  );
  await prepared.inject();
  assert.equal((await prepared.remaining()).length, 1);
  await until(async () => (await prepared.remaining()).length === 0);
});

test("one of two toxics is refused → none stays", async () => {
  await using setup = await Setup.start();
  const toxics = [{ type: "noop" }, { type: "nonsense" }];
  const prepared = await fault.prepare({ do: "add", proxy: "web", proxyUrl: setup.url, toxics }, contextOf());
  await assert.rejects(prepared.inject(), UserError);
  assert.deepEqual(await setup.toxics(), []);
  assert.equal(await prepared.felt(), undefined);
});

test("a drill that is aborted before the injection → no toxic", async () => {
  await using setup = await Setup.start();
  const stop = new AbortController();
  const args = { do: "add", proxy: "web", proxyUrl: setup.url, toxics: [{ type: "noop" }] };
  const prepared = await fault.prepare(args, contextOf(stop.signal));
  stop.abort();
  await assert.rejects(prepared.inject());
  assert.deepEqual(await setup.toxics(), []);
});

test("a magnitude as a range → drawn from the seed, the same for the same seed", async () => {
  await using setup = await Setup.start();
  const drawnWith = async (seed: number): Promise<number> => {
    const toxics = [{ type: "latency", attributes: { latency: { from: 100, to: 1_000_000 } } }];
    const prepared = await fault.prepare(
      { do: "add", proxy: "web", proxyUrl: setup.url, toxics },
      contextOf(undefined, seed),
    );
    const output = (await prepared.inject()) as { toxics: { attributes: { latency: number } }[] };
    await lift(prepared.inverses);
    return output.toxics[0]?.attributes.latency as number;
  };
  const first = await drawnWith(1);
  assert.ok(first >= 100 && first <= 1_000_000);
  assert.equal(await drawnWith(1), first);
  assert.notEqual(await drawnWith(2), first);
});

test("the proxy's process is gone → the target is refused, and nothing of the fault remains", async () => {
  await using setup = await Setup.start();
  const args = { do: "add", proxy: "web", proxyUrl: setup.url, toxics: [{ type: "noop" }] };
  const prepared = await fault.prepare(args, contextOf());
  await setup.proxy[Symbol.asyncDispose]();
  await assert.rejects(prepared.inject(), UserError);
  await assert.rejects(fault.prepare(args, contextOf()), UserError);
  assert.deepEqual(await prepared.remaining(), []);
});

test("wrong arguments, unknown proxies, other machines → refused by field", async () => {
  await using setup = await Setup.start();
  const toxics = [{ type: "noop" }];
  const proxyUrl = setup.url;
  await assert.rejects(fault.prepare({ do: "add", proxy: "wep", proxyUrl, toxics }, contextOf()), UserError);
  const remote = { do: "add", proxy: "web", proxyUrl: "http://192.0.2.1:8474", toxics };
  await assert.rejects(fault.prepare(remote, contextOf()), UserError);
  await setup.ask("POST", "/proxies/web/toxics", { name: "mine", type: "noop" });
  const taken = { do: "add", proxy: "web", proxyUrl, toxics: [{ type: "noop", name: "mine" }] };
  await assert.rejects(fault.prepare(taken, contextOf()), UserError);
  const fields = (args: JsonObject): string[] => fault.problems(args).map((one) => one.split(":")[0] as string);
  assert.deepEqual(fields({ do: "add", proxy: "web" }), ["toxics"]);
  assert.deepEqual(fields({ do: "add", proxy: "web", toxics: [{ type: "x", toxicity: 2 }] }), ["toxics[0].toxicity"]);
  assert.deepEqual(fields({ do: "add", proxy: "web", toxics: [{ tpye: "x" }] }), ["toxics[0].type", "toxics[0].tpye"]);
  const latency = (value: JsonObject[string]): JsonObject => ({
    ...{ do: "add", proxy: "web", toxics: [{ type: "latency", attributes: { latency: value } }] },
  });
  assert.deepEqual(fields(latency({ from: 5, to: 1 })), ["toxics[0].attributes.latency"]);
  assert.deepEqual(fields(latency(-1)), ["toxics[0].attributes.latency"]);
  assert.deepEqual(fields(latency(placeholder("ms"))), []);
});
