import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "ground-station-failover";
import { Scripted } from "../scripted.ts";
import { UsualAnswers } from "./usual-answers.ts";

test("nine in ten of the last hundred answers were quicker than what may be overdue", () => {
  const random = seededRandom("usual answers");
  const command = new Scripted({}, () => ({})).command();
  const usual = new UsualAnswers();
  assert.equal(usual.leastOverdueMs, 0);
  const all: number[] = [];
  for (let answer = 0; answer < 500; answer++) {
    // Some are equal, some take no time at all.
    const tookMs = Math.floor(20 * random.next());
    all.push(tookMs);
    usual.add(tookMs, command);
    const last = all.slice(-100).toSorted((one, other) => one - other);
    assert.equal(usual.leastOverdueMs, last[Math.floor(0.9 * (last.length - 1))], `answer ${answer}`);
  }
});
