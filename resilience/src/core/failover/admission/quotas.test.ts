/**
 * When refusals for load are those of single sources of calls, and when they are about the station.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../../random.ts";
import { Quotas } from "./quotas.ts";

test("[F10] one source in four is refused again and again, the others are served → its own after a few", () => {
  const quotas = new Quotas();
  const found: boolean[] = [];
  for (let refusal = 0; refusal < 10; refusal++) {
    found.push(quotas.noteRefused(refusal > 0));
    for (let other = 0; other < 3; other++) quotas.noteServed(false);
  }
  assert.deepEqual(
    [found.slice(0, 4), found.slice(7)],
    [
      [false, false, false, false],
      [true, true, true],
    ],
  );
  assert.equal(quotas.noteRefused(false), false, "another source is refused");
  assert.equal(quotas.noteRefused(true), false);
});

test("[F10] two clients exceed their quotas by turns → both refusals are their own", () => {
  const quotas = new Quotas();
  let own = 0;
  for (let refusal = 0; refusal < 40; refusal++) {
    if (quotas.noteRefused(refusal > 1)) own++;
    for (let other = 0; other < 3; other++) quotas.noteServed(false);
  }
  assert.ok(own >= 30, `${own} of 40`);
});

test("[F10] a burst of one source is refused at once → may be load", () => {
  const quotas = new Quotas();
  for (let other = 0; other < 500; other++) quotas.noteServed(false);
  for (let refusal = 0; refusal < 50; refusal++) assert.equal(quotas.noteRefused(refusal > 0), false);
});

for (const sources of [1, 2, 5, 20, 200]) {
  test(`[F10] overload hits the calls of ${sources} sources at random → hardly any refusal counts as their own`, () => {
    const random = seededRandom(`quotas ${sources}`);
    const quotas = new Quotas();
    const refusedAt = new Map<number, number>();
    let [own, refused] = [0, 0];
    for (let call = 0; call < 20_000; call++) {
      // The first source makes most calls.
      const source = Math.floor(sources * random.next() ** 3);
      const wasRefused = call - (refusedAt.get(source) ?? Number.NEGATIVE_INFINITY) <= 1_000;
      if (random.next() >= 0.1) quotas.noteServed(wasRefused);
      else {
        refused++;
        refusedAt.set(source, call);
        if (quotas.noteRefused(wasRefused)) own++;
      }
    }
    assert.ok(own <= 0.02 * refused, `${own} of ${refused}`);
  });
}
