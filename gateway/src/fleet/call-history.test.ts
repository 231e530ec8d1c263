/** The memory of calls: bounded for each group, and one group's flood erases only its own. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CallHistory, type CallRecord } from "./call-history.ts";

function call(group: string, requestId: string, detail = ""): CallRecord {
  return {
    ...{ group, requestId, detail, at: 1, startedMs: 0, endedMs: 1, method: "GET", path: "/", caller: "10.0.0.1" },
    ...{ status: 503, outcome: "OVERLOADED", cause: undefined, retryAfterMs: undefined, isOutcomeUnknown: false },
    ...{ attempts: 0, described: [], timeLeftMs: undefined, firstSentMs: undefined },
  };
}

test("[G10] a flood in one group → its newest calls stay within the bounds, and those of others are untouched", () => {
  const history = new CallHistory({ groups: 2, maxCalls: 2_000, maxBytes: 2_000_000 });
  history.note(call("quiet", "kept"));
  for (let n = 0; n < 100_000; n++) history.note(call("loud", `r${n}`, "x".repeat(n % 3_000)));
  const { kept, forgotten } = history.figures("loud");
  assert.ok(kept > 100 && kept <= 1_000, `${kept}`);
  assert.equal(kept + forgotten, 100_000);
  assert.equal(history.find("loud", "r99999", 3).length, 1);
  assert.equal(history.find("loud", "r0", 3).length, 0);
  assert.equal(history.find("quiet", "kept", 3).length, 1);
});

test("[F9] an id that several requests have → the newest are found, the newest first", () => {
  const history = new CallHistory({ groups: 1 });
  for (const detail of ["a", "b", "c", "d"]) history.note(call("one", "same", detail));
  assert.deepEqual(
    history.find("one", "same", 3).map(({ detail }) => detail),
    ["d", "c", "b"],
  );
});
