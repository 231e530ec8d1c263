/** Which requests are the same request, and whose key a key is. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { requestDigest } from "../../adapters/callers/request-digest.ts";
import type { CommandRequest } from "../uplink.ts";
import { identityOf } from "./request-identity.ts";

type Given = Partial<Omit<CommandRequest, "headers">> & {
  readonly fields?: Readonly<Record<string, string>>;
  readonly key?: string;
};

function identity({ fields = {}, key = "k", ...request }: Given = {}) {
  const bytes = new TextEncoder().encode('{"a":1}');
  const headers = Object.entries({ Host: "api.example:8080", "content-type": "application/json", ...fields });
  const whole: CommandRequest = {
    method: "POST",
    target: "/orders?x=1",
    body: { kind: "bytes", bytes },
    ...request,
    headers,
  };
  return identityOf(whole, key, ["authorization", "cookie"], requestDigest);
}

describe("[G1] the same key, and a request that differs in", () => {
  const others: readonly [string, Given][] = [
    ["its method", { method: "PATCH" }],
    ["its path", { target: "/order?x=1" }],
    ["its query", { target: "/orders?x=2" }],
    ["its body", { body: { kind: "bytes", bytes: new TextEncoder().encode('{"a":2}') } }],
    ["having no body", { body: { kind: "none" } }],
    ["its content type", { fields: { "content-type": "text/plain" } }],
    ["its content coding", { fields: { "Content-Encoding": "gzip" } }],
  ];
  for (const [what, given] of others) {
    test(`${what} → another request`, () => {
      assert.equal(identity(given).key, identity().key);
      assert.notEqual(identity(given).fingerprint, identity().fingerprint);
    });
  }

  test("a trace, a date or a deadline → the same request", () => {
    const fields = { traceparent: "00-1", date: "today", "x-time-left-ms": "7", "User-Agent": "other" };
    assert.deepEqual(identity({ fields }), identity());
  });
});

describe("[G6] a key belongs to its caller: another", () => {
  for (const [what, fields] of [
    ["token", { Authorization: "Bearer other" }],
    ["session", { COOKIE: "s=2" }],
    ["host", { Host: "other.example" }],
  ] as const) {
    test(`${what} → another key`, () => assert.notEqual(identity({ fields }).key, identity().key));
  }

  test("certificate → another key", () => assert.notEqual(identity({ callerSubject: "CN=b" }).key, identity().key));

  test("port of the same host → the same key", () =>
    assert.equal(identity({ fields: { Host: "API.example:9090" } }).key, identity().key));

  test("a value that imitates the parts of a digest → another key", () => {
    const one = identity({ key: "k", fields: { Authorization: "a" } });
    const other = identity({ key: "k11:api.example3:0 a", fields: {} });
    assert.notEqual(one.key, other.key);
  });
});

test("[G6] a digest shows nothing of a token", () => {
  const { key, fingerprint } = identity({ fields: { Authorization: "Bearer secret-token" } });
  assert.match(key, /^[\w-]{24}$/);
  assert.match(fingerprint, /^[\w-]{24}$/);
});
