import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULT_DETECTIONS, type DetectionKind, detectionIn, type FeedEvent } from "./detections.ts";

const ROWS: ReadonlyArray<readonly [FeedEvent, DetectionKind | undefined]> = [
  [{ type: "declaration", to: "suspected" }, "suspected"],
  [{ type: "declaration", to: "down" }, "declared-down"],
  [{ type: "declaration", to: "alive" }, undefined],
  [{ type: "declaration", to: "unknown" }, undefined],
  [{ type: "breaker", transition: { to: "open" } }, "circuit-opened"],
  [{ type: "breaker", transition: { to: "half-open" } }, undefined],
  [{ type: "breaker" }, undefined],
  [{ type: "probe", isWell: false }, "health-page"],
  [{ type: "probe", isWell: true }, undefined],
  [{ type: "doubted" }, "set-aside"],
  [{ type: "trusted" }, undefined],
  [{ type: "promoted" }, "promotion"],
  [{ type: "overload" }, "overload"],
  [{ type: "overload-ended" }, undefined],
  [{ type: "name-conflict" }, "name-conflict"],
  [{ type: "abstention" }, "own-stall"],
  [{ type: "gap" }, undefined],
  [{ type: "constructor" }, undefined],
];
for (const [event, kind] of ROWS)
  test(`${JSON.stringify(event)} → ${kind ?? "no detection"}`, () => assert.equal(detectionIn(event), kind));

test("remarks of the gateway → are no detection by default", () => {
  for (const remark of ["heartbeats-missing", "capacity-learned", "retry-refused", "own-stall"] as const)
    assert.ok(!DEFAULT_DETECTIONS.includes(remark));
});
