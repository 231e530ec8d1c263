/** One thing for each station. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { PerStation } from "./per-station.ts";

test("each station has a thing of its own, made once, until all are forgotten", () => {
  const made: string[] = [];
  const names = new PerStation((group, station) => {
    made.push(`${group}/${station}`);
    return { name: `${group}/${station}` };
  });
  const first = names.of("atlantic", "primary");
  assert.equal(names.of("atlantic", "primary"), first);
  names.of("baltic", "primary");
  names.of("atlantic", "backup");
  assert.deepEqual(made, ["atlantic/primary", "baltic/primary", "atlantic/backup"]);
  assert.deepEqual(
    names.all.map(({ name }) => name),
    made,
  );
  names.clear();
  assert.deepEqual(names.all, []);
  assert.notEqual(names.of("atlantic", "primary"), first);
});
