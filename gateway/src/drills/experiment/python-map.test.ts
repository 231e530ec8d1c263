// biome-ignore-all lint/suspicious/noTemplateCurlyInString: patterns of experiments.
/**
 * The Python functions that are stood in for: what is asked of the fault proxy, and what comes of
 * it.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Json, JsonObject } from "./experiment.ts";
import { mappedModules, mappedPython } from "./python-map.ts";
import type { HttpAnswer, PythonPlan } from "./python-plan.ts";

const configuration = { toxiproxy_host: "127.0.0.1" };

function planOf(name: string, args: JsonObject, given: JsonObject = configuration): PythonPlan | { problem: string } {
  const dot = name.lastIndexOf(".");
  const mapping = mappedPython(name.slice(0, dot), name.slice(dot + 1));
  assert.ok(mapping !== undefined, name);
  assert.deepEqual(mapping.problems(args), []);
  return mapping.plan(args, given, { UPSTREAM: "db.example.org" });
}

const toxic = { for_proxy: "db", toxic_name: "t" };
const added = (type: string, attributes: JsonObject): JsonObject => ({
  name: "t",
  stream: "downstream",
  toxicity: 1,
  type,
  attributes,
});
const BASE = "http://127.0.0.1:8474";

/** [the function, its arguments, the request]. */
const REQUESTS: readonly (readonly [string, JsonObject, string, string, Json?])[] = [
  [
    "chaostoxi.proxy.actions.create_proxy",
    { proxy_name: "db", upstream_host: "h", upstream_port: 5432 },
    "POST",
    "/proxies",
    { name: "db", listen: "0.0.0.0:0", upstream: "h:5432", enabled: true },
  ],
  [
    "chaostoxi.proxy.actions.create_proxy",
    {
      proxy_name: "db",
      upstream_host: "env:UPSTREAM",
      upstream_port: "5432",
      listen_host: "127.0.0.1",
      listen_port: 1,
      enabled: false,
    },
    "POST",
    "/proxies",
    { name: "db", listen: "127.0.0.1:1", upstream: "db.example.org:5432", enabled: false },
  ],
  [
    "chaostoxi.proxy.actions.modify_proxy",
    { proxy_name: "a/b", listen_address: "h:1" },
    "POST",
    "/proxies/a%2Fb",
    { listen: "h:1" },
  ],
  [
    "chaostoxi.proxy.actions.modify_proxy",
    { proxy_name: "db", upstream_address: "h:1", enabled: true, listen_address: null },
    "POST",
    "/proxies/db",
    { upstream: "h:1", enabled: true },
  ],
  ["chaostoxi.proxy.actions.disable_proxy", { proxy_name: "db" }, "POST", "/proxies/db", { enabled: false }],
  ["chaostoxi.proxy.actions.enable_proxy", { proxy_name: "db" }, "POST", "/proxies/db", { enabled: true }],
  ["chaostoxi.proxy.actions.delete_proxy", { proxy_name: "db" }, "DELETE", "/proxies/db"],
  ["chaostoxi.proxy.actions.reset", {}, "POST", "/reset"],
  ["chaostoxi.proxy.probes.proxy_exist", { proxy_name: "db" }, "GET", "/proxies/db"],
  ["chaostoxi.proxy.probes.get_proxy_attribute", { proxy_name: "db", attribute: "listen" }, "GET", "/proxies/db"],
  ["chaostoxi.toxic.actions.delete_toxic", toxic, "DELETE", "/proxies/db/toxics/t"],
  [
    "chaostoxi.toxic.actions.create_toxic",
    { ...toxic, toxic_type: "reset_peer", stream: "upstream", toxicity: 0.5, attributes: { timeout: 1 } },
    "POST",
    "/proxies/db/toxics",
    { name: "t", type: "reset_peer", stream: "upstream", toxicity: 0.5, attributes: { timeout: 1 } },
  ],
  [
    "chaostoxi.toxic.actions.create_toxic",
    { ...toxic, toxic_type: "timeout" },
    "POST",
    "/proxies/db/toxics",
    { name: "t", type: "timeout", stream: "downstream", toxicity: 1 },
  ],
  [
    "chaostoxi.toxic.actions.create_latency_toxic",
    { ...toxic, latency: 5 },
    "POST",
    "/proxies/db/toxics",
    added("latency", { latency: 5, jitter: 0 }),
  ],
  [
    "chaostoxi.toxic.actions.create_bandwith_degradation_toxic",
    { ...toxic, rate: 5 },
    "POST",
    "/proxies/db/toxics",
    added("bandwidth", { rate: 5 }),
  ],
  [
    "chaostoxi.toxic.actions.create_slow_connection_close_toxic",
    { ...toxic, delay: 5 },
    "POST",
    "/proxies/db/toxics",
    added("slow_close", { delay: 5 }),
  ],
  [
    "chaostoxi.toxic.actions.create_timeout_toxic",
    { ...toxic, timeout: 5 },
    "POST",
    "/proxies/db/toxics",
    added("timeout", { timeout: 5 }),
  ],
  [
    "chaostoxi.toxic.actions.create_slicer_toxic",
    { ...toxic, average_size: 1, size_variation: 2, delay: 3 },
    "POST",
    "/proxies/db/toxics",
    added("slicer", { average_size: 1, size_variation: 2, delay: 3 }),
  ],
  [
    "chaostoxi.toxic.actions.create_limiter_toxic",
    { ...toxic, bytes_limit: 5 },
    "POST",
    "/proxies/db/toxics",
    added("limit_data", { bytes: 5 }),
  ],
];

for (const [name, args, method, path, body] of REQUESTS)
  test(`${name} ${JSON.stringify(args)} → ${method} ${path}`, () => {
    const plan = planOf(name, args);
    assert.ok("kind" in plan && plan.kind === "http", JSON.stringify(plan));
    assert.deepEqual([plan.method, plan.url, plan.body], [method, `${BASE}${path}`, body]);
  });

const FAILED = "failed";
const proxy = { name: "db", listen: "127.0.0.1:45471", upstream: "h:1", enabled: true, toxics: [] };
const create = { proxy_name: "db", upstream_host: "h", upstream_port: 1 };

/** [the function, its arguments, the answer, the output]. */
const OUTCOMES: readonly (readonly [string, JsonObject, HttpAnswer | undefined, Json])[] = [
  ["chaostoxi.proxy.actions.create_proxy", create, { status: 201, body: proxy }, true],
  ["chaostoxi.proxy.actions.create_proxy", create, { status: 409, body: { error: "proxy already exists" } }, FAILED],
  ["chaostoxi.proxy.actions.create_proxy", create, undefined, FAILED],
  ["chaostoxi.proxy.actions.modify_proxy", { proxy_name: "db" }, { status: 404, body: null }, FAILED],
  ["chaostoxi.proxy.actions.disable_proxy", { proxy_name: "db" }, { status: 200, body: proxy }, true],
  ["chaostoxi.proxy.actions.delete_proxy", { proxy_name: "db" }, { status: 404, body: null }, null],
  ["chaostoxi.proxy.actions.delete_proxy", { proxy_name: "db" }, undefined, null],
  ["chaostoxi.proxy.actions.reset", {}, { status: 204, body: null }, true],
  ["chaostoxi.proxy.actions.reset", {}, { status: 500, body: null }, false],
  ["chaostoxi.proxy.probes.proxy_exist", { proxy_name: "db" }, { status: 200, body: proxy }, true],
  [
    "chaostoxi.proxy.probes.proxy_exist",
    { proxy_name: "db" },
    { status: 404, body: { error: "proxy not found" } },
    false,
  ],
  [
    "chaostoxi.proxy.probes.get_proxy_attribute",
    { proxy_name: "db", attribute: "enabled" },
    { status: 200, body: proxy },
    true,
  ],
  [
    "chaostoxi.proxy.probes.get_proxy_attribute",
    { proxy_name: "db", attribute: "none" },
    { status: 200, body: proxy },
    FAILED,
  ],
  [
    "chaostoxi.proxy.probes.get_proxy_attribute",
    { proxy_name: "db", attribute: "enabled" },
    { status: 404, body: null },
    null,
  ],
  [
    "chaostoxi.toxic.actions.create_toxic",
    { ...toxic, toxic_type: "noop" },
    { status: 200, body: { name: "t" } },
    true,
  ],
  [
    "chaostoxi.toxic.actions.create_toxic",
    { ...toxic, toxic_type: "x" },
    { status: 400, body: { error: "invalid" } },
    FAILED,
  ],
  ["chaostoxi.toxic.actions.delete_toxic", toxic, { status: 204, body: null }, true],
  ["chaostoxi.toxic.actions.delete_toxic", toxic, { status: 404, body: null }, false],
  ["chaostoxi.toxic.actions.delete_toxic", toxic, undefined, FAILED],
];

for (const [name, args, answer, expected] of OUTCOMES)
  test(`${name} answered ${JSON.stringify(answer?.status) ?? "not at all"} → ${JSON.stringify(expected)}`, () => {
    const plan = planOf(name, args);
    assert.ok("kind" in plan && plan.kind === "http");
    const outcome = plan.outcome(answer);
    assert.deepEqual("failure" in outcome ? FAILED : outcome.output, expected);
  });

test("a proxy that was made → its port is set for the activities after it", () => {
  const plan = planOf("chaostoxi.proxy.actions.create_proxy", create);
  assert.ok("kind" in plan && plan.kind === "http");
  assert.deepEqual(plan.outcome({ status: 201, body: { ...proxy, listen: "[::]:37353" } }), {
    output: true,
    assigned: { db_PORT: "37353" },
  });
});

/** [the configuration, the API's address; undefined: a problem]. */
const ADDRESSES: readonly (readonly [JsonObject, string | undefined])[] = [
  [{ toxiproxy_host: "h" }, "http://h:8474/reset"],
  [{ toxiproxy_host: "h", toxiproxy_port: 1 }, "http://h:1/reset"],
  [{ toxiproxy_host: "h", toxiproxy_port: "2" }, "http://h:2/reset"],
  [{ toxiproxy_host: "h", toxiproxy_url: "http://other:1/path/" }, "http://other:1/path/reset"],
  [{ toxiproxy_host: "[::1]" }, "http://[::1]:8474/reset"],
  [{}, undefined],
  [{ toxiproxy_host: "" }, undefined],
  [{ toxiproxy_host: "a b" }, undefined],
  [{ toxiproxy_url: "file:///etc" }, undefined],
];

for (const [given, expected] of ADDRESSES)
  test(`configuration ${JSON.stringify(given)} → ${expected ?? "a problem"}`, () => {
    const plan = planOf("chaostoxi.proxy.actions.reset", {}, given);
    assert.equal("kind" in plan && plan.kind === "http" ? plan.url : undefined, expected);
  });

test("functions of Python's own library → plans for files and pauses", () => {
  assert.deepEqual(planOf("os.path.exists", { path: "a" }), { kind: "path-exists", path: "a", what: "anything" });
  assert.deepEqual(planOf("os.path.isfile", { path: "a" }), { kind: "path-exists", path: "a", what: "file" });
  assert.deepEqual(planOf("os.remove", { path: "a" }), { kind: "remove-file", path: "a" });
  assert.deepEqual(planOf("time.sleep", { secs: 1.5 }), { kind: "sleep", seconds: 1.5 });
  assert.deepEqual(planOf("time.sleep", { seconds: 2 }), { kind: "sleep", seconds: 2 });
  for (const args of [{}, { secs: -1 }, { secs: 1e9 }]) assert.ok("problem" in planOf("time.sleep", args));
});

/** [the function, its arguments, how many problems]. */
const WRONG: readonly (readonly [string, string, JsonObject, number])[] = [
  ["os.path", "exists", {}, 1],
  ["os.path", "exists", { path: 3 }, 1],
  ["os.path", "exists", { pth: "a" }, 2],
  ["os", "remove", { path: "a", dir_fd: 3 }, 1],
  ["chaostoxi.toxic.actions", "create_latency_toxic", { ...toxic, latency: "fast" }, 1],
  ["chaostoxi.toxic.actions", "create_latency_toxic", { ...toxic, latency: 1.5 }, 1],
  ["chaostoxi.toxic.actions", "create_latency_toxic", { latency: 1 }, 2],
  ["chaostoxi.toxic.actions", "create_latency_toxic", { ...toxic, latency: "${latency}" }, 0],
  ["chaostoxi.toxic.actions", "create_toxic", { ...toxic, toxic_type: "a", attributes: [1] }, 1],
  ["chaostoxi.proxy.actions", "create_proxy", { ...create, upstream_port: "http" }, 1],
  ["chaostoxi.proxy.actions", "reset", { configuration: {} }, 1],
];

for (const [module, func, args, count] of WRONG)
  test(`${module}.${func} ${JSON.stringify(args)} → ${count} problems`, () => {
    assert.equal(mappedPython(module, func)?.problems(args).length, count);
  });

test("a value that was filled in with another type → a problem and no plan", () => {
  const mapping = mappedPython("chaostoxi.toxic.actions", "create_latency_toxic");
  assert.ok("problem" in (mapping?.plan({ ...toxic, latency: "100" }, configuration, {}) ?? {}));
});

test("every other function → not mapped", () => {
  for (const [module, func] of [
    ["os", "system"],
    ["os.path", "__proto__"],
    ["", "constructor"],
    ["subprocess", "run"],
    ["shutil", "rmtree"],
  ])
    assert.equal(mappedPython(module as string, func as string), undefined);
  assert.deepEqual(mappedModules(), [
    "os.path",
    "os",
    "time",
    "chaostoxi.proxy.actions",
    "chaostoxi.proxy.probes",
    "chaostoxi.toxic.actions",
  ]);
});
