/**
 * One station, assessed: usable for a call, in doubt, eligible for the role; with the sentences
 * that explain it.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { station } from "../../../../test/worlds/dispatching.ts";
import type { Liveness } from "../detection/supervisor.ts";
import type { BreakerMachine } from "../guard/breaker.ts";
import { Slots } from "../guard/slots.ts";
import type { Station } from "./station.ts";

const NEVER = Number.NEGATIVE_INFINITY;

function declare(one: Station, to: Liveness, atMs = 0): void {
  one.declared({ node: one.name, from: one.liveness, to, atMs, rule: `said ${to}` } as never);
}

function heard(plan: Parameters<typeof station>[1] = {}): Station {
  const one = station(0, plan);
  declare(one, "alive");
  return one;
}

/** Enough failures that another station served: its command path is failing. */
function fail(one: Station, atMs: number): void {
  for (let call = 0; call < 5; call++) one.evidence.noteServedElsewhere(atMs);
}

test("[F1] usable: heard, or active and not declared down; the table of liveness", () => {
  const table: [Liveness, boolean, boolean][] = [
    // liveness, active, idle
    ["unknown", true, false],
    ["alive", true, true],
    ["suspected", true, false],
    ["down", false, false],
  ];
  for (const [liveness, active, idle] of table) {
    const one = station();
    if (liveness !== "unknown") declare(one, liveness);
    assert.deepEqual([one.isUsable(true, 0), one.isUsable(false, 0)], [active, idle], liveness);
  }
});

test("[F1] not usable: in maintenance, with an open circuit, failing, or in its cooldown", () => {
  const resting = heard();
  resting.maintenance = { reason: "antenna", untilMs: Number.POSITIVE_INFINITY };
  const open = heard({ breaker: { minimumVolume: 1 } });
  open.parts.breaker?.failure(open.parts.breaker.acquire(0), 0);
  const failing = heard();
  fail(failing, 0);
  const cooling = heard();
  cooling.startCooldown("it failed", 0);
  for (const one of [resting, open, failing, cooling]) {
    assert.equal(one.isUsable(true, 0), false);
    const { eligible, evidence } = one.assess(true, true, NEVER, 0);
    assert.equal(eligible, false);
    assert.equal(evidence.filter(({ verdict }) => verdict === "ineligible").length, 1);
  }
  assert.equal(cooling.isUsable(true, 5_000), true);
  assert.equal(open.isUsable(true, 5_000), true, "a probe may pass");
});

test("[F9] each thing that is held against it → a sentence with its numbers", () => {
  const one = heard({ heartbeatNote: () => "answered 400" });
  fail(one, 0);
  one.maintenance = { reason: "antenna", untilMs: 9 };
  one.startCooldown("calls failed", 0);
  one.needsProbe = true;
  const assessment = one.assess(true, true, 100, 0);
  assert.deepEqual(
    assessment.evidence.map(({ kind, verdict, detail }) => `${kind} ${verdict}: ${detail}`),
    [
      "heartbeats eligible: north: heartbeats alive (said alive; answered 400)",
      "calls ineligible: north: 5 of the last 5 commands failed here and were served by another station",
      "calls ineligible: north: replaced because calls failed; not promoted again for 5000 ms",
      "maintenance ineligible: north: in maintenance (antenna)",
      "probe abstained: north: no probe of its command path has succeeded since it was replaced",
      "own-stall abstained: north: this process was stopped a moment ago; failures until then do not count",
    ],
  );
  assert.deepEqual(
    [assessment.eligible, assessment.proven, assessment.silent, assessment.confirmed],
    [false, false, false, true],
  );
});

test("[F7] replaced for failing → ineligible for a cooldown, twice as long each time that it fails again soon", () => {
  const one = heard();
  let nowMs = 0;
  for (const cooldownMs of [5_000, 10_000, 20_000, 40_000, 80_000, 80_000]) {
    fail(one, nowMs);
    one.demoted(nowMs, true);
    assert.equal(one.isUsable(false, nowMs + cooldownMs - 1), false, `${cooldownMs}`);
    assert.equal(one.isUsable(false, nowMs + cooldownMs), true, `${cooldownMs}`);
    assert.equal(one.nextWakeMs(nowMs), nowMs + cooldownMs);
    nowMs += cooldownMs;
    one.promoted(0, nowMs);
  }
  nowMs += 80_000 + 31_000;
  fail(one, nowMs);
  one.demoted(nowMs, true);
  assert.equal(one.isUsable(false, nowMs + 5_000), true, "long ago, it begins again");
});

test("[F7] tried in its cooldown, and failing again and again → the cooldown ends when it would have", () => {
  const one = heard();
  fail(one, 0);
  one.demoted(0, true);
  for (let nowMs = 800; nowMs < 5_000; nowMs += 800) {
    fail(one, nowMs);
    one.setAsideIfFailing(nowMs);
  }
  assert.deepEqual([one.isUsable(false, 4_999), one.isUsable(false, 5_000)], [false, true]);
});

test("[F7] made active all the same, because nobody was eligible → its cooldown is over, and speaks no more for replacing it", () => {
  const one = heard();
  one.startCooldown("calls failed", 0);
  one.promoted(0, 1_000);
  assert.deepEqual([one.isUsable(true, 1_000), one.assess(true, true, NEVER, 1_000).eligible], [true, true]);
  fail(one, 2_000);
  one.demoted(2_000, true);
  assert.equal(one.isUsable(false, 11_999), false, "it failed again soon");
});

test("[F11] promoted, or heard again after it was down → the next call that finds out whether it serves may go at once", () => {
  const one = heard();
  one.nextTrialMs = 9_000;
  one.promoted(0, 100);
  assert.equal(one.nextTrialMs, 100);
  one.nextTrialMs = 9_000;
  declare(one, "down", 200);
  assert.equal(one.nextTrialMs, 9_000);
  declare(one, "alive", 300);
  assert.equal(one.nextTrialMs, 300);
});

test("[F7] demoted on request while well → no cooldown, no probe, nothing is held against it", () => {
  const one = heard({ needsProof: true });
  one.evidence.noteRefused(0);
  one.demoted(10, false);
  assert.deepEqual([one.isUsable(false, 10), one.needsProbe, one.isDoubted], [true, false, false]);
  one.demoted(10, true);
  assert.equal(one.needsProbe, true);
  assert.equal(one.assess(false, true, NEVER, 10).proven, false);
});

test("[F7] idle and failing → its cooldown starts, and after it nothing is held against it", () => {
  const one = heard();
  one.setAsideIfFailing(0);
  assert.equal(one.isUsable(false, 0), true, "nothing was wrong");
  fail(one, 0);
  one.setAsideIfFailing(0);
  assert.deepEqual([one.isUsable(false, 4_999), one.isUsable(false, 5_000)], [false, true]);
});

test("[F7] set aside while it goes down, then heard again → usable at once: it was started again", () => {
  const one = heard();
  fail(one, 0);
  one.setAsideIfFailing(0);
  one.declared({ node: "north", from: "alive", to: "down", atMs: 200, rule: "silent", level: 9 } as never);
  one.declared({ node: "north", from: "down", to: "alive", atMs: 3_000, rule: "heard", level: 0 } as never);
  assert.equal(one.isUsable(false, 3_000), true);
});

test("[F7] a cooldown starts → what it served before is forgotten, and it is given no more than a trial", () => {
  const one = heard();
  one.evidence.noteServed(0, 0);
  fail(one, 1);
  one.setAsideIfFailing(1);
  assert.deepEqual([one.evidence.isRefusing, one.evidence.lastServedMs], [false, Number.NEGATIVE_INFINITY]);
  assert.equal(one.admission.isTrial, true);
});

test("[F7] a probe that succeeds → ends the cooldown and the need of one; a probe that fails → needs one", () => {
  const one = heard({ needsProof: true });
  fail(one, 0);
  one.demoted(0, true);
  one.probeSucceeded(100);
  assert.deepEqual(
    [one.needsProbe, one.isUsable(false, 100), one.assess(false, true, NEVER, 100).proven],
    [false, true, true],
  );
  one.probeFailed();
  assert.equal(one.needsProbe, true);
});

test("[F1] down, then heard again → what failed before no longer counts, the circuit is closed", () => {
  const one = heard({ breaker: { minimumVolume: 1 } });
  one.parts.breaker?.failure(one.parts.breaker.acquire(0), 0);
  fail(one, 0);
  declare(one, "suspected", 10);
  assert.equal(one.silentSinceMs, 10);
  declare(one, "down", 20);
  assert.equal(one.silentSinceMs, 10, "since it was first suspected");
  declare(one, "alive", 30);
  assert.deepEqual([one.silentSinceMs, one.isUsable(true, 30), one.isCircuitOpen(30)], [undefined, true, false]);
});

test("[F1] suspected, then heard again → what failed before still counts", () => {
  const one = heard();
  fail(one, 0);
  declare(one, "suspected", 10);
  declare(one, "alive", 30);
  assert.equal(one.isUsable(true, 30), false);
});

test("[F6] shared slots that are taken → admits nobody, and is asked again soon", () => {
  const slots = new Slots(1, 0);
  const one = heard({ sharedSlots: slots });
  assert.equal(one.admits(0), true);
  slots.tryTake();
  assert.equal(one.admits(0), false);
  assert.ok(one.admitsAtMs(0) > 0 && one.admitsAtMs(0) <= 50);
  slots.giveBack();
  assert.deepEqual([one.admits(0), one.admitsAtMs(0)], [true, 0]);
});

test("[F1] news: told when the verdict of calls is another than at the last assessment", () => {
  const one = heard();
  one.assessed(one.assess(true, true, NEVER, 0), 0);
  assert.equal(one.hasNews(0), false);
  fail(one, 0);
  assert.equal(one.hasNews(0), true);
  one.assessed(one.assess(true, true, NEVER, 0), 0);
  assert.equal(one.hasNews(0), false);
  for (let call = 0; call < 20; call++) one.evidence.noteServed(0, 1);
  assert.equal(one.hasNews(1), true);
});

test("[F1] a probe of a half-open circuit is out → that alone speaks against it, until it has ended", () => {
  const one = heard({ breaker: { minimumVolume: 1, openDurationMs: 700 } });
  const breaker = one.parts.breaker as BreakerMachine;
  const verdict = (nowMs: number): boolean[] => {
    const assessment = one.assess(true, true, NEVER, nowMs);
    const hasNews = one.hasNews(nowMs);
    one.assessed(assessment, nowMs);
    return [assessment.eligible, assessment.isProbed, hasNews];
  };
  breaker.failure(breaker.acquire(0), 0);
  assert.deepEqual(verdict(0), [false, false, true]);
  assert.deepEqual(verdict(700), [true, false, true]);
  const probe = breaker.acquire(700);
  assert.deepEqual(verdict(701), [false, true, true]);
  breaker.failure(probe, 702);
  assert.deepEqual(verdict(702), [false, false, true], "its end is news");
  breaker.acquire(1_402);
  assert.deepEqual(verdict(1_402), [false, true, true]);
  fail(one, 1_403);
  assert.deepEqual(verdict(1_404), [false, false, true], "its calls speak against it as well, and that is news");
});

test("[F1] wakes: for proof by time, the end of a cooldown, of maintenance, and the next probe of a circuit", () => {
  const one = heard({ breaker: { minimumVolume: 1, openDurationMs: 700 } });
  assert.equal(one.nextWakeMs(0), Number.POSITIVE_INFINITY);
  one.maintenance = { reason: "antenna", untilMs: 900 };
  assert.equal(one.nextWakeMs(0), 900);
  one.parts.breaker?.failure(one.parts.breaker.acquire(0), 0);
  assert.equal(one.nextWakeMs(0), 700);
  while (!one.evidence.isSilent) one.evidence.noteOverdue(0, 100);
  assert.equal(one.nextWakeMs(0), 350);
  assert.equal(one.nextWakeMs(350), 700, "what has been due wakes nobody again");
});

test("[F6] promoted with calls out there → they are counted beside the usual load; one on trial is not", () => {
  for (const [isTrial, more] of [
    [false, 5],
    [true, 1],
  ] as const) {
    const one = heard();
    for (let moved = 0; moved < 4; moved++) one.admission.enter(0);
    if (isTrial) one.admission.beginTrial(0);
    one.promoted(4, 1);
    let sent = 0;
    for (; one.admission.admits(1); sent++) one.admission.enter(1);
    assert.deepEqual([one.admission.limit, sent], [5, more]);
  }
});
