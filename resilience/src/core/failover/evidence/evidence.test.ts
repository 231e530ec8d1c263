/**
 * What calls show of a station: doubt moves new calls, proof moves the role, and a success ends
 * what began before it.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { neverBefore } from "../../../../../test/worlds/dispatching.ts";
import { ConfigurationError } from "../../errors.ts";
import { seededRandom } from "../../random.ts";
import { UsualShare } from "./accidents.ts";
import { StationEvidence } from "./evidence.ts";

const SEED: string = process.env["SEED"] ?? "27020034";
const SOURCES = [{}, {}, {}, {}, {}, {}, {}, {}, {}, {}] as const;

test("[F10] nothing held against it → neither in doubt nor failing, and nothing to wake for", () => {
  const evidence = new StationEvidence();
  evidence.noteServed(0, 5);
  assert.deepEqual([evidence.isQuestioned, evidence.isDoubted, evidence.isFailing(1e9)], [false, false, false]);
  assert.deepEqual([evidence.failing(1e9), evidence.nextWakeMs], [undefined, Number.POSITIVE_INFINITY]);
  assert.equal(evidence.doubt, "it answers");
});

test("[F1] one refused connection → in doubt; two in a row → proof at once, with the number", () => {
  const evidence = new StationEvidence();
  evidence.noteRefused(0);
  assert.deepEqual([evidence.isDoubted, evidence.isRefusing, evidence.isFailing(1e9)], [true, true, false]);
  assert.equal(evidence.doubt, "1 connections refused");
  evidence.noteRefused(0);
  assert.equal(evidence.isFailing(0), true);
  assert.equal(evidence.failing(0), "2 connections refused in a row");
});

test("[F1] a success of a call sent after the refusals → clears them; one sent before → does not", () => {
  const evidence = new StationEvidence();
  evidence.noteRefused(100);
  evidence.noteRefused(101);
  evidence.noteServed(99, 200);
  assert.equal(evidence.isFailing(200), true);
  evidence.noteServed(100, 201);
  assert.deepEqual([evidence.isFailing(201), evidence.isQuestioned, evidence.lastServedMs], [false, false, 201]);
});

test("[F1] attempts overdue while nothing is answered → doubt at once, proof 250 ms later", () => {
  const evidence = new StationEvidence({}, neverBefore());
  while (!evidence.isDoubted) evidence.noteOverdue(0, 100);
  assert.equal(evidence.isSilent, true);
  assert.equal(evidence.nextWakeMs, 350);
  assert.deepEqual([evidence.isFailing(349), evidence.isProvenSilent(349)], [false, false]);
  assert.deepEqual([evidence.isFailing(350), evidence.isProvenSilent(350)], [true, true]);
  assert.match(evidence.failing(350) ?? "", /commands became overdue, and nothing has been answered for 250 ms more/);
  assert.match(evidence.doubt, /calls became overdue, and nothing is answered/);
});

test("[F10] one is overdue, and the next will be in a moment → doubt at once; proof only once that one is overdue", () => {
  const evidence = new StationEvidence({}, neverBefore());
  evidence.noteNextOverdue(0);
  assert.equal(evidence.isClear, true, "next to what?");
  evidence.noteOverdue(0, 100);
  evidence.noteNextOverdue(0);
  assert.deepEqual([evidence.isSilent, evidence.isDoubted], [true, true]);
  assert.match(evidence.doubt, /a call became overdue, the next is about to/);
  assert.deepEqual([evidence.isFailing(1e9), evidence.isProvenSilent(1e9)], [false, false]);
  evidence.noteOverdue(1, 104);
  assert.match(evidence.doubt, /2 calls became overdue/);
  assert.deepEqual([evidence.isFailing(353), evidence.isFailing(354)], [false, true]);
  assert.match(evidence.failing(354) ?? "", /^2 commands became overdue/);
  evidence.noteAnswer();
  assert.deepEqual([evidence.isSilent, evidence.isDoubted], [false, false]);
});

test("[F10] overdue ones that were overtaken by a call that was served → they only take long; sent after it → silence", () => {
  const evidence = new StationEvidence({}, neverBefore());
  evidence.noteServed(100, 150);
  for (let late = 0; late < 10; late++) evidence.noteOverdue(99, 900);
  assert.deepEqual([evidence.isClear, evidence.isDoubted, evidence.isFailing(1e9)], [true, false, false]);
  for (let late = 0; late < 2; late++) evidence.noteOverdue(100, 900);
  assert.deepEqual([evidence.isDoubted, evidence.isFailing(1_150)], [true, true]);
});

test("[F10] calls are late while all is well, too → the more often, the more in a row it takes", () => {
  const fewest = (usual: UsualShare): readonly [doubt: number, proof: number] => {
    const evidence = new StationEvidence({ unansweredAfterMs: 0 }, usual);
    let [late, doubt, proof] = [0, 0, 0];
    while (proof === 0) {
      evidence.noteOverdue(0, 100);
      late++;
      if (doubt === 0 && evidence.isDoubted) doubt = late;
      if (evidence.isFailing(100)) proof = late;
    }
    return [doubt, proof];
  };
  const usually = (share: number): UsualShare => {
    const usual = new UsualShare();
    const evidence = new StationEvidence({}, usual);
    const random = seededRandom(SEED);
    for (let call = 0; call < 5_000; call++) {
      if (random.next() < share) evidence.noteOverdue(call, call);
      else evidence.noteServed(call, call);
    }
    return usual;
  };
  const fewestAre = (share: number, least: number, most: number): void => {
    const [doubt, proof] = fewest(usually(share));
    assert.equal(doubt, proof);
    assert.ok(proof >= least && proof <= most, `SEED=${SEED}: ${proof} where ${share} of all are late`);
  };
  assert.deepEqual(fewest(new UsualShare()), [3, 3], "nobody knows");
  fewestAre(0, 2, 2);
  fewestAre(0.01, 3, 6);
  fewestAre(0.5, 15, 30);
});

test("[F10] one attempt is overdue → no doubt", () => {
  const evidence = new StationEvidence();
  evidence.noteOverdue(0, 100);
  assert.deepEqual([evidence.isDoubted, evidence.isFailing(1e9)], [false, false]);
});

test("[F10] any answer, a failure or a late one → ends silence", () => {
  for (const answer of [
    (evidence: StationEvidence) => evidence.noteAnswer(),
    (evidence: StationEvidence) => evidence.noteServed(-1_000, 200),
  ]) {
    const evidence = new StationEvidence();
    for (let late = 0; late < 10; late++) evidence.noteOverdue(0, 100);
    answer(evidence);
    assert.deepEqual([evidence.isSilent, evidence.isDoubted, evidence.isFailing(1e9)], [false, false, false]);
  }
});

test("[F10] five of twelve commands failed here and were served elsewhere → proof; five of thirteen → none", () => {
  for (const [served, isProof] of [
    [7, true],
    [8, false],
  ] as const) {
    const evidence = new StationEvidence();
    for (let lost = 0; lost < 4; lost++) evidence.noteServedElsewhere(0);
    for (let call = 0; call < served; call++) evidence.noteServed(0, 1);
    evidence.noteServedElsewhere(0);
    assert.equal(evidence.isFailing(1), isProof, `${served} served`);
  }
});

test("[F10] two lost comparisons → an accident; three in a row → doubt; five → proof, in a sentence", () => {
  const evidence = new StationEvidence();
  evidence.noteServedElsewhere(0);
  evidence.noteServedElsewhere(0);
  assert.deepEqual([evidence.isDoubted, evidence.isFailing(0)], [false, false]);
  evidence.noteServedElsewhere(0);
  assert.deepEqual([evidence.isDoubted, evidence.isFailing(0)], [true, false]);
  assert.equal(evidence.doubt, "the last 3 calls failed here and were served by another station");
  evidence.noteServedElsewhere(0);
  evidence.noteServedElsewhere(0);
  assert.equal(evidence.failing(0), "5 of the last 5 commands failed here and were served by another station");
});

test("[F10] old lost comparisons → leave the window with the calls that are served after them", () => {
  const evidence = new StationEvidence();
  for (let lost = 0; lost < 20; lost++) evidence.noteServedElsewhere(0);
  for (let call = 0; call < 12; call++) evidence.noteServed(0, 1);
  assert.equal(evidence.isFailing(1), true, "8 of 20");
  evidence.noteServed(0, 1);
  assert.equal(evidence.isFailing(1), false, "7 of 20");
});

/**
 * How many times a station that fails `rate` of its commands at random is proven failing within
 * `commands` of them.
 */
function proofs(rate: number, commands: number): number {
  const random = seededRandom(`${SEED}/${rate}`);
  const evidence = new StationEvidence();
  let proven = 0;
  for (let command = 0; command < commands; command++) {
    if (random.next() < rate) evidence.noteServedElsewhere(command);
    else evidence.noteServed(command, command);
    if (!evidence.isFailing(command)) continue;
    proven++;
    evidence.startAfresh(command + 1);
  }
  return proven;
}

test("[F10] one command in fifty fails at random → no proof in ten thousand; half of them → proof within twenty each", () => {
  assert.equal(proofs(0.02, 10_000), 0, `SEED=${SEED}`);
  assert.ok(proofs(0.5, 10_000) > 500, `SEED=${SEED}`);
});

test("[F10] a thousand failures of one source that nobody compared, and some of eight others → proof of nothing", () => {
  const evidence = new StationEvidence();
  for (let call = 0; call < 1_000; call++) evidence.noteFailed(SOURCES[0], false, call, call);
  assert.deepEqual([evidence.isFailing(1e9), evidence.isDoubted], [false, false]);
  for (const source of SOURCES.slice(1, 9)) evidence.noteFailed(source, false, 1_000, 1_000);
  assert.equal(evidence.isFailing(1e9), false, "nine methods and routes of one client");
  evidence.noteFailed(SOURCES[9], false, 1_000, 1_000);
  assert.equal(evidence.isFailing(1_000), true);
});

test("[F10] failures of ten sources, nothing served for a second → proof; with a success between → none", () => {
  const evidence = new StationEvidence();
  for (let call = 0; call < 10; call++) evidence.noteFailed(SOURCES[call] as object, false, call, call);
  assert.equal(evidence.nextWakeMs, 1_000);
  assert.deepEqual([evidence.isFailing(999), evidence.isFailing(1_000)], [false, true]);
  assert.equal(evidence.failing(1_500), "all of the last 10 commands failed, for 1500 ms");
  evidence.noteServed(0, 1_500);
  assert.equal(evidence.isFailing(1e9), false);
});

test("[F10] one source that the station has served before, then five failures for a second → proof", () => {
  const evidence = new StationEvidence();
  for (let call = 0; call < 5; call++) evidence.noteFailed(SOURCES[0], true, call, call);
  assert.deepEqual([evidence.isFailing(999), evidence.isFailing(1_000)], [false, true]);
  evidence.noteServed(0, 1_000);
  for (let call = 0; call < 5; call++) evidence.noteFailed(SOURCES[0], false, 1_000, 1_000);
  assert.equal(evidence.isFailing(1e9), false, "what was served before was forgotten with the success");
});

test("[F10] failures that took long → last from the first answer, and not from when it was sent", () => {
  const evidence = new StationEvidence();
  for (let call = 0; call < 10; call++) evidence.noteFailed(SOURCES[call] as object, false, 0, 2_000);
  assert.deepEqual([evidence.isFailing(2_999), evidence.isFailing(3_000)], [false, true]);
});

test("[F10] a success sent before the failures began → does not clear them", () => {
  const evidence = new StationEvidence();
  for (let call = 0; call < 10; call++) evidence.noteFailed(SOURCES[call] as object, false, 100, 100);
  evidence.noteServed(99, 2_000);
  assert.equal(evidence.isFailing(2_000), true);
});

test("[F10] a failure that ends after one that was sent later, and served → no more evidence than if it had ended before", () => {
  const evidence = new StationEvidence();
  evidence.noteServed(100, 110);
  for (let call = 0; call < 10; call++) evidence.noteFailed(SOURCES[call] as object, false, 99, 2_000);
  assert.equal(evidence.isFailing(1e9), false);
  for (let call = 0; call < 10; call++) evidence.noteFailed(SOURCES[call] as object, false, 100, 2_000);
  assert.equal(evidence.isFailing(3_000), true);
});

test("[F10] another station gives the same failure → the row begins anew, unless this one served such calls before", () => {
  for (const wasServed of [false, true]) {
    const evidence = new StationEvidence();
    for (let call = 0; call < 10; call++) evidence.noteFailed(SOURCES[call] as object, wasServed, call, call);
    evidence.noteFailedAlike();
    assert.equal(evidence.isFailing(2_000), wasServed);
  }
});

test("[F1] sent and not answered, five in a row for a second → proof, whatever the source", () => {
  const evidence = new StationEvidence();
  for (let call = 0; call < 5; call++) evidence.noteLost(call * 10);
  assert.equal(evidence.isDoubted, true);
  assert.match(evidence.doubt, /5 calls in a row were sent and not answered/);
  assert.deepEqual([evidence.isFailing(999), evidence.isFailing(1_000)], [false, true]);
  assert.equal(evidence.failing(1_200), "the last 5 commands were sent and not answered, for 1200 ms");
  evidence.noteServed(0, 1_200);
  assert.equal(evidence.isQuestioned, false);
});

test("[F10] [F11] eight calls refused for load in a row → the station's load, if of two sources that it served, or of eight; a success ends that", () => {
  for (const [sources, wasServed, isLoad] of [
    [1, true, false],
    [2, true, true],
    [7, false, false],
    [8, false, true],
  ] as const) {
    const evidence = new StationEvidence();
    for (let call = 0; call < 7; call++) evidence.noteOverloaded(SOURCES[call % sources] as object, wasServed, 0);
    assert.equal(evidence.isRefusingForLoad, false);
    evidence.noteOverloaded(SOURCES[7 % sources] as object, wasServed, 0);
    assert.equal(evidence.isRefusingForLoad, isLoad, `${sources}`);
    evidence.noteServed(0, 1);
    evidence.noteOverloaded(SOURCES[2], wasServed, 0);
    assert.deepEqual([evidence.isRefusingForLoad, evidence.isSuspect], [false, false]);
  }
});

test("[F1] after a fresh start → nothing is held against it, and late ends of older attempts do not count", () => {
  const evidence = new StationEvidence();
  const blame = (startedMs: number): void => {
    evidence.noteRefused(startedMs);
    evidence.noteLost(startedMs);
    evidence.noteFailed(SOURCES[0], false, startedMs, startedMs);
    evidence.noteFailed(SOURCES[1], false, startedMs, startedMs);
    evidence.noteServedElsewhere(startedMs);
    evidence.noteOverdue(startedMs, startedMs);
  };
  for (let call = 0; call < 6; call++) blame(call);
  assert.equal(evidence.isFailing(5_000), true);
  evidence.startAfresh(5_000);
  for (let call = 0; call < 6; call++) blame(4_999);
  assert.deepEqual([evidence.isQuestioned, evidence.isDoubted, evidence.isFailing(1e9)], [false, false, false]);
  blame(5_000);
  blame(5_000);
  assert.equal(evidence.isFailing(5_000), true);
});

test("limits that are set → are the ones that count; nonsense is refused", () => {
  const evidence = new StationEvidence({
    refusalsToDeclare: 1,
    minFailures: 2,
    failingForMs: 0,
    unansweredAfterMs: 0,
  });
  evidence.noteFailed(SOURCES[0], true, 0, 0);
  assert.equal(evidence.isFailing(0), false);
  evidence.noteFailed(SOURCES[1], true, 0, 0);
  assert.equal(evidence.isFailing(0), true);
  for (const options of [
    { refusalsToDeclare: 0 },
    { minFailures: 1.5 },
    { failingForMs: -1 },
    { unansweredAfterMs: Number.NaN },
  ]) {
    assert.throws(() => new StationEvidence(options), ConfigurationError);
  }
});

test("[F10] nothing is held against it → every other question has the answer that routing takes for granted", () => {
  const random = seededRandom(SEED);
  const pick = (below: number): number => Math.floor(random.next() * below);
  let clearAgain = 0;
  for (let run = 0; run < 300; run++) {
    const evidence = new StationEvidence();
    let wasBlamed = false;
    for (let nowMs = 100; nowMs < 160; nowMs++) {
      const startedMs = nowMs - pick(5);
      const source = SOURCES[pick(3)] as object;
      const notes = [
        () => evidence.noteServed(startedMs, nowMs),
        () => evidence.noteServed(startedMs, nowMs),
        () => evidence.noteAnswer(startedMs),
        () => evidence.noteOverloaded(source, pick(2) === 0, startedMs),
        () => evidence.noteRefusedHereOnly(nowMs),
        () => evidence.noteRefused(startedMs),
        () => evidence.noteLost(startedMs),
        () => evidence.noteFailed(source, pick(2) === 0, startedMs, nowMs),
        () => evidence.noteFailedAlike(),
        () => evidence.noteServedElsewhere(startedMs),
        () => evidence.noteUnanswered(source, startedMs),
        () => evidence.noteUploadBroken(source, startedMs),
        () => evidence.noteServedBeside(source, pick(2) === 0, nowMs),
        () => evidence.noteOverdue(startedMs, nowMs + pick(3)),
        () => evidence.noteNextOverdue(startedMs),
        () => evidence.noteDeserted(1 + pick(20), startedMs, nowMs),
        () => evidence.startAfresh(nowMs),
      ];
      (notes[pick(notes.length)] as () => unknown)();
      if (!evidence.isClear) wasBlamed = true;
      else if (wasBlamed) clearAgain++;
      if (!evidence.isClear) continue;
      assert.deepEqual([evidence.isSuspect, evidence.isDoubted, evidence.hasUncompared], [false, false, false]);
      assert.deepEqual([evidence.isFailing(1e9), evidence.failing(1e9), evidence.isSilent], [false, undefined, false]);
      assert.equal(evidence.isRefusingForLoad, false);
    }
  }
  assert.ok(clearAgain > 1_000, `it is often clear again after it was blamed (${clearAgain} times)`);
});

test("[F10] callers left, which is no accident, and nothing is answered → in doubt, and proof a quarter of a second later; an answer ends it", () => {
  const evidence = new StationEvidence();
  evidence.noteServed(0, 5);
  evidence.noteDeserted(12, 100, 400);
  evidence.noteDeserted(13, 110, 500);
  assert.deepEqual([evidence.isDoubted, evidence.doubt], [true, "13 callers left, and nothing is answered"]);
  assert.deepEqual([evidence.isFailing(649), evidence.isFailing(650)], [false, true]);
  assert.match(evidence.failing(650) ?? "", /^13 callers left, and nothing has been answered for 250 ms more$/);
  evidence.noteAnswer(200);
  assert.deepEqual([evidence.isDoubted, evidence.isFailing(1e9)], [false, false]);
  evidence.noteServed(600, 700);
  evidence.noteDeserted(20, 550, 800);
  assert.equal(evidence.isDoubted, false, "one that was sent later has been served");
});
