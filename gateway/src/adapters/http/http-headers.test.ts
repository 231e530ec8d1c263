/** Header fields and targets on their way through a proxy, case by case. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { HeaderList } from "../../fleet/uplink.ts";
import { endToEnd, isJson, targetOf, unsendable, withForwarded } from "./http-headers.ts";

test("fields of the connection stay behind, named ones too, and the rest keeps order, spelling and duplicates", () => {
  const raw = [
    "B",
    "1",
    "Connection",
    "keep-alive, X-Hop",
    "b",
    "2",
    "X-HOP",
    "3",
    "TE",
    "trailers",
    "B",
    "",
    "X",
    "y",
  ];
  assert.deepEqual(endToEnd(raw), [
    ["B", "1"],
    ["b", "2"],
    ["B", ""],
    ["X", "y"],
  ]);
});

test("what frames or routes a message cannot be named away, and nobody speaks for the gateway", () => {
  const raw = ["Connection", "Host, Content-Length, gsf-epoch", "Host", "a", "Content-Length", "3", "gsf-epoch", "9"];
  assert.deepEqual(endToEnd(raw), [
    ["Host", "a"],
    ["Content-Length", "3"],
  ]);
});

const TRUSTED = { caller: "3.3.3.3", protocol: "http", isTrusted: true } as const;

test("who asked is added at the end of what a trusted proxy said, and its claims are kept", () => {
  const added = withForwarded(
    [
      ["X-Forwarded-For", "1.1.1.1"],
      ["Host", "h"],
      ["x-forwarded-for", "2.2.2.2"],
    ],
    TRUSTED,
  );
  assert.deepEqual(added, [
    ["Host", "h"],
    ["x-forwarded-for", "1.1.1.1, 2.2.2.2, 3.3.3.3"],
    ["x-forwarded-proto", "http"],
    ["x-forwarded-host", "h"],
    ["via", "1.1 gsf"],
  ]);
  const kept = withForwarded(
    [
      ["X-Forwarded-Proto", "https"],
      ["X-Forwarded-Host", "front"],
      ["Host", "h"],
    ],
    TRUSTED,
  );
  assert.deepEqual(
    kept.map(([name]) => name),
    ["X-Forwarded-Proto", "X-Forwarded-Host", "Host", "x-forwarded-for", "via"],
  );
});

test("[G6] what any other caller says of itself is replaced, in every field that is read for it", () => {
  const said = ["X-Forwarded-For", "x-forwarded-proto", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Anything"];
  const more = ["Forwarded", "X-Real-IP", "True-Client-IP", "X-Client-Ip", "CF-Connecting-IP", "X-Cluster-Client-IP"];
  const headers = [...said, ...more, "Host", "x-own"].map((name): [string, string] => [name, "claimed"]);
  assert.deepEqual(withForwarded(headers, { ...TRUSTED, isTrusted: false }), [
    ["Host", "claimed"],
    ["x-own", "claimed"],
    ["x-forwarded-for", "3.3.3.3"],
    ["x-forwarded-proto", "http"],
    ["x-forwarded-host", "claimed"],
    ["via", "1.1 gsf"],
  ]);
});

test("a trusted proxy's Forwarded is added to, and none is made up (RFC 7239)", () => {
  const of = (caller: string) => withForwarded([["Forwarded", "for=1.1.1.1;proto=https"]], { ...TRUSTED, caller });
  const values = (list: ReturnType<typeof of>) =>
    list.filter(([name]) => name.toLowerCase() === "forwarded").map(([, value]) => value);
  assert.deepEqual(values(of("3.3.3.3")), ["for=1.1.1.1;proto=https", "for=3.3.3.3"]);
  assert.deepEqual(values(of("2001:db8::1")), ["for=1.1.1.1;proto=https", 'for="[2001:db8::1]"']);
  assert.deepEqual(values(withForwarded([["Host", "h"]], TRUSTED)), []);
});

test("targets: paths as they are, absolute ones split, anything else refused", () => {
  const path = (target: string) => ({ target, authority: undefined });
  assert.deepEqual(targetOf("GET", "/a/../b//%2f?x\\y"), path("/a/../b//%2f?x\\y"));
  assert.deepEqual(targetOf("OPTIONS", "*"), path("*"));
  assert.deepEqual(targetOf("GET", "http://h:1/a?b"), { target: "/a?b", authority: "h:1" });
  assert.deepEqual(targetOf("GET", "HTTPS://h"), { target: "/", authority: "h" });
  assert.deepEqual(targetOf("GET", "http://h?b"), { target: "/?b", authority: "h" });
  assert.deepEqual(targetOf("OPTIONS", "http://h"), { target: "*", authority: "h" });
  for (const bad of [
    "*",
    "a/b",
    "ftp://h/",
    "http:///a",
    "http://user@h/",
    "/a#b",
    "/a?b#",
    "/a\\b",
    "http://h/#b",
    "http://h\\b/",
    "http://[:::::::]/",
    "http://[::1/",
    "http://h:99999/",
    "http://a\u00e9/",
    "",
  ])
    assert.equal(targetOf("GET", bad), undefined, bad);
});

test("JSON is known by its type and by its suffix, and by nothing else", () => {
  for (const type of ["application/json", "text/json; charset=x", "application/vnd.api+JSON;v=1"])
    assert.ok(isJson(type), type);
  for (const type of [
    undefined,
    "",
    "application/x-ndjson",
    "application/json-seq",
    "text/html; a=json",
    "application/jsonp",
  ]) {
    assert.ok(!isJson(type), String(type));
  }
});

test("a value that could break a header block is found", () => {
  assert.equal(unsendable([["a", "x\ty caf\xe9"]]), undefined);
  for (const bad of ["a\r\nb", "\0", "\x7f", "\u{100}"])
    assert.equal(
      unsendable([
        ["ok", "1"],
        ["bad", bad],
      ]),
      "bad",
    );
});

test("[G6] twins of our own fields, with `_` for `-`, go no further; others with `_` do", () => {
  const names = [
    "gsf_epoch",
    "GSF_Deadline",
    "gsf-_x",
    "x_forwarded_for",
    "X-Forwarded_Host",
    "idempotency_key",
    "x_time_left_ms",
  ];
  const others = ["x_customer_id", "my_gsf_epoch", "forwarded_by"];
  const kept = endToEnd([...names, ...others].flatMap((name) => [name, "1"]));
  assert.deepEqual(
    kept.map(([name]) => name),
    others,
  );
});

test("[G6] what proxies say of callers: twins go no further in any spelling, and plain ones are a trusted proxy's only", () => {
  const said = [
    ...["x-real-ip", "x-client-ip", "x-cluster-client-ip", "true-client-ip", "cf-connecting-ip", "x-forwarded"],
    ...["fastly-client-ip", "x-envoy-external-address", "wl-proxy-client-ip", "x-original-host", "front-end-https"],
    ...["x-forwarded-for", "x-forwarded-server", "forwarded", "x-original-url", "proxy"],
  ];
  const ours = ["grpc-timeout", "cdn-loop", "x-time-left-ms", "gsf-epoch", "idempotency-key", "content-length", "via"];
  const names = (headers: HeaderList): string[] => headers.map(([name]) => name);
  for (const name of [...said, ...ours].filter((name) => name.includes("-"))) {
    for (const sign of ["_", ".", "~", "!"]) {
      const twins = [name.replaceAll("-", sign), name.replace("-", sign), name.toUpperCase().replaceAll("-", sign)];
      for (const twin of twins) assert.deepEqual(endToEnd([twin, "6.6.6.6"]), [], twin);
    }
  }
  const added = ["x-forwarded-for", "x-forwarded-proto", "via"];
  for (const name of said) {
    const from = (isTrusted: boolean): string[] =>
      names(withForwarded(endToEnd([name, "6.6.6.6"]), { caller: "10.0.0.1", protocol: "http", isTrusted }));
    assert.deepEqual(from(false), added, name);
    if (name !== "x-forwarded-for") assert.ok(from(true).includes(name), name);
  }
  for (const name of ["x-own", "x_own", "content_type", "user.agent", "xforwardedfor", "x-ip", "proxy-authorization"])
    assert.deepEqual(names(endToEnd([name, "1"])), [name]);
});
