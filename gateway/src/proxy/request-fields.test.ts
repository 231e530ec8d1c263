/** Request bodies are read as Go's decoder reads them, where clients can see the difference. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FaultProxyError } from "./fault-proxy-error.ts";
import { Fields, firstJson } from "./request-fields.ts";

const isBadBody = (error: unknown): boolean => error instanceof FaultProxyError && error.status === 400;

test("text behind the first value → is ignored, whatever it is", () => {
  fc.assert(
    fc.property(fc.oneof(fc.object(), fc.array(fc.jsonValue())), fc.string(), (value, rest) => {
      const text = JSON.stringify(value);
      assert.deepEqual(firstJson(`${text}\n${rest}`), JSON.parse(text));
    }),
  );
});

test("any text at all → a value, or a refusal with status 400", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[[\]{}":,a\\ ]*$/)), (text) => {
      try {
        firstJson(text);
      } catch (error) {
        assert.ok(isBadBody(error));
      }
    }),
  );
});

test("nothing, or half a value → refused", () => {
  for (const text of ["", " \n", "{", '{"a":', '{"a":1', "[1,", '{"a" 1} {}', "nul"])
    assert.throws(() => firstJson(text), isBadBody, text);
});

test("a text of many quotes that never ends → refused at once: the traffic of all proxies waits meanwhile", () => {
  const text = `{"${'\\"'.repeat(60_000)}`;
  const beganAtMs = performance.now();
  assert.throws(() => firstJson(text), isBadBody);
  // Looked through anew from each quote, it takes half a minute.
  assert.ok(performance.now() - beganAtMs < 5_000);
});

test("names → whatever their letter case; the last one counts", () => {
  const fields = new Fields("proxy", { NAME: "a", name: "b", EXPIRESAFTER: 5 });
  assert.equal(fields.text("name"), "b");
  assert.equal(fields.milliseconds("expiresAfter", 1, 10), 5);
});

test("null → as if absent", () => {
  const fields = new Fields("proxy", { name: null, enabled: null, toxics: null, attributes: null });
  assert.equal(fields.text("name"), undefined);
  assert.equal(fields.boolean("enabled"), undefined);
  assert.equal(fields.list("toxics"), undefined);
  assert.equal(fields.record("attributes"), undefined);
  assert.equal(fields.isNull("name"), true);
  assert.equal(new Fields("proxy", null).text("name"), undefined);
});

test("a value of another type → refused", () => {
  const fields = new Fields("proxy", { a: 1, b: "1", c: [], d: {} });
  for (const wrong of [
    () => fields.text("a"),
    () => fields.number("b"),
    () => fields.boolean("a"),
    () => fields.list("d"),
    () => fields.record("c"),
    () => fields.object("b"),
    () => new Fields("proxy", []),
    () => new Fields("proxy", "x"),
  ])
    assert.throws(wrong, isBadBody);
});
