/** The hash of an experiment: the same for the same content, another for every change. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Json, JsonObject } from "./experiment.ts";
import { readExperiment } from "./read.ts";
import { specHash } from "./spec-hash.ts";

test("a known experiment → a known hash, which no version may change", () => {
  // printf '{"a":[1,{"b":"é","c":null}],"z":true}' | sha256sum
  assert.equal(
    specHash({ z: true, a: [1, { c: null, b: "é" }] }),
    "73bb09013fd8cd50f389921b3aa37722a1bd203cd23fea14990a37990b0d8761",
  );
});

test("JSON, YAML, another order → the same hash", () => {
  const texts = [
    ["x.json", '{"title": "t", "description": "d", "method": [], "n": 1.0}'],
    ["x.yaml", "n: 1\nmethod: []\ndescription: d\ntitle: 't'"],
  ] as const;
  const hashes = texts.map(([name, text]) => {
    const read = readExperiment(text, name);
    assert.ok("experiment" in read);
    return specHash(read.experiment.source);
  });
  assert.equal(hashes[0], hashes[1]);
});

test("any two experiments → equal hashes only if they are equal", () => {
  const object = fc.dictionary(fc.string(), fc.jsonValue()) as fc.Arbitrary<JsonObject>;
  const sorted = (value: Json): Json => {
    if (Array.isArray(value)) return value.map(sorted);
    if (typeof value !== "object" || value === null) return value;
    const names = Object.keys(value).toSorted();
    return Object.fromEntries(names.map((name) => [name, sorted((value as JsonObject)[name] as Json)]));
  };
  fc.assert(
    fc.property(object, object, (one, other) => {
      assert.equal(specHash(one), specHash(sorted(one) as JsonObject));
      const isSame = JSON.stringify(sorted(one)) === JSON.stringify(sorted(other));
      assert.equal(specHash(one) === specHash(other), isSame);
    }),
    { seed: 20_270_203, numRuns: 300 },
  );
});
