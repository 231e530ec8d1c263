/** What the library and the gateway export does not change by accident. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { doorsNow, GATEWAY_SNAPSHOT, gatewayDoorsNow, SNAPSHOT } from "./doors.ts";

const PACKAGES = [
  { name: "ground-station-failover", doors: doorsNow(), snapshot: SNAPSHOT },
  { name: "@ground-station-failover/gateway", doors: gatewayDoorsNow(), snapshot: GATEWAY_SNAPSHOT },
] as const;

test("a name was added to a door, or taken away → the list in test/ says so too", () => {
  for (const { doors, snapshot } of PACKAGES)
    assert.deepEqual(doors, JSON.parse(readFileSync(snapshot, "utf8")), "write it anew with: npm run doors");
});

test("whatever a door names as a value is there when it is imported, and nothing else is", async () => {
  for (const { name, doors } of PACKAGES) {
    for (const [door, { values }] of Object.entries(doors)) {
      const imported = Object.keys((await import(`${name}${door.slice(1)}`)) as object);
      assert.deepEqual(imported.sort(), values, `${name} ${door}`);
    }
  }
});

test("no name is at two doors", () => {
  const seen = new Map<string, string>();
  for (const { doors } of PACKAGES) {
    for (const [door, { values, types }] of Object.entries(doors)) {
      for (const name of [...values, ...types]) {
        assert.equal(seen.get(name), undefined, `${name} is at ${seen.get(name)} and at ${door}`);
        seen.set(name, door);
      }
    }
  }
});
