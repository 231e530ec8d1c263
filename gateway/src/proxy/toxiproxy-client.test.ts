/** A client of Toxiproxy that nobody here wrote drives the proxy, unmodified, in all it can do. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { after, before, test } from "node:test";
import { Proxy as ClientProxy, Toxic, Toxiproxy, ToxiproxyError } from "toxiproxy-node-client";
import { FaultProxies } from "./fault-proxies.ts";

let proxies: FaultProxies;
let toxiproxy: Toxiproxy;
let upstream: string;
const echo = createServer({ allowHalfOpen: true }, (socket) => {
  // Resets are passed on.
  socket.on("error", () => undefined);
  socket.pipe(socket);
});

before(async () => {
  echo.listen(0, "127.0.0.1");
  await once(echo, "listening");
  upstream = `127.0.0.1:${(echo.address() as AddressInfo).port}`;
  proxies = await FaultProxies.start({ api: {} });
  toxiproxy = new Toxiproxy(proxies.url);
});
after(async () => {
  await proxies.close();
  echo.close();
});

const made = (name: string): Promise<ClientProxy> => toxiproxy.createProxy({ name, listen: "localhost:0", upstream });

async function echoed(proxy: ClientProxy): Promise<string> {
  const socket = connect(Number(proxy.listen.split(":").at(-1)), "127.0.0.1");
  socket.end("hello");
  let text = "";
  for await (const bytes of socket) text += bytes;
  return text;
}

test("[X1] getVersion → a version in JSON", async () => {
  assert.equal(typeof JSON.parse(await toxiproxy.getVersion()).version, "string");
});

test("createProxy, get, getAll, update, remove → as on the reference", async () => {
  const proxy = await made("web");
  assert.ok(proxy instanceof ClientProxy);
  assert.deepEqual([proxy.name, proxy.upstream, proxy.enabled], ["web", upstream, true]);
  assert.equal(await echoed(proxy), "hello");
  assert.deepEqual((await toxiproxy.get("web")).toJson(), proxy.toJson());
  assert.deepEqual((await toxiproxy.getAll())["web"]?.toJson(), proxy.toJson());
  const disabled = await proxy.update({ enabled: false, listen: proxy.listen, upstream: proxy.upstream });
  assert.equal(disabled.enabled, false);
  await assert.rejects(echoed(proxy));
  await toxiproxy.reset();
  assert.equal((await toxiproxy.get("web")).enabled, true);
  assert.equal(await echoed(proxy), "hello");
  await proxy.remove();
  assert.equal((await toxiproxy.getAll())["web"], undefined);
  await assert.rejects(toxiproxy.get("web"), ToxiproxyError);
});

test("populate → all of them, and again without harm", async () => {
  const list = ["one", "two"].map((name) => ({ name, upstream, listen: "localhost:0" }));
  const populated = await toxiproxy.populate(list);
  assert.deepEqual(Object.keys(populated), ["one", "two"]);
  const again = await toxiproxy.populate(Object.values(populated).map((proxy) => proxy.toJson()));
  assert.deepEqual(again["one"]?.toJson(), populated["one"]?.toJson());
  for (const proxy of Object.values(again)) assert.equal(await echoed(proxy), "hello");
});

test("addToxic, getToxic, update, remove → for every type that the client knows", async () => {
  const proxy = await made("toxic");
  for (const [type, attributes, changed] of [
    ["latency", { latency: 1, jitter: 0 }, { latency: 2, jitter: 1 }],
    ["bandwidth", { rate: 1_000 }, { rate: 2_000 }],
    ["slow_close", { delay: 1 }, { delay: 2 }],
    ["timeout", { timeout: 10 }, { timeout: 20 }],
    ["slicer", { average_size: 2, size_variation: 1, delay: 10 }, { average_size: 3, size_variation: 1, delay: 10 }],
    ["reset_peer", { timeout: 10 }, { timeout: 20 }],
    ["limit_data", { bytes: 10 }, { bytes: 20 }],
  ] as const) {
    const body = { name: `my-${type}`, type, stream: "upstream", toxicity: 1, attributes } as const;
    const toxic = await proxy.addToxic<object>(body);
    assert.ok(toxic instanceof Toxic);
    assert.deepEqual(toxic.toJson(), body);
    assert.deepEqual((await proxy.getToxic(toxic.name)).toJson(), body);
    const updated = await toxic.update({ ...body, toxicity: 0.5, attributes: changed });
    assert.deepEqual(updated.toJson(), { ...body, toxicity: 0.5, attributes: changed });
    await updated.remove();
    await assert.rejects(proxy.getToxic(toxic.name), ToxiproxyError);
  }
  assert.equal(await echoed(proxy), "hello");
});

test("what is wrong → the client's own error", async () => {
  const proxy = await made("wrong");
  const latency = { name: "x", type: "latency", stream: "downstream", toxicity: 1, attributes: {} } as const;
  await proxy.addToxic(latency);
  for (const attempt of [
    () => made("wrong"),
    () => proxy.addToxic(latency),
    () => proxy.addToxic({ ...latency, name: "y", type: "down" }),
    () => toxiproxy.populate([{ name: "", listen: "", upstream: "" }]),
  ])
    await assert.rejects(attempt(), ToxiproxyError);
});
