import assert from "node:assert/strict";
import { test } from "node:test";
import { Accidents, UsualShare } from "./accidents.ts";

test("[F10] a share of all goes wrong → learned, and so it is known how long a row may be", () => {
  const usual = new UsualShare();
  const accidents = new Accidents(usual);
  for (let round = 0; round < 2_000; round++) {
    if (round % 9 === 0) accidents.note();
    accidents.noteWell();
  }
  assert.ok(Math.abs(usual.value - 0.1) < 0.02, `${usual.value}`);
  accidents.note();
  accidents.note();
  assert.equal(accidents.inRow, 2);
  assert.deepEqual([accidents.chance(), accidents.chance(1)], [usual.value ** 2, usual.value ** 3]);
});

test("[F10] nothing goes wrong for long → a first one has no chance to be an accident", () => {
  const accidents = new Accidents();
  assert.equal(accidents.chance(1), 0.005, "nobody knows");
  for (let round = 0; round < 1_500; round++) accidents.noteWell();
  assert.equal(accidents.chance(1), 0);
});

test("[F10] an outage is no rule: of a thousand in a row four count, and none of a row that is forgotten", () => {
  const [outage, same, forgotten] = [new UsualShare(), new UsualShare(), new UsualShare()];
  const station = new Accidents(outage);
  for (let more = 0; more < 1_000; more++) station.note();
  station.noteWell();
  same.learn(4);
  assert.equal(outage.value, same.value);
  const other = new Accidents(forgotten);
  other.note();
  other.noteExcused();
  other.forget();
  assert.deepEqual([other.inRow, forgotten.value], [0, new UsualShare().value]);
});

test("[F10] a station that has served nothing yet → judged by what is usual at the others", () => {
  const usual = new UsualShare();
  const [old, fresh] = [new Accidents(usual), new Accidents(usual)];
  for (let round = 0; round < 1_500; round++) old.noteWell();
  fresh.note();
  assert.equal(fresh.chance(), 0);
});

test("[F10] what went wrong for another reason → is no part of a row, and shows how often that happens", () => {
  const [usual, same] = [new UsualShare(), new UsualShare()];
  const accidents = new Accidents(usual);
  accidents.noteExcused();
  assert.equal(accidents.inRow, 0);
  accidents.noteWell();
  same.learn(1);
  assert.equal(usual.value, same.value);
});
