/** The fault proxy as a library: what a test holds is gone when the test lets go of it. */
import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { after, before, test } from "node:test";
import { connect as connectTls } from "node:tls";
import { FaultProxies, type FaultProxy, FaultProxyError } from "@ground-station-failover/gateway/proxy";
import { VirtualClock } from "ground-station-failover/sim";

let upstream: string;
const echo = createServer({ allowHalfOpen: true }, (socket) => {
  socket.on("error", () => undefined);
  socket.pipe(socket);
});

before(async () => {
  echo.listen(0, "127.0.0.1");
  await once(echo, "listening");
  upstream = `127.0.0.1:${(echo.address() as AddressInfo).port}`;
});
after(() => void echo.close());

async function echoed(proxy: FaultProxy): Promise<string> {
  const socket = connect(proxy.port, proxy.host);
  socket.end("hello");
  let text = "";
  try {
    for await (const bytes of socket) text += bytes;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? "";
  }
  return text;
}

test("await using → proxies, proxy and toxic are there, and then gone", async () => {
  let address: { port: number; host: string };
  {
    await using proxies = await FaultProxies.start();
    const proxy = await proxies.create({ upstream });
    address = { port: proxy.port, host: proxy.host };
    {
      await using _toxic = await proxy.add({ type: "reset_peer" });
      assert.equal(await echoed(proxy), "ECONNRESET");
    }
    assert.equal(await echoed(proxy), "hello");
  }
  const socket = connect(address);
  const [error] = (await once(socket, "error")) as [NodeJS.ErrnoException];
  assert.equal(error.code, "ECONNREFUSED");
});

test("using → begins to let go, without waiting", async () => {
  let proxy: FaultProxy;
  {
    using proxies = await FaultProxies.start();
    proxy = await proxies.create({ upstream });
    using _toxic = await proxy.add({ type: "noop" });
  }
  const deadline = performance.now() + 10_000;
  while (proxy.isEnabled) {
    assert.ok(performance.now() < deadline);
    await new Promise((resolve) => setImmediate(resolve));
  }
});

test("disable, enable, update, remove → as the control API does it", async () => {
  await using proxies = await FaultProxies.start();
  const proxy = await proxies.create({
    name: "web",
    upstream: "127.0.0.1:9",
    toxics: [{ type: "latency", latency: 1 }],
  });
  assert.equal(proxies.get("web").listen, proxy.listen);
  await proxy.disable();
  assert.equal(proxy.isEnabled, false);
  await proxy.update({ upstream });
  assert.equal(proxy.toxics.length, 1);
  await proxy.enable();
  assert.equal(await echoed(proxy), "hello");
  await proxies.reset();
  assert.equal(proxy.toxics.length, 0);
  await proxy.remove();
  await proxy.remove();
  assert.throws(
    () => proxies.get("web"),
    (error) => error instanceof FaultProxyError && error.status === 404,
  );
});

test("a toxic of both directions → one holder updates and removes the two", async () => {
  await using proxies = await FaultProxies.start();
  const proxy = await proxies.create({ upstream });
  const toxic = await proxy.add({ type: "latency", stream: "both", latency: 5 });
  await toxic.update({ jitter: 1, toxicity: 0.5 });
  assert.deepEqual(
    proxy.toxics.map(({ name, toxicity, attributes }) => [name, toxicity, attributes]),
    ["latency_upstream", "latency_downstream"].map((name) => [name, 0.5, { latency: 5, jitter: 1 }]),
  );
  await toxic.remove();
  await toxic.remove();
  assert.equal(proxy.toxics.length, 0);
});

test("a misspelt attribute, a wrong value → refused, where the API would leave it out", async () => {
  await using proxies = await FaultProxies.start();
  const proxy = await proxies.create({ upstream });
  for (const wrong of [
    { type: "latency", latencey: 5 },
    { type: "latency", latency: -5 },
    { type: "latncy" },
    { type: "latency", stream: "sideways" },
  ]) {
    await assert.rejects(
      // As a program without types would write it.
      proxy.add(wrong as never),
      (error) => error instanceof FaultProxyError && error.status === 400,
      JSON.stringify(wrong),
    );
  }
  assert.equal(proxy.toxics.length, 0);
});

test("the same seed → the same connections are hit; another seed → others", async () => {
  const hits = async (seed: number): Promise<string> => {
    await using proxies = await FaultProxies.start({ seed });
    const proxy = await proxies.create({ upstream, toxics: [{ type: "reset_peer", toxicity: 0.5 }] });
    let pattern = "";
    for (let connection = 0; connection < 24; connection++) pattern += (await echoed(proxy)) === "hello" ? "." : "x";
    return pattern;
  };
  const first = await hits(1);
  assert.equal(await hits(1), first);
  assert.notEqual(await hits(2), first);
  assert.ok(first.includes(".") && first.includes("x"), first);
});

test("a clock of the test → latency is waited for on it", async () => {
  const clock = new VirtualClock();
  await using proxies = await FaultProxies.start({ clock });
  const proxy = await proxies.create({ upstream, toxics: [{ type: "latency", latency: 3_600_000 }] });
  const answer = echoed(proxy);
  while (proxy.counts("downstream").receivedBytes < 5) await new Promise((resolve) => setImmediate(resolve));
  await clock.advanceBy(3_600_000);
  assert.equal(await answer, "hello");
});

test("TLS with a fault → the client that trusts the authority sees exactly that fault", async () => {
  await using proxies = await FaultProxies.start();
  const ca = await proxies.certificateAuthority();
  for (const [fault, expected] of [
    ["none", "hello"],
    ["expired", "CERT_HAS_EXPIRED"],
    ["not-yet-valid", "CERT_NOT_YET_VALID"],
    ["wrong-name", "ERR_TLS_CERT_ALTNAME_INVALID"],
    ["self-signed", "DEPTH_ZERO_SELF_SIGNED_CERT"],
  ] as const) {
    const proxy = await proxies.create({ upstream, tls: { fault } });
    const { host, port } = proxy;
    const socket = connectTls({ host, port, servername: "localhost", ca });
    socket.once("secureConnect", () => socket.end("hello"));
    const seen = await new Promise((resolve) => {
      let text = "";
      socket.on("data", (bytes: Buffer) => {
        text += bytes;
      });
      socket.once("end", () => resolve(text));
      socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code));
    });
    assert.equal(seen, expected, fault);
    await proxy.remove();
  }
});

test("TLS with a handshake that stalls → connected and silent; the proxy closes all the same", async () => {
  await using proxies = await FaultProxies.start();
  const { host, port } = await proxies.create({ upstream, tls: { fault: "stalled-handshake" } });
  const socket = connectTls({ host, port, rejectUnauthorized: false });
  socket.on("error", () => undefined);
  const closed = new Promise((resolve) => socket.once("close", resolve));
  const deadline = performance.now() + 10_000;
  while (!proxies.events().some(({ type }) => type === "handshake-stalled")) {
    assert.ok(performance.now() < deadline);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await proxies.close();
  await closed;
  assert.equal(socket.authorized, false);
});

test("TLS towards the upstream, toxics on what it carries → a reset reaches through TLS too", async () => {
  await using proxies = await FaultProxies.start();
  const inner = await proxies.create({ upstream, tls: {} });
  const outer = await proxies.create({ upstream: inner.listen, tls: { upstream: "tls", names: ["a.test"] } });
  const ca = await proxies.certificateAuthority();
  const say = (): Promise<string> => {
    const socket = connectTls({ host: outer.host, port: outer.port, servername: "a.test", ca });
    socket.end("hello");
    return new Promise((resolve) => {
      let text = "";
      socket.on("data", (bytes: Buffer) => {
        text += bytes;
      });
      socket.once("end", () => resolve(text));
      socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? ""));
    });
  };
  assert.equal(await say(), "hello");
  await inner.add({ type: "limit_data", bytes: 2 });
  assert.equal(await say(), "he");
  await inner.add({ type: "reset_peer", stream: "upstream" });
  assert.equal(await say(), "ECONNRESET");
});

test("TLS settings that cannot be → refused with status 400", async () => {
  await using proxies = await FaultProxies.start();
  for (const tls of [{ fault: "late" }, { names: [] }, { names: ["a b"] }, { upstream: "quic" }, 5]) {
    await assert.rejects(
      proxies.create({ upstream, tls } as never),
      (error) => error instanceof FaultProxyError && error.status === 400,
      JSON.stringify(tls),
    );
  }
});

test("protocol udp → datagrams pass, and a loss of all loses all", async () => {
  await using proxies = await FaultProxies.start();
  const server = createSocket("udp4");
  server.on("message", (bytes, { port, address }) => server.send(bytes, port, address));
  await new Promise<void>((resolve) => server.bind(0, "127.0.0.1", resolve));
  const proxy = await proxies.create({ protocol: "udp", upstream: `127.0.0.1:${server.address().port}` });
  const client = createSocket("udp4");
  client.send("hello", proxy.port, proxy.host);
  const [answer] = (await once(client, "message")) as [Buffer];
  assert.equal(answer.toString(), "hello");
  await proxy.add({ type: "loss", rate: 1, stream: "upstream" });
  client.send("lost", proxy.port, proxy.host);
  const deadline = performance.now() + 10_000;
  while (proxy.counts("upstream").receivedBytes < 9) {
    assert.ok(performance.now() < deadline);
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(proxy.counts("upstream").sentBytes, 5);
  await assert.rejects(proxy.add({ type: "timeout" }), FaultProxyError);
  client.close();
  server.close();
});

test("the control API was not asked for → there is no URL", async () => {
  await using proxies = await FaultProxies.start();
  assert.throws(() => proxies.url, Error);
});
