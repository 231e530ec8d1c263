/** What the simulation found, each as the small test that it comes down to (docs/findings.md tells the stories). */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CLIENT, shown, TwoStations } from "../worlds/two-stations.ts";

test("[F4] a slow success that opens the circuit is delivered, and its command is not sent to the other station as well", async () => {
  const at = await TwoStations.begin({
    client: { ...CLIENT, breaker: { minimumVolume: 5, slowCallDurationMs: 100, slowCallRateThreshold: 0.5 } },
  });
  at.north.answerMs = 200;
  const outcomes = Array.from({ length: 5 }, () => at.send());
  await at.clock.advanceBy(1_000);
  assert.equal(at.failover.currentActive, "backup", "five slow answers of five opened the circuit");
  for (const outcome of outcomes) assert.equal(outcome.answer?.body.by, "north", shown([outcome]));
  assert.equal(at.south.door.length, 0, "what north has answered is not sent to south");
  await at.stop();
});

test("[F5] [R4] a queue that an outage has left does not outlive it: what is still wanted goes first", async () => {
  const at = await TwoStations.begin({ client: { ...CLIENT, timeoutMs: 2_000 } });
  for (const station of at.stations) station.answerMs = 600;
  at.load({ perSecond: 20, forMs: 40_000, deadlineMs: 1_000 });
  await at.clock.advanceBy(5_000);
  at.north.fault = "hang";
  await at.clock.advanceBy(3_000);
  at.north.fault = "none";
  const healedMs = at.clock.nowMs();
  await at.clock.advanceBy(35_000);
  const late = at.outcomes.filter(({ sentAtMs }) => sentAtMs >= healedMs + 10_000);
  const failed = late.filter(({ answer }) => answer?.body.by === undefined);
  assert.ok(late.length > 300);
  assert.equal(shown(failed), "", `${failed.length} of ${late.length} failed long after an outage of 3 s`);
  await at.stop();
});
