/** What the library exports does not change by accident. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { doorsNow, SNAPSHOT } from "./doors.ts";

const doors = doorsNow();

test("a name was added to a door, or taken away → test/doors.json says so too", () => {
  assert.deepEqual(doors, JSON.parse(readFileSync(SNAPSHOT, "utf8")), "write it anew with: npm run doors");
});

test("whatever a door names as a value is there when it is imported, and nothing else is", async () => {
  for (const [door, { values }] of Object.entries(doors)) {
    const imported = Object.keys((await import(`ground-station-failover${door.slice(1)}`)) as object);
    assert.deepEqual(imported.sort(), values, door);
  }
});

test("no name is at two doors", () => {
  const seen = new Map<string, string>();
  for (const [door, { values, types }] of Object.entries(doors)) {
    for (const name of [...values, ...types]) {
      assert.equal(seen.get(name), undefined, `${name} is at ${seen.get(name)} and at ${door}`);
      seen.set(name, door);
    }
  }
});
