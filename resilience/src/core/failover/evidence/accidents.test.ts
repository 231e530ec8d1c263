import assert from "node:assert/strict";
import { test } from "node:test";
import { Accidents, UsualShare } from "./accidents.ts";

test("[F10] how often one goes wrong, and how often the next one does as well → the chance of a row", () => {
  const usual = new UsualShare();
  const accidents = new Accidents(usual);
  // After nine that went well one goes wrong, and after every second of those another one.
  for (let round = 0; round < 6_000; round++) {
    if (round % 10 === 0) accidents.note();
    if (round % 20 === 0) accidents.note();
    accidents.noteWell();
  }
  accidents.note();
  assert.equal(accidents.inRow, 1);
  const [one, two, three] = [accidents.chance(), accidents.chance(1), accidents.chance(2)];
  assert.ok(Math.abs(one - 0.1) < 0.02, `${one}`);
  assert.ok(Math.abs(two / one - 0.5) < 0.1 && Math.abs(three / two - two / one) < 1e-9, `${two / one}`);
});

test("[F10] nothing goes wrong for long → a first one has no chance to be an accident", () => {
  const accidents = new Accidents();
  assert.equal(accidents.chance(1), 0.005, "nobody knows");
  for (let round = 0; round < 1_500; round++) accidents.noteWell();
  assert.equal(accidents.chance(1), 0);
});

test("[F10] an outage is no rule: a thousand in a row count as one that went on, and a row that is forgotten not at all", () => {
  const [outage, same, forgotten] = [new UsualShare(), new UsualShare(), new UsualShare()];
  const station = new Accidents(outage);
  for (let more = 0; more < 1_000; more++) station.note();
  station.noteWell();
  same.learn(2);
  assert.deepEqual(
    [1, 2, 3].map((row) => outage.chance(row)),
    [1, 2, 3].map((row) => same.chance(row)),
  );
  const other = new Accidents(forgotten);
  other.note();
  other.forget();
  assert.deepEqual([other.inRow, forgotten.chance(1)], [0, new UsualShare().chance(1)]);
});

test("[F10] a station that has served nothing yet → judged by what is usual at the others", () => {
  const usual = new UsualShare();
  const [old, fresh] = [new Accidents(usual), new Accidents(usual)];
  for (let round = 0; round < 1_500; round++) old.noteWell();
  fresh.note();
  assert.equal(fresh.chance(), 0);
});

test("[F10] one in ten goes wrong, and never yet two in a row → two in a row are one in a hundred, and not one in a million", () => {
  const usual = new UsualShare();
  for (let call = 0; call < 100; call++) usual.learn(call % 10 === 0 ? 1 : 0);
  const [one, two, three] = [1, 2, 3].map((inRow) => usual.chance(inRow)) as [number, number, number];
  assert.ok(one > 0.05 && one < 0.2, `${one}`);
  assert.ok(two >= one * one && three >= one ** 3, `${two}, ${three}`);
});
