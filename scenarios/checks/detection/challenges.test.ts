import assert from "node:assert/strict";
import { test } from "node:test";
import { Scripted } from "../scripted.ts";
import { challenges } from "./challenges.ts";

test("[G6] of a session, only challenges to beats that were sent after the last one that was taken may be taken", () => {
  const fleet = new Scripted({}, challenges);
  const taken = (session: string, sequence: number, sentSequence: number): void => {
    const beat = { group: "atlantic", station: "primary", session, challenge: "", sequence, sentAtMs: 0, epochSeen: 0 };
    fleet.tell("challengeTaken", "atlantic", "primary", beat, sentSequence);
  };
  taken("one", 1, 3);
  taken("one", 4, 4);
  taken("two", 1, 2);
  assert.deepEqual(fleet.violated, []);
  taken("two", 2, 9);
  assert.deepEqual(fleet.violated, ["old-challenges-are-ignored"]);
});
