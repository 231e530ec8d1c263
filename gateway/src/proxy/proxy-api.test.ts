/** Every route and every error of the control API, by plain HTTP, as Toxiproxy answers them. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { after, before, test } from "node:test";
import { seededRandom } from "ground-station-failover";
import { VirtualClock } from "ground-station-failover/sim";
import { EventLog } from "./event-log.ts";
import { FaultProxies } from "./fault-proxies.ts";
import { proxyApiServer } from "./proxy-api.ts";
import { ProxyList } from "./proxy-list.ts";
import { CertificateAuthority } from "./tls/certificates.ts";

let proxies: FaultProxies;
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
});
after(async () => {
  await proxies.close();
  echo.close();
});

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly headers: Headers;
  /** The body, if it is JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: what the API answers is what is tested
  readonly json: any;
}

/** `body`: as JSON, or a text as it is. */
async function ask(
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const response = await fetch(`${proxies.url}${path}`, {
    method,
    headers,
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    json = undefined;
  }
  return { status: response.status, text, headers: response.headers, json };
}

/** Status and text of an error, which must have the reference's form. */
function errorIn({ status, text, headers, json }: Answer): string {
  assert.equal(headers.get("content-type"), "text/plain; charset=utf-8");
  assert.equal(text, `${JSON.stringify({ error: json.error, status })}\n`);
  return `${status} ${json.error}`;
}

const create = (name: string, more: object = {}): Promise<Answer> =>
  ask("POST", "/proxies", { name, upstream, listen: "127.0.0.1:0", ...more });

test("[X1] GET /version → JSON with a charset, and a line's end", async () => {
  const { status, text, headers } = await ask("GET", "/version");
  assert.deepEqual([status, headers.get("content-type")], [200, "application/json;charset=utf-8"]);
  assert.match(text, /^\{"version": "\d+\.\d+\.\d+"\}\n$/);
});

test("POST /proxies → 201 with the resolved address, enabled, without toxics", async () => {
  const { status, headers, json, text } = await create("made");
  assert.deepEqual([status, headers.get("content-type")], [201, "application/json"]);
  assert.match(json.listen, /^127\.0\.0\.1:[1-9]\d*$/);
  assert.equal(text, JSON.stringify({ name: "made", listen: json.listen, upstream, enabled: true, toxics: [] }));
  assert.deepEqual((await ask("GET", "/proxies/made")).json, json);
  assert.deepEqual((await ask("GET", "/proxies")).json["made"], json);
});

test("listen with a name → its IPv4 address; disabled → as typed; none → every address", async () => {
  assert.match((await create("named", { listen: "localhost:0" })).json.listen, /^127\.0\.0\.1:\d+$/);
  const off = await create("off", { listen: "localhost:0", enabled: false });
  assert.deepEqual([off.status, off.json.listen, off.json.enabled], [201, "localhost:0", false]);
  const { json } = await ask("POST", "/proxies", { name: "everywhere", upstream });
  assert.match(json.listen, /^(\[::\]|0\.0\.0\.0):[1-9]\d*$/);
  await ask("DELETE", "/proxies/everywhere");
});

test("POST /proxies, something is missing or taken → its text and status", async () => {
  await create("taken");
  for (const [body, expected] of [
    [{}, "400 missing required field: name"],
    [{ name: "" }, "400 missing required field: name"],
    [{ name: "x" }, "400 missing required field: upstream"],
    [{ name: "taken" }, "400 missing required field: upstream"],
    [{ name: "taken", upstream }, "409 proxy already exists"],
    [null, "400 missing required field: name"],
  ] as const)
    assert.equal(errorIn(await ask("POST", "/proxies", JSON.stringify(body))), expected);
});

test("the body is no JSON, or of a wrong type → 400 bad request body", async () => {
  await create("typed");
  const toxic = { type: "latency", name: "typed" };
  for (const [path, body] of [
    ["/proxies", ""],
    ["/proxies", "{"],
    ["/proxies", "[]"],
    ["/proxies", "7"],
    ["/proxies", { name: 5, upstream }],
    ["/proxies", { name: "x", upstream: true }],
    ["/proxies", { name: "x", upstream, enabled: "yes" }],
    ["/proxies", { name: "x", upstream, listen: 0 }],
    ["/proxies/typed", ""],
    ["/proxies/typed", { enabled: 1 }],
    ["/proxies/typed", { listen: [] }],
    ["/proxies", `{"name":"${"x".repeat(1_000_000)}`],
    ["/proxies", "[".repeat(1_000_000)],
    ["/proxies", `{"name":"x","upstream":"y"`.repeat(50_000)],
    ["/proxies/typed/toxics", ""],
    ["/proxies/typed/toxics", { ...toxic, stream: 1 }],
    ["/proxies/typed/toxics", { ...toxic, toxicity: "1" }],
    ["/proxies/typed/toxics", { ...toxic, attributes: [] }],
    ["/proxies/typed/toxics", { ...toxic, attributes: { latency: 1.5 } }],
    ["/proxies/typed/toxics", { ...toxic, attributes: { latency: "1" } }],
    ["/proxies/typed/toxics", { ...toxic, attributes: { latency: 1e300 } }],
    ["/proxies/typed/toxics", '{"type":"latency","attributes":{"latency":1e999}}'],
    ["/proxies/typed/toxics", '{"type":"latency","toxicity":1e999}'],
    ["/proxies/typed/toxics", { type: "bandwidth", attributes: { rate: -1 } }],
    ["/proxies/typed/toxics", { type: "slicer", attributes: { average_size: -1 } }],
  ] as const) {
    const error = errorIn(await ask("POST", path, body));
    assert.ok(error.startsWith("400 bad request body: "), `${JSON.stringify(body)}: ${error}`);
  }
  assert.deepEqual((await ask("GET", "/proxies/typed/toxics")).json, []);
});

test("text behind the first JSON value, letter case of names, unknown fields → do not matter", async () => {
  const { status, json } = await ask("POST", "/proxies", `{"NAME":"loose","Upstream":"${upstream}","x":1} }trailing"`);
  assert.deepEqual([status, json.name], [201, "loose"]);
  await ask("DELETE", "/proxies/loose");
});

test("the proxy cannot listen → 500, and it is not there", async () => {
  for (const listen of [upstream, "127.0.0.1", "127.0.0.1:99999", "no.such.host.invalid:0", "192.0.2.1:0"]) {
    assert.ok(errorIn(await create("deaf", { listen })).startsWith("500 "), listen);
    assert.equal(errorIn(await ask("GET", "/proxies/deaf")), "404 proxy not found");
  }
});

test("a proxy that is not there → 404 on every path", async () => {
  for (const [method, path] of [
    ["GET", "/proxies/none"],
    ["POST", "/proxies/none"],
    ["PATCH", "/proxies/none"],
    ["DELETE", "/proxies/none"],
    ["GET", "/proxies/none/toxics"],
    ["POST", "/proxies/none/toxics"],
    ["GET", "/proxies/none/toxics/x"],
    ["POST", "/proxies/none/toxics/x"],
    ["DELETE", "/proxies/none/toxics/x"],
  ] as const)
    assert.equal(errorIn(await ask(method, path, method === "GET" ? undefined : "")), "404 proxy not found", path);
});

test("a toxic that is not there → 404, before the body is read", async () => {
  await create("bare");
  for (const method of ["GET", "POST", "PATCH", "DELETE"])
    assert.equal(
      errorIn(await ask(method, "/proxies/bare/toxics/none", method === "GET" ? undefined : "")),
      "404 toxic not found",
    );
});

test("POST and PATCH of a proxy → what is not named keeps its value; name and toxics are ignored", async () => {
  const { json: made } = await create("changed");
  for (const method of ["POST", "PATCH"]) {
    const { status, json } = await ask(method, "/proxies/changed", { name: "other", toxics: "x", enabled: false });
    assert.deepEqual([status, json], [200, { ...made, enabled: false }]);
    assert.deepEqual((await ask(method, "/proxies/changed", { enabled: true })).json, made);
    assert.deepEqual((await ask(method, "/proxies/changed", {})).json, made);
  }
  const moved = await ask("POST", "/proxies/changed", { upstream: "127.0.0.1:9" });
  assert.deepEqual(moved.json, { ...made, upstream: "127.0.0.1:9" });
});

test("another upstream, or disabled → live connections are closed; nothing new → they stay", async () => {
  const { json } = await create("live");
  for (const [change, isClosed] of [
    [{ upstream, listen: json.listen }, false],
    [{ upstream: "127.0.0.1:9" }, true],
    [{ enabled: false }, true],
  ] as const) {
    await ask("POST", "/proxies/live", { upstream, enabled: true });
    const socket = connect(Number(json.listen.split(":")[1]), "127.0.0.1");
    socket.on("error", () => undefined);
    socket.write("x");
    await once(socket, "data");
    const closed = new Promise((resolve) => socket.once("close", () => resolve(true)));
    await ask("POST", "/proxies/live", change);
    if (isClosed) assert.equal(await closed, true);
    else {
      socket.write("y");
      await once(socket, "data");
      socket.destroy();
    }
  }
});

test("DELETE → 204 without a body, the port is free, then 404", async () => {
  const { json } = await create("gone");
  const { status, text } = await ask("DELETE", "/proxies/gone");
  assert.deepEqual([status, text], [204, ""]);
  const again = await create("gone", { listen: json.listen });
  assert.deepEqual([again.status, again.json.listen], [201, json.listen]);
  await ask("DELETE", "/proxies/gone");
  assert.equal(errorIn(await ask("DELETE", "/proxies/gone")), "404 proxy not found");
});

test("POST a toxic → 200, with the defaults and the order of members of Toxiproxy", async () => {
  await create("poisoned");
  const { status, text, headers } = await ask("POST", "/proxies/poisoned/toxics", { type: "latency" });
  assert.deepEqual([status, headers.get("content-type")], [200, "application/json"]);
  assert.equal(
    text,
    '{"attributes":{"latency":0,"jitter":0},"name":"latency_downstream","type":"latency","stream":"downstream","toxicity":1}',
  );
  assert.equal((await ask("GET", "/proxies/poisoned/toxics/latency_downstream")).text, text);
  assert.deepEqual((await ask("GET", "/proxies/poisoned")).json.toxics, [JSON.parse(text)]);
});

test("every type of Toxiproxy → its attributes, missing ones 0", async () => {
  await create("types");
  for (const [type, attributes] of Object.entries({
    latency: { latency: 0, jitter: 0 },
    bandwidth: { rate: 0 },
    slow_close: { delay: 0 },
    timeout: { timeout: 0 },
    reset_peer: { timeout: 0 },
    slicer: { average_size: 0, size_variation: 0, delay: 0 },
    limit_data: { bytes: 0 },
    noop: {},
  })) {
    const { status, json } = await ask("POST", "/proxies/types/toxics", {
      type,
      attributes: { unknown: "x", toString: "x", ["__proto__"]: 1 },
    });
    assert.deepEqual([status, json.attributes, json.name], [200, attributes, `${type}_downstream`]);
  }
});

test("a toxic with all that it may have → is answered as it was sent; stream in any letter case", async () => {
  await create("full");
  const toxic = {
    name: "x",
    type: "latency",
    stream: "upstream",
    toxicity: 0.25,
    attributes: { latency: 5, jitter: 2 },
  };
  assert.deepEqual((await ask("POST", "/proxies/full/toxics", toxic)).json, toxic);
  const { status, json } = await ask("POST", "/proxies/full/toxics", { type: "slicer", stream: "DownStream" });
  assert.deepEqual([status, json.stream], [200, "downstream"]);
  for (const toxicity of [7, -1]) {
    const name = `t${toxicity}`;
    assert.equal((await ask("POST", "/proxies/full/toxics", { name, type: "noop", toxicity })).json.toxicity, toxicity);
  }
});

test("several mistakes in one toxic → the first of JSON, stream, type, name, attributes is told", async () => {
  await create("order");
  await ask("POST", "/proxies/order/toxics", { type: "latency" });
  const invalidStream = "400 stream was invalid, can be either upstream or downstream";
  for (const [toxic, expected] of [
    [{ type: "down", stream: "", attributes: {} }, invalidStream],
    [{ type: "latency", stream: "sideways", attributes: { latency: "x" } }, invalidStream],
    [{ type: "down", attributes: { latency: "x" } }, "400 invalid toxic type"],
    [{}, "400 invalid toxic type"],
    [{ type: "toString" }, "400 invalid toxic type"],
    [{ type: "loss" }, "400 invalid toxic type"],
    [{ type: "latency", attributes: { latency: "x" } }, "409 toxic already exists"],
    [{ type: "slicer", stream: "upstream", name: "latency_downstream" }, "409 toxic already exists"],
  ] as const)
    assert.equal(errorIn(await ask("POST", "/proxies/order/toxics", toxic)), expected, JSON.stringify(toxic));
});

test("POST and PATCH of a toxic → attributes are merged, toxicity changes, the rest is ignored", async () => {
  await create("updated");
  const made = { type: "latency", stream: "upstream", attributes: { latency: 100, jitter: 10 } };
  await ask("POST", "/proxies/updated/toxics", made);
  for (const method of ["POST", "PATCH"]) {
    const change = { name: "other", type: "slicer", stream: "downstream", toxicity: 0.5, attributes: { jitter: 20 } };
    const { status, json } = await ask(method, "/proxies/updated/toxics/latency_upstream", change);
    assert.equal(status, 200);
    assert.deepEqual(json, {
      attributes: { latency: 100, jitter: 20 },
      name: "latency_upstream",
      type: "latency",
      stream: "upstream",
      toxicity: 0.5,
    });
  }
  assert.ok(
    errorIn(await ask("POST", "/proxies/updated/toxics/latency_upstream", { attributes: { latency: "x" } })).startsWith(
      "400 bad request body",
    ),
  );
  assert.equal((await ask("DELETE", "/proxies/updated/toxics/latency_upstream")).status, 204);
  assert.deepEqual((await ask("GET", "/proxies/updated/toxics")).json, []);
});

test("POST /reset → 204: every proxy enabled, no toxics, live connections go on", async () => {
  const { json } = await create("reset");
  await create("reset-off", { enabled: false });
  await ask("POST", "/proxies/reset/toxics", { type: "latency" });
  const socket = connect(Number(json.listen.split(":")[1]), "127.0.0.1");
  socket.write("x");
  await once(socket, "data");
  assert.equal((await ask("POST", "/reset")).status, 204);
  const { json: all } = await ask("GET", "/proxies");
  // biome-ignore lint/suspicious/noExplicitAny: what the API answers is what is tested
  assert.ok(Object.values<any>(all).every(({ enabled, toxics }) => enabled && toxics.length === 0));
  socket.write("y");
  await once(socket, "data");
  socket.destroy();
});

test("reset, one proxy cannot listen → 500, and the others are well all the same", async () => {
  const { json: first } = await create("a-first");
  await ask("POST", "/proxies/a-first", { enabled: false });
  const thief = createServer().listen(Number(first.listen.split(":")[1]), "127.0.0.1");
  await once(thief, "listening");
  await create("b-second", { toxics: [{ type: "timeout" }] });
  assert.ok(errorIn(await ask("POST", "/reset")).startsWith("500 "));
  assert.deepEqual((await ask("GET", "/proxies/b-second/toxics")).json, []);
  await new Promise((resolve) => thief.close(resolve));
  assert.equal((await ask("POST", "/reset")).status, 204);
  assert.equal((await ask("GET", "/proxies/a-first")).json.enabled, true);
  const names = Object.keys((await ask("GET", "/proxies")).json);
  assert.deepEqual(names, [...names].sort());
});

test("POST /populate → 201 with all of them, in order", async () => {
  const list = ["p1", "p2"].map((name) => ({ name, upstream, listen: "127.0.0.1:0" }));
  const { status, headers, json } = await ask("POST", "/populate", list);
  assert.deepEqual([status, headers.get("content-type")], [201, "application/json"]);
  assert.deepEqual(
    json.proxies.map(({ name }: { name: string }) => name),
    ["p1", "p2"],
  );
  const empty = await ask("POST", "/populate", []);
  assert.deepEqual([empty.status, empty.text], [201, '{"proxies":null}']);
});

test("populate with a mistake anywhere → 400 in JSON, nothing is made", async () => {
  for (const [body, error] of [
    [[{ name: "q1", upstream }, { upstream }], "missing required field: name at proxy 2"],
    [[{ name: "q1", upstream }, { name: "q2" }], "missing required field: upstream at proxy 2"],
    [[{ name: "q1" }, { name: 5 }], "bad request body: proxy.name is 5; send a text"],
  ] as const) {
    const { status, headers, json } = await ask("POST", "/populate", body);
    assert.deepEqual([status, headers.get("content-type")], [400, "application/json"]);
    assert.deepEqual(json, { error, status: 400, proxies: null });
  }
  for (const body of ["", "{}", '"x"']) assert.equal((await ask("POST", "/populate", body)).status, 400, body);
  assert.equal((await ask("GET", "/proxies/q1")).status, 404);
});

test("populate fails in the middle → those before it stay, and stand beside the error", async () => {
  const { status, json } = await ask("POST", "/populate", [
    { name: "first", upstream, listen: "127.0.0.1:0" },
    { name: "second", upstream, listen: upstream },
    { name: "third", upstream, listen: "127.0.0.1:0" },
  ]);
  assert.deepEqual([status, json.status, typeof json.error], [500, 500, "string"]);
  assert.deepEqual(
    json.proxies.map(({ name }: { name: string }) => name),
    ["first"],
  );
  assert.deepEqual(
    [(await ask("GET", "/proxies/first")).status, (await ask("GET", "/proxies/third")).status],
    [200, 404],
  );
});

test("populate of what is there → left alone; with other addresses → replaced without toxics", async () => {
  const { json: made } = await create("kept");
  await ask("POST", "/proxies/kept/toxics", { type: "latency" });
  await ask("POST", "/proxies/kept", { enabled: false });
  const same = { name: "kept", upstream, listen: made.listen.replace("127.0.0.1", "localhost"), enabled: true };
  const { json } = await ask("POST", "/populate", [same]);
  assert.deepEqual([json.proxies[0].enabled, json.proxies[0].toxics.length], [false, 1]);
  const other = await ask("POST", "/populate", [{ ...same, upstream: "127.0.0.1:9" }]);
  assert.deepEqual(other.json.proxies[0], { ...made, upstream: "127.0.0.1:9" });
  const anyPort = await ask("POST", "/populate", [{ ...same, listen: "localhost:0" }]);
  assert.notEqual(anyPort.json.proxies[0].listen, made.listen);
});

test("a browser → 403; every answer has an id", async () => {
  const { status, text } = await ask("GET", "/proxies", undefined, { "user-agent": "Mozilla/5.0 (X11)" });
  assert.deepEqual([status, text], [403, "User agent not allowed\n"]);
  const ids = await Promise.all([
    ask("GET", "/version"),
    ask("GET", "/proxies/none"),
    ask("POST", "/populate", "x"),
    ask("DELETE", "/proxies/none"),
  ]);
  const found = ids.map(({ headers }) => headers.get("x-toxiproxy-request-id"));
  assert.equal(new Set(found).size, 4);
  assert.ok(found.every((id) => id !== null && id.length > 0));
});

test("an unknown path → 404; a wrong method → 405", async () => {
  for (const path of ["/", "/proxie", "/proxies/", "/proxies/a/toxic", "/proxies/a/toxics/b/c"])
    assert.equal((await ask("GET", path)).status, 404, path);
  for (const [method, path] of [
    ["PUT", "/proxies"],
    ["DELETE", "/proxies"],
    ["HEAD", "/proxies"],
    ["GET", "/populate"],
    ["GET", "/reset"],
    ["POST", "/version"],
    ["PUT", "/proxies/none"],
    ["DELETE", "/proxies/none/toxics"],
    ["PUT", "/proxies/none/toxics/x"],
  ] as const)
    assert.equal((await ask(method, path)).status, 405, `${method} ${path}`);
});

test("names with spaces and signs → are found when they are written in a path", async () => {
  const name = "a b/ü?%";
  await create(name);
  const { status, json } = await ask("GET", `/proxies/${encodeURIComponent("a b/ü?%")}`);
  assert.deepEqual([status, json.name], [200, name]);
  assert.equal((await ask("DELETE", `/proxies/${encodeURIComponent(name)}`)).status, 204);
  const proto = await create("__proto__");
  assert.deepEqual([proto.status, proto.json.name], [201, "__proto__"]);
  assert.ok(Object.hasOwn((await ask("GET", "/proxies")).json, "__proto__"));
  await ask("DELETE", "/proxies/__proto__");
});

test("GET /metrics → counts of connections that still live", async () => {
  const { json } = await create("counted");
  const socket = connect(Number(json.listen.split(":")[1]), "127.0.0.1");
  socket.write("hello");
  await once(socket, "data");
  const { status, text, headers } = await ask("GET", "/metrics");
  assert.equal(status, 200);
  assert.ok(headers.get("content-type")?.startsWith("text/plain"));
  for (const direction of ["upstream", "downstream"]) {
    for (const what of ["received", "sent"]) {
      const labels = `direction="${direction}",proxy="counted",listener="${json.listen}",upstream="${upstream}"`;
      assert.ok(text.includes(`toxiproxy_proxy_${what}_bytes_total{${labels}} 5\n`), text);
    }
  }
  socket.destroy();
});

test("the body is too large → 413, and the API goes on", async () => {
  const { status } = await ask("POST", "/populate", `["${"x".repeat(5_000_000)}"]`);
  assert.equal(status, 413);
  const trailing = await ask(
    "POST",
    "/proxies",
    `{"name":"long","upstream":"x:1","enabled":false}"${"x".repeat(3_000_000)}`,
  );
  assert.equal(trailing.status, 201);
  assert.equal((await ask("GET", "/version")).status, 200);
});

test("an answer takes longer than 25 s → 503", async () => {
  const clock = new VirtualClock();
  const events = new EventLog();
  const authority = new CertificateAuthority();
  const list = new ProxyList({ clock, random: seededRandom(1), events, authority });
  const metrics = { contentType: "text/plain", text: () => new Promise<string>(() => undefined) };
  const server = proxyApiServer({ proxies: list, events, authority, clock, metrics });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const answer = fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`);
  while (clock.pending === 0) await new Promise((resolve) => setImmediate(resolve));
  await clock.advanceBy(25_000);
  assert.equal((await answer).status, 503);
  server.closeAllConnections();
  server.close();
});

test("the same name is created many times at once → one is made, the others get 409", async () => {
  const answers = await Promise.all(Array.from({ length: 20 }, () => create("race")));
  const statuses = answers.map(({ status }) => status).sort();
  assert.deepEqual(statuses, [201, ...Array.from({ length: 19 }, () => 409)]);
  const deletions = await Promise.all(Array.from({ length: 5 }, () => ask("DELETE", "/proxies/race")));
  assert.deepEqual(deletions.map(({ status }) => status).sort(), [204, 404, 404, 404, 404]);
});

test("a client that does not read, under a toxic → changing and deleting are answered at once", async () => {
  const flood = createServer((socket) => {
    socket.on("error", () => undefined);
    const more = (): void => {
      while (!socket.destroyed && socket.write(Buffer.alloc(65_536)));
    };
    socket.on("drain", more);
    more();
  }).listen(0, "127.0.0.1");
  await once(flood, "listening");
  const { json } = await create("stuck", { upstream: `127.0.0.1:${(flood.address() as AddressInfo).port}` });
  await ask("POST", "/proxies/stuck/toxics", { type: "latency", attributes: { latency: 10 } });
  const socket = connect(Number(json.listen.split(":")[1]), "127.0.0.1");
  socket.on("error", () => undefined);
  await once(socket, "connect");
  const proxy = proxies.get("stuck");
  let received = -1;
  // Until nothing more is taken: everything is full.
  while (received !== proxy.counts("downstream").receivedBytes || received === 0) {
    received = proxy.counts("downstream").receivedBytes;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const beganAt = performance.now();
  assert.equal((await ask("POST", "/proxies/stuck/toxics/latency_downstream", { toxicity: 0.5 })).status, 200);
  assert.equal((await ask("DELETE", "/proxies/stuck/toxics/latency_downstream")).status, 204);
  assert.equal((await ask("DELETE", "/proxies/stuck")).status, 204);
  assert.ok(performance.now() - beganAt < 2_000);
  socket.destroy();
  flood.close();
});

test("[ours] toxics in create and populate → in force from the first connection on", async () => {
  const { status, json } = await create("born", { toxics: [{ type: "limit_data", attributes: { bytes: 2 } }] });
  assert.deepEqual([status, json.toxics[0].name], [201, "limit_data_downstream"]);
  const socket = connect(Number(json.listen.split(":")[1]), "127.0.0.1");
  socket.write("hello");
  const [bytes] = (await once(socket, "data")) as [Buffer];
  assert.equal(bytes.toString(), "he");
  socket.destroy();
  for (const [toxics, expected] of [
    [[{ type: "x" }], "400 invalid toxic type"],
    [[{ type: "noop" }, { type: "noop" }], "409 toxic already exists"],
  ] as const) {
    assert.equal(errorIn(await create("unborn", { toxics })), expected);
    assert.equal((await ask("GET", "/proxies/unborn")).status, 404);
  }
  assert.equal((await create("null", { toxics: null, enabled: null })).json.enabled, true);
});

test("[ours] stream both → a toxic for each direction, or neither", async () => {
  await create("twofold");
  const { status, json } = await ask("POST", "/proxies/twofold/toxics", { type: "latency", stream: "both" });
  assert.deepEqual([status, json.name, json.stream], [200, "latency_upstream", "upstream"]);
  const named = { name: "slow", type: "bandwidth", stream: "both" };
  await ask("POST", "/proxies/twofold/toxics", named);
  const { json: all } = await ask("GET", "/proxies/twofold/toxics");
  assert.deepEqual(
    all.map(({ name, stream }: { name: string; stream: string }) => [name, stream]),
    [
      ["latency_upstream", "upstream"],
      ["slow_upstream", "upstream"],
      ["latency_downstream", "downstream"],
      ["slow_downstream", "downstream"],
    ],
  );
  await ask("DELETE", "/proxies/twofold/toxics/slow_upstream");
  assert.equal(errorIn(await ask("POST", "/proxies/twofold/toxics", named)), "409 toxic already exists");
});

test("[ours] GET /events → what was done to which connection, as JSON lines", async () => {
  const before = proxies.events().at(-1)?.number ?? 0;
  const { json } = await create("told", { toxics: [{ type: "reset_peer" }] });
  const socket = connect(Number(json.listen.split(":")[1]), "127.0.0.1");
  socket.write("x");
  await new Promise((resolve) => socket.once("error", resolve));
  await ask("DELETE", "/proxies/told");
  const { text, headers } = await ask("GET", `/events?after=${before}`);
  assert.equal(headers.get("content-type"), "application/x-ndjson");
  const events = text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  assert.deepEqual(
    events.map(({ type, connection }) => [type, connection]),
    [
      ["proxy-opened", undefined],
      ["connection-opened", 1],
      ["toxic-applied", 1],
      ["connection-reset", 1],
      ["connection-closed", 1],
      ["proxy-closed", undefined],
    ],
  );
  assert.ok(events.every(({ proxy, at }) => proxy === "told" && !Number.isNaN(Date.parse(at))));
  assert.equal((await ask("GET", "/events?after=x")).status, 400);
});

test("an attribute that no error could show → refused with 400 and a short text", async () => {
  await create("unshowable");
  for (const value of [`${"[".repeat(50_000)}${"]".repeat(50_000)}`, JSON.stringify("x".repeat(1_000_000)), "1e999"]) {
    const refused = await ask(
      "POST",
      "/proxies/unshowable/toxics",
      `{"type":"latency","attributes":{"latency":${value}}}`,
    );
    assert.equal(refused.status, 400);
    assert.ok(refused.text.length < 300);
    assert.ok(!refused.json.error.includes("is null"));
  }
});

test("a name with half a surrogate pair → U+FFFD in its place, so that a URL can name it", async () => {
  const made = await create("half\ud800");
  assert.deepEqual([made.status, made.json.name], [201, "half\ufffd"]);
  await ask("POST", "/proxies/half%EF%BF%BD/toxics", { type: "noop", name: "\udc00" });
  assert.equal((await ask("DELETE", "/proxies/half%EF%BF%BD/toxics/%EF%BF%BD")).status, 204);
  assert.equal((await ask("DELETE", "/proxies/half%EF%BF%BD")).status, 204);
});

test("[ours] expiresAfter over HTTP → the toxic is gone by itself", async () => {
  await create("dead-man");
  await ask("POST", "/proxies/dead-man/toxics", { type: "refuse", expiresAfter: 50 });
  const deadline = performance.now() + 10_000;
  while ((await ask("GET", "/proxies/dead-man/toxics")).json.length > 0) assert.ok(performance.now() < deadline);
  const { json } = await ask("GET", "/proxies/dead-man");
  const socket = connect(Number(json.listen.split(":")[1]), "127.0.0.1");
  await once(socket, "connect");
  socket.destroy();
});
