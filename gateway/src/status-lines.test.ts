/**
 * The status as a person reads it: heads, what is against a station, and orders with their rest.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { inWords, type StatusView, statusLines } from "./status-lines.ts";

const STATION = {
  ...{ name: "primary", role: "primary", active: true, liveness: "alive", phi: 0.5, inFlight: 3, streams: 2 },
  ...{ breaker: { state: "closed" }, ramp: { ramping: false, limit: null }, doubted: false },
  assessment: { evidence: [] },
};

test("[G8] the status has column heads, marks the active station, and says what is against another", () => {
  const backup = {
    ...{
      ...STATION,
      name: "backup",
      role: "backup",
      active: false,
      liveness: "down",
      phi: null,
      inFlight: 0,
      streams: 0,
    },
    assessment: { evidence: [{ verdict: "ineligible", detail: "backup: heartbeats down" }] },
    wrongSecret: { count: 7, from: "10.0.0.9", ageMs: 400 },
  };
  const orders = [
    {
      kind: "maintenance",
      station: "backup",
      reason: "new disk",
      leftMs: 3_600_000,
      by: { token: "sara", address: "a" },
    },
  ];
  const group = { active: "primary", epoch: 4, waiting: 1, parked: 0, stations: [STATION, backup], orders };
  const lines = statusLines({ groups: { atlantic: group } } as unknown as StatusView);
  assert.deepEqual(lines, [
    "atlantic: primary serves, epoch 4, 1 commands waiting",
    "    STATION  ROLE     LIVENESS  PHI     IN FLIGHT        CIRCUIT  MORE",
    "  * primary  primary  alive     0.50    3 (2 streaming)  closed",
    "    backup   backup   down      beyond  0                closed   7 heartbeats signed with another secret, the last from 10.0.0.9 400 ms ago",
    "      ineligible: backup: heartbeats down",
    "    order: maintenance of backup, 1 h 0 min left, by sara: new disk",
  ]);
});

test("[G8] a time that is left is told in two units at most", () => {
  assert.deepEqual([0, 900, 61_000, 7_500_000, 200_000_000].map(inWords), [
    "0 s",
    "1 s",
    "1 min 1 s",
    "2 h 5 min",
    "2 d 7 h",
  ]);
});
