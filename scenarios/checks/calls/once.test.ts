/** The check of how often a command goes out, and under which key. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { configurationOf } from "../../swarm/written.ts";
import { Scripted } from "../scripted.ts";
import { once } from "./once.ts";

describe("[R3] [F4] a command without a key", () => {
  for (const [outcome, expected] of [
    ["never-sent", []],
    ["stale", []],
    ["lost", ["once-is-sent-once"]],
    ["aborted", ["once-is-sent-once"]],
    ["reply", ["once-is-sent-once"]],
  ] as const) {
    test(`goes out again after its attempt ended ${outcome}: ${expected.length === 0 ? "allowed" : "not allowed"}`, () => {
      const made = new Scripted({}, once);
      const command = made.command({ kind: "once" });
      made.ends(made.sends(command, "primary"), outcome, 500);
      made.sends(command, "backup");
      assert.deepEqual(made.violated, expected);
    });
  }

  test("goes out again while it is out", () => {
    const made = new Scripted({}, once);
    const command = made.command({ kind: "once" });
    made.sends(command, "primary");
    made.sends(command, "backup");
    assert.deepEqual(made.violated, ["once-is-sent-once"]);
  });
});

test("[F4] a key goes with every attempt of its command, and with no other", () => {
  const made = new Scripted({}, once);
  const command = made.command();
  made.ends(made.sends(command, "primary"), "lost");
  made.sends(command, "backup");
  made.sends(made.command({ kind: "read" }), "backup");
  assert.deepEqual(made.violated, []);
  made.sends(command, "backup", { key: undefined });
  made.sends(command, "backup", { key: "another" });
  made.sends(made.command({ kind: "once" }), "backup", { key: "some" });
  assert.deepEqual(made.violated, ["keyed-keeps-its-key", "keyed-keeps-its-key", "keyed-keeps-its-key"]);
});

describe("[R1] attempts of one command at one station", () => {
  const configuration = configurationOf([{ name: "atlantic", retry: { maxAttempts: 3 } }]);

  /**
   * What is violated when `times` attempts of a command go to primary and end so, of 3 that are
   * allowed.
   */
  function tried(times: number, outcome: "never-sent" | "stale" | "lost" | "reply", visits = 1): readonly string[] {
    const made = new Scripted({ configuration }, once);
    const command = made.command();
    for (let visit = 0; visit < visits; visit++) made.arrives(command);
    for (let attempt = 0; attempt < times; attempt++) made.ends(made.sends(command, "primary"), outcome, 500);
    made.ends(made.sends(command, "backup"), "reply", 500);
    return made.violated;
  }

  test("as many as maxAttempts says → fine; one more → violated", () => {
    assert.deepEqual(tried(3, "reply"), []);
    assert.deepEqual(tried(4, "reply"), ["attempts-are-bounded"]);
    assert.deepEqual(tried(4, "lost"), ["attempts-are-bounded"]);
  });

  test("those that provably came to nothing do not count, and each sending of its source has its own", () => {
    assert.deepEqual(tried(9, "never-sent"), []);
    assert.deepEqual(tried(9, "stale"), []);
    assert.deepEqual(tried(6, "reply", 2), []);
  });
});
