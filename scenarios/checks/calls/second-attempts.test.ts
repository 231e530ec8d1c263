import assert from "node:assert/strict";
import { test } from "node:test";
import { Scripted } from "../scripted.ts";
import { secondAttempts } from "./second-attempts.ts";

/** `hedged` of `all` commands are out at the primary and then sent to the backup as well. */
function hedged(all: number, hedged: number): Scripted {
  const made = new Scripted({}, secondAttempts);
  made.starts();
  for (let number = 0; number < all; number++) {
    const command = made.command();
    made.arrives(command);
    made.sends(command, "primary");
    if (number < hedged) made.sends(command, "backup");
  }
  return made;
}

test("five second attempts in ten seconds are few, whatever came", () => {
  assert.deepEqual(hedged(5, 5).violated, []);
});

test("six of a few commands are too many, and nine of a hundred are not", () => {
  assert.ok(hedged(20, 6).violated.includes("second-attempts-are-few"));
  const made = hedged(0, 0);
  for (let number = 0; number < 100; number++) made.arrives(made.command());
  for (let number = 0; number < 9; number++) {
    const command = made.command();
    made.arrives(command);
    made.sends(command, "primary");
    made.sends(command, "backup");
  }
  assert.deepEqual(made.violated, []);
});

test("what goes on because its station was declared down, or replaced, is no second attempt, however much later it goes", async () => {
  for (const what of ["down", "replaced"] as const) {
    const made = new Scripted({}, secondAttempts);
    made.starts();
    const commands = Array.from({ length: 20 }, () => made.command());
    for (const command of commands) {
      made.arrives(command);
      made.sends(command, "primary");
    }
    if (what === "down") made.declared("primary", "alive", "down");
    else made.promoted("backup", "primary", "failure");
    await made.at(2_000);
    if (what === "down") made.declared("primary", "down", "alive");
    for (const command of commands) made.sends(command, "backup");
    assert.deepEqual(made.violated, []);
  }
});
