/** The check of how often a command goes out, and under which key. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { HandMade } from "./hand-made.ts";
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
      const made = new HandMade({}, once);
      const command = made.command({ kind: "once" });
      made.ends(made.sends(command, "primary"), outcome, 500);
      made.sends(command, "backup");
      assert.deepEqual(made.violated, expected);
    });
  }

  test("goes out again while it is out", () => {
    const made = new HandMade({}, once);
    const command = made.command({ kind: "once" });
    made.sends(command, "primary");
    made.sends(command, "backup");
    assert.deepEqual(made.violated, ["once-is-sent-once"]);
  });
});

test("[F4] a key goes with every attempt of its command, and with no other", () => {
  const made = new HandMade({}, once);
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
