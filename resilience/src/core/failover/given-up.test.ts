/**
 * Which calls are the same as ones that were given up before: by their keys, or by their sources
 * until these are served.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Dispatching, type Terms } from "../../../../test/worlds/dispatching.ts";
import type { CallTerms } from "./call-terms.ts";
import { GivenUp } from "./given-up.ts";

const world = new Dispatching();
const terms = (given: Terms): CallTerms => world.call(given);

test("[F10] a call that was given up → known when it is sent again, and not one that was sent before that", () => {
  for (const same of [{ key: "k1" }, { source: "reader", isIdempotent: true }]) {
    const givenUp = new GivenUp(0);
    assert.equal(givenUp.has(terms(same), 100), false);
    givenUp.note(terms(same), 100);
    assert.deepEqual(
      [99, 100, 5_000].map((startedMs) => givenUp.has(terms(same), startedMs)),
      [false, true, true],
    );
  }
});

test("[F10] another key, another source, a call that nobody may repeat, a source without a name → news", () => {
  const givenUp = new GivenUp(0);
  const once = { source: "writer" };
  const unnamed = { source: "", isIdempotent: true };
  for (const one of [{ key: "k1" }, { source: "reader", isIdempotent: true }, once, unnamed])
    givenUp.note(terms(one), 0);
  for (const other of [{ key: "k2" }, { source: "other", isIdempotent: true }, once, unnamed]) {
    assert.equal(givenUp.has(terms(other), 1), false, JSON.stringify(other));
  }
  // With a key, it is the key that counts.
  assert.equal(givenUp.has(terms({ source: "reader", isIdempotent: true, key: "k3" }), 1), false);
});

test("[F10] a source that the station has served since → its next call is a new one; served elsewhere says nothing", () => {
  const givenUp = new GivenUp(0);
  const again = terms({ source: "again", isIdempotent: true });
  givenUp.note(again, 100);
  again.source.noteServed(1, 5, 150);
  assert.equal(givenUp.has(again, 200), true);
  again.source.noteServed(0, 5, 150);
  assert.equal(givenUp.has(again, 200), false);
  givenUp.note(again, 300);
  assert.equal(givenUp.has(again, 400), true);
});

test("[F10] a thousand keys are given up → the latest 256 are remembered", () => {
  const givenUp = new GivenUp(0);
  for (let call = 0; call < 1_000; call++) givenUp.note(terms({ key: `k${call}` }), call);
  assert.equal(givenUp.size, 256);
  const known = Array.from({ length: 1_000 }, (_, call) => givenUp.has(terms({ key: `k${call}` }), 2_000));
  assert.deepEqual([known.indexOf(true), known.filter(Boolean).length], [744, 256]);
  // One that is given up again is young again.
  givenUp.note(terms({ key: "k744" }), 2_000);
  givenUp.note(terms({ key: "new" }), 2_000);
  assert.deepEqual(
    [givenUp.has(terms({ key: "k744" }), 2_001), givenUp.has(terms({ key: "k745" }), 2_001)],
    [true, false],
  );
});
