/**
 * The check's own normal tail, against values of tables (Abramowitz and Stegun, 26.2 and table
 * 26.2).
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { deviationsAt, levelAt, levelReachedAt } from "./suspicion.ts";

test("levels of a normal tail", () => {
  for (const [deviations, probability] of [
    [0, 0.5],
    [1, 0.158655253931457],
    [2.326347874, 0.01],
    [3, 1.3498980316301e-3],
    [5.612001244, 1e-8],
    [20, 2.753624118606e-89],
  ] as const) {
    const level = -Math.log10(probability);
    assert.ok(
      Math.abs(levelAt(deviations) - level) < 1e-8 * (1 + level),
      `${deviations}: ${levelAt(deviations)}, not ${level}`,
    );
  }
});

test("its inverse", () => {
  for (const level of [0.5, 1, 2, 5, 8, 100]) {
    const back = levelAt(deviationsAt(level));
    assert.ok(Math.abs(back - level) < 1e-9 * level, `${level}: ${back}`);
  }
  assert.equal(deviationsAt(0.1), 0);
});

test("a level reached for sure is never above the level", () => {
  for (let deviations = 0; deviations <= 30; deviations += 0.01) {
    const [sure, level] = [levelReachedAt(deviations), levelAt(deviations)];
    assert.ok(sure <= level + 1e-9, `${deviations}: ${sure} and ${level}`);
  }
});
