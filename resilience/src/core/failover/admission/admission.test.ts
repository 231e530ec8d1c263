/**
 * How much a station is given: bounded by what it declares and by what it does, moved once a round
 * trip, and never locked. Stations here are models that finish a call after a fixed time, and
 * refuse what is beyond their capacity.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ConfigurationError } from "../../errors.ts";
import { seededRandom } from "../../random.ts";
import { Admission, type LoadSign } from "./admission.ts";
import type { Crowd } from "./crowding.ts";

const SEED = Number(process.env["SEED"] ?? 2702003);
const REPLAY = `seed ${SEED}; replay: SEED=${SEED} node --conditions=@gsf/source --test resilience/src/core/failover/admission/admission.test.ts`;
const USUAL_MS = 100;

/** Sends whatever is admitted at `nowMs`; returns how much that was. Somebody waits for more. */
function fill(admission: Admission, nowMs: number, most = 10_000): number {
  let sent = 0;
  for (; sent < most && admission.admits(nowMs); sent++) admission.enter(nowMs);
  return sent;
}

function finish(
  admission: Admission,
  nowMs: number,
  sign: LoadSign = "finished",
  usualMs = USUAL_MS,
  sentMs = nowMs,
): void {
  admission.note(sign, usualMs, nowMs, undefined, sentMs);
  admission.leave();
}

test("[F6] quiet times → no limit but the greatest number that is set", () => {
  const admission = new Admission();
  assert.deepEqual([admission.limit, admission.ratePerSecond], [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]);
  assert.equal(fill(admission, 0), 10_000);
  const bounded = new Admission({ maxConcurrent: 7 });
  assert.equal(fill(bounded, 0), 7);
  assert.equal(bounded.nextMs(0), Number.POSITIVE_INFINITY);
  finish(bounded, 5);
  assert.equal(fill(bounded, 5), 1);
});

test("[F6] a promotion where nobody knows the load → ten calls at first, or as many as is set", () => {
  for (const [options, limit] of [
    [{}, 10],
    [{ initialConcurrent: 3 }, 3],
    [{ maxConcurrent: 7 }, 7],
  ] as const) {
    const admission = new Admission(options);
    admission.begin(0, 0);
    assert.equal(fill(admission, 0), limit);
  }
});

test("[F6] a promotion where the load is known → that load and little more, within what is set", () => {
  for (const [before, options, least, most] of [
    [1, {}, 1, 2],
    [25, {}, 25, 32],
    [25, { initialConcurrent: 3 }, 25, 32],
    [25, { maxConcurrent: 20 }, 20, 20],
  ] as const) {
    const admission = new Admission(options);
    admission.begin(before, 0);
    const sent = fill(admission, 0);
    assert.ok(sent >= least && sent <= most, `${sent} where ${before} were in flight`);
  }
});

/**
 * A round trip in which the station is kept full and finishes `count` calls, spread over it.
 * Returns the limits seen.
 */
function roundTrip(admission: Admission, fromMs: number, count: number, usualMs = USUAL_MS): Set<number> {
  const limits = new Set<number>();
  for (let call = 0; call < count; call++) {
    const nowMs = fromMs + (call * usualMs) / count;
    finish(admission, nowMs, "finished", usualMs);
    fill(admission, nowMs);
    limits.add(admission.limit);
  }
  return limits;
}

test("[F6] the limit grows once a round trip, by half at most, however many calls end in it", () => {
  const admission = new Admission();
  admission.begin(0, 0);
  fill(admission, 0);
  for (let trip = 1; trip <= 8; trip++) {
    const before = admission.limit;
    const limits = roundTrip(admission, trip * USUAL_MS, Math.floor(before));
    assert.ok(limits.size <= 2, `${[...limits]} in one round trip`);
    assert.ok(admission.limit <= before * 1.5, `${before} → ${admission.limit}`);
  }
  assert.ok(admission.limit >= 10 * 1.5 ** 6, `six steps are due in eight round trips: ${admission.limit}`);
});

test("[F6] nobody waits for more → the limit does not grow", () => {
  const admission = new Admission();
  admission.begin(0, 0);
  for (let trip = 1; trip < 9; trip++) {
    fill(admission, trip * USUAL_MS, 3);
    for (let call = 0; call < 3; call++) finish(admission, trip * USUAL_MS + 90);
    assert.equal(admission.limit, 10);
  }
});

test("[F6] the usual load is known → the limit begins there and grows by a tenth a round trip", () => {
  const admission = new Admission();
  admission.begin(40, 0);
  const first = admission.limit;
  fill(admission, 0);
  for (let trip = 1; trip <= 3; trip++) roundTrip(admission, trip * USUAL_MS, 20);
  assert.ok(admission.limit > first && admission.limit <= first * 1.1 ** 3 + 1e-9, String(admission.limit));
});

test("[F6] the station takes longer than the one before it → the limit leaps until as many calls a second fit", () => {
  const admission = new Admission();
  // 40 at once at a station that took 100 ms, and this one takes 300.
  admission.begin(40, 0, 0, 40 / 100);
  fill(admission, 0);
  for (let trip = 1; trip <= 2; trip++) roundTrip(admission, trip * 300, 20, 300);
  const needed = 1.25 * 120;
  assert.ok(admission.limit >= needed && admission.limit <= needed * 1.1 + 1e-9, String(admission.limit));
});

test("[F11] refusals for load, more than a few → at most nine tenths of what was in flight, once a round trip", () => {
  const admission = new Admission();
  fill(admission, 0, 20);
  for (let call = 0; call < 20; call++) finish(admission, 80);
  fill(admission, 100, 20);
  for (let call = 0; call < 3; call++) finish(admission, 149, "overloaded");
  assert.equal(admission.limit, Number.POSITIVE_INFINITY, "a few");
  finish(admission, 150, "overloaded");
  const { limit } = admission;
  assert.ok(limit <= 18 && limit >= 5, String(limit));
  for (let more = 0; more < 12; more++) finish(admission, 151 + more, "overloaded");
  assert.equal(admission.limit, limit, "sent before the limit was lowered");
});

test("[F11] the very first call is refused for load → the limit is not below one call", () => {
  const admission = new Admission();
  fill(admission, 0, 1);
  finish(admission, 80, "overloaded", 0);
  assert.ok(admission.limit >= 0.9, String(admission.limit));
  const { finished } = serve(admission, 100, 10, 100);
  assert.ok(sum(finished.slice(6)) >= 0.8 * 400, `${finished}`);
});

test("[F11] calls that are not answered → half, once a round trip", () => {
  const admission = new Admission();
  fill(admission, 0, 20);
  admission.note("unanswered", USUAL_MS, 50);
  assert.equal(admission.limit, 10);
  for (let more = 0; more < 15; more++) admission.note("unanswered", USUAL_MS, 60 + more);
  assert.equal(admission.limit, 10);
});

/**
 * A station that finishes `perSecond` (a bucket of `burst`), each call after `tookMs`, and refuses
 * the rest at once, where calls always wait. A refusal costs it `costRatio` of a call, down to a
 * debt of `maxDebtS` seconds of its capacity. Returns what it finished and refused in each second.
 */
function serve(
  admission: Admission,
  perSecond: number,
  seconds: number,
  fromMs = 0,
  tookMs = USUAL_MS,
  { costRatio = 0.5, maxDebtS = 0 } = {},
): { readonly finished: number[]; readonly refused: number[] } {
  const finished = new Array<number>(seconds).fill(0);
  const refused = new Array<number>(seconds).fill(0);
  const burst = Math.max(1, perSecond / 10);
  let tokens = burst;
  const ends: number[] = [];
  for (let atMs = 0; atMs < seconds * 1_000; atMs++) {
    const nowMs = fromMs + atMs;
    const second = Math.floor(atMs / 1_000);
    tokens = Math.min(burst, tokens + perSecond / 1_000);
    while (ends.length > 0 && (ends[0] as number) <= nowMs) {
      ends.shift();
      finish(admission, nowMs, "finished", tookMs, nowMs - tookMs);
      finished[second] = (finished[second] as number) + 1;
    }
    for (let most = 1_000; most > 0 && admission.admits(nowMs); most--) {
      admission.enter(nowMs);
      if (tokens >= 1) {
        tokens--;
        ends.push(nowMs + tookMs);
        continue;
      }
      tokens = Math.max(-maxDebtS * perSecond, tokens - costRatio);
      finish(admission, nowMs, "overloaded", tookMs);
      refused[second] = (refused[second] as number) + 1;
    }
  }
  // What is still out ends unheard.
  for (const _ of ends) admission.leave();
  return { finished, refused };
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);

for (const perSecond of [5, 40, 200, 1_000]) {
  test(`[F11] endless demand on a station of ${perSecond}/s → 0.8 of that is finished, few are refused`, () => {
    const admission = new Admission();
    admission.begin(0, 0);
    const { finished, refused } = serve(admission, perSecond, 30);
    const goodput = sum(finished.slice(10)) / 20;
    const lost = sum(refused.slice(10)) / 20;
    assert.ok(goodput >= 0.8 * perSecond, `${goodput}/s finished, ${lost}/s refused of ${perSecond}/s`);
    assert.ok(lost <= 0.2 * perSecond, `${lost}/s refused of ${perSecond}/s`);
  });
}

for (const [perSecond, tookMs] of [
  [10, 34],
  [10, 300],
  [20, 100],
  [20, 240],
  [40, 34],
  [200, 100],
  [1_000, 30],
] as const) {
  test(`[F11] ${perSecond}/s in ${tookMs} ms, a refusal costs as much as a call → 0.7 of that is finished, few are refused`, () => {
    const admission = new Admission();
    admission.begin(0, 0);
    const { finished, refused } = serve(admission, perSecond, 30, 0, tookMs, { costRatio: 1, maxDebtS: 1 });
    const goodput = sum(finished.slice(5)) / 25;
    const lost = sum(refused.slice(5)) / 25;
    assert.ok(goodput >= 0.7 * perSecond, `${goodput}/s finished, ${lost}/s refused of ${perSecond}/s`);
    assert.ok(lost <= 0.2 * perSecond, `${lost}/s refused of ${perSecond}/s`);
  });
}

test("[F11] a cold start overshoots a station of 1,000/s → 0.8 of that again within two seconds", () => {
  const admission = new Admission();
  admission.begin(0, 0);
  const { finished } = serve(admission, 1_000, 8);
  for (const [second, count] of finished.entries()) if (second >= 2) assert.ok(count >= 800, `${finished}`);
});

test("[F11] the station becomes able to take more → the limit grows until it does", () => {
  const admission = new Admission();
  admission.begin(0, 0);
  serve(admission, 40, 10);
  const { finished } = serve(admission, 200, 30, 10_000);
  assert.ok(sum(finished.slice(20)) / 10 >= 0.8 * 200, `${finished}`);
});

test("[F11] a limit below one → a pace of one call in so many answer times", () => {
  const admission = new Admission();
  admission.begin(0, 0);
  let nowMs = 0;
  // Each caller hangs up: half as much, once in two round trips.
  for (let tries = 0; admission.limit > 0.3 && tries < 100; tries++) {
    nowMs = Math.max(nowMs + 10 * USUAL_MS, admission.nextMs(nowMs));
    if (admission.admits(nowMs)) admission.enter(nowMs);
    admission.note("unanswered", USUAL_MS, nowMs);
    if (admission.inFlight > 0) admission.leave();
  }
  const { limit } = admission;
  assert.ok(Math.abs(admission.ratePerSecond - limit * 10) < 1e-9, "spread over the answer time");
  nowMs += 60_000;
  assert.equal(fill(admission, nowMs), 1);
  finish(admission, nowMs + 1);
  assert.equal(admission.admits(nowMs + 1), false, "it is not its turn");
  const nextMs = admission.nextMs(nowMs + 1);
  assert.ok(
    nextMs > nowMs + USUAL_MS && nextMs <= nowMs + USUAL_MS / Math.min(limit, admission.limit) + 1,
    `${nextMs - nowMs}`,
  );
  assert.equal(admission.admits(nextMs), true);
});

test("[F11] asked to be left alone → nothing goes, for a second at most; an answer ends it", () => {
  const admission = new Admission();
  admission.pause(60_000, 0);
  assert.deepEqual([admission.admits(999), admission.nextMs(500), admission.admits(1_000)], [false, 1_000, true]);
  admission.pause(200, 1_000);
  admission.pause(100, 1_000);
  assert.equal(admission.admits(1_150), false, "the longer one counts");
  admission.enter(1_150);
  finish(admission, 1_160);
  assert.equal(admission.admits(1_160), true);
});

test("[F11] nobody has waited for a second → the limit and the pace are lifted", () => {
  const admission = new Admission();
  fill(admission, 0, 20);
  for (let call = 0; call < 3; call++) finish(admission, 50, "overloaded");
  assert.ok(admission.limit < 20 && admission.ratePerSecond < 1_000);
  while (admission.inFlight > 0) finish(admission, 100);
  for (let nowMs = 200; nowMs <= 1_400; nowMs += 100) {
    admission.enter(nowMs);
    finish(admission, nowMs + 50);
  }
  assert.deepEqual([admission.limit, admission.ratePerSecond], [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]);
  assert.equal(fill(admission, 1_460), 10_000, "at once");
});

test("[F11] everything was refused, or not answered, for three seconds → half of what it can do within five seconds, nearly all in ten", () => {
  for (const sign of ["overloaded", "unanswered"] as const) {
    const admission = new Admission();
    let nowMs = 0;
    let sent = 0;
    for (; nowMs < 3_000; nowMs += 10) {
      sent += fill(admission, nowMs, 2);
      while (admission.inFlight > 0) finish(admission, nowMs + 5, sign);
    }
    // What is refused while everything is says nothing of what the station does later: it is only
    // left alone.
    if (sign === "unanswered") assert.ok(admission.limit < 0.5, `${sign}: ${admission.limit}`);
    else assert.ok(sent <= 30, `${sent} were sent in three seconds`);
    // Demand is endless here, so the limit overshoots, and settles.
    const { finished } = serve(admission, 200, 14, nowMs);
    assert.ok(sum(finished.slice(5, 8)) >= 0.5 * 600, `${sign}: ${finished}`);
    assert.ok(sum(finished.slice(10)) >= 0.8 * 800, `${sign}: ${finished}`);
  }
});

test("[F6] a declared pace → holds whatever the limit, and what did not go is given back", () => {
  const admission = new Admission({ capacityPerSecond: 100 });
  let sent = 0;
  for (let nowMs = 0; nowMs < 1_000; nowMs += 5) {
    const now = fill(admission, nowMs);
    sent += now;
    for (let call = 0; call < now; call++) finish(admission, nowMs + 1);
  }
  assert.ok(sent >= 99 && sent <= 102, String(sent));
  assert.equal(admission.ratePerSecond, 100);
});

test("[F6] one call at a time on trial; what it shows ends that", () => {
  const admission = new Admission();
  admission.beginTrial(0);
  assert.deepEqual([admission.isTrial, fill(admission, 0)], [true, 1]);
  admission.begin(0, 50);
  assert.equal(admission.isTrial, false);
});

type Sign = readonly [LoadSign | "leave" | "pause" | "begin" | "trial", number, number];
const sign: fc.Arbitrary<Sign> = fc.tuple(
  fc.constantFrom(
    "finished",
    "overloaded",
    "unanswered",
    "overloaded",
    "unanswered",
    "leave",
    "pause",
    "begin",
    "trial",
  ),
  fc.integer({ min: 0, max: 400 }),
  fc.integer({ min: 1, max: 2_000 }),
);

test("[F11] whatever signs have come, once work is finished again → the limit grows again: it cannot be locked", () => {
  fc.assert(
    fc.property(fc.array(sign, { maxLength: 120 }), fc.constantFrom(5, 80, 400), (signs, usualMs) => {
      const admission = new Admission();
      let nowMs = 0;
      for (const [kind, afterMs, usual] of signs) {
        nowMs += afterMs;
        fill(admission, nowMs, 50);
        if (kind === "pause") admission.pause(usual * 100, nowMs);
        else if (kind === "begin") admission.begin(usual % 30, nowMs);
        else if (kind === "trial") admission.beginTrial(nowMs);
        else {
          if (kind !== "leave") admission.note(kind, usual, nowMs);
          if (admission.inFlight > 0) admission.leave();
        }
        assert.ok(admission.limit > 0 && admission.inFlight >= 0);
      }
      // All that was out is gone, and from here on every call is finished. Somebody always waits.
      while (admission.inFlight > 0) admission.leave();
      const ends: number[] = [];
      const untilMs = nowMs + 60_000 + 200 * usualMs;
      for (; nowMs < untilMs && admission.limit < 100; ) {
        for (; ends.length < 200 && admission.admits(nowMs); ends.push(nowMs + usualMs)) admission.enter(nowMs);
        const nextMs = Math.min(ends[0] ?? Number.POSITIVE_INFINITY, admission.nextMs(nowMs));
        assert.ok(nextMs < Number.POSITIVE_INFINITY, `nothing is out, and nothing may go. ${REPLAY}`);
        nowMs = Math.max(nowMs + 0.1, nextMs);
        while (ends.length > 0 && (ends[0] as number) <= nowMs) {
          ends.shift();
          finish(admission, nowMs, "finished", usualMs);
        }
      }
      assert.ok(admission.limit >= 100, `a limit of ${admission.limit} after ${untilMs} ms. ${REPLAY}`);
    }),
    { seed: SEED, numRuns: 150 },
  );
});

test("nonsense → refused", () => {
  for (const options of [
    { capacityPerSecond: 0 },
    { initialConcurrent: 0.5 },
    { maxConcurrent: 0 },
    { capacityPerSecond: Number.NaN },
  ]) {
    assert.throws(() => new Admission(options), ConfigurationError);
  }
});

test("[F6] a promotion while calls are out there already → they are counted beside the usual load", () => {
  const admission = new Admission();
  for (let moved = 0; moved < 16; moved++) admission.enter(0);
  admission.begin(16, 0, 16);
  const sent = fill(admission, 0);
  assert.ok(sent >= 16 && sent <= 20, `${sent} of those that come now go at once`);
  for (let ended = 0; ended < 16; ended++) finish(admission, 50);
  assert.ok(admission.inFlight + fill(admission, 50) <= 20, "once they have ended, the limit is the usual one");
});

/**
 * A station that takes `perSecond`, with a reserve of `reserve` calls; endless demand. Returns
 * calls refused, by second.
 */
function refusedBy(admission: Admission, perSecond: number, reserve: number, seconds: number): number[] {
  const refused = new Array<number>(seconds).fill(0);
  const ends: number[] = [];
  let tokens = reserve;
  for (let nowMs = 0; nowMs < seconds * 1_000; nowMs++) {
    tokens = Math.min(reserve, tokens + perSecond / 1_000);
    while (ends[0] !== undefined && ends[0] <= nowMs) {
      ends.shift();
      finish(admission, nowMs);
    }
    for (let more = fill(admission, nowMs); more > 0; more--) {
      if (tokens >= 1) {
        tokens--;
        ends.push(nowMs + USUAL_MS);
        continue;
      }
      tokens -= 0.5;
      refused[Math.floor(nowMs / 1_000)] = (refused[Math.floor(nowMs / 1_000)] as number) + 1;
      finish(admission, nowMs, "overloaded");
    }
  }
  return refused;
}

for (const perSecond of [20, 200, 1_000]) {
  test(`[F11] a station of ${perSecond}/s with a reserve → what it takes is found with few refusals, and kept`, () => {
    const admission = new Admission();
    admission.begin(perSecond / 10, 0);
    const refused = refusedBy(admission, perSecond, 0.2 * perSecond, 12);
    assert.ok(sum(refused.slice(0, 2)) <= 0.5 * perSecond, `while it is found out: ${refused}`);
    assert.ok(sum(refused.slice(2)) / 10 <= 0.02 * perSecond + 0.5, `afterwards: ${refused}`);
  });
}

test("[F11] a station that refuses everything, seldom asked → the limit falls all the same", () => {
  const admission = new Admission();
  admission.begin(10, 0);
  for (let nowMs = 0; nowMs < 20_000; nowMs += 200) {
    if (admission.admits(nowMs)) admission.enter(nowMs);
    admission.note("overloaded", USUAL_MS, nowMs);
    if (admission.inFlight > 0) admission.leave();
  }
  assert.ok(admission.limit < 0.5, String(admission.limit));
});

interface Offer {
  readonly sent: number;
  readonly finished: number;
  readonly offered: number;
}

/**
 * A station that refuses `share` of its calls at random, whatever the load, and takes `capacity` a
 * second of the others. It is offered `perSecond` from `fromMs` on, in random order; as many calls
 * as come in half a second may wait. Returns what came of the calls of each second.
 */
function offerAtRandom(
  admission: Admission,
  share: number,
  perSecond: number,
  seconds: number,
  { fromMs = 0, capacity = Number.POSITIVE_INFINITY, tookMs = 40, stream = "" } = {},
): Offer[] {
  const random = seededRandom(`${share} ${perSecond} ${stream}`);
  const ends: number[] = [];
  const offers: Offer[] = [];
  let [waiting, tokens] = [0, 1];
  for (let second = 0; second < seconds; second++) {
    let [sent, finished, offered] = [0, 0, 0];
    for (let nowMs = fromMs + second * 1_000; nowMs < fromMs + second * 1_000 + 1_000; nowMs++) {
      tokens = Math.min(1 + capacity / 10, tokens + capacity / 1_000);
      for (; ends[0] !== undefined && ends[0] <= nowMs; ends.shift()) {
        finish(admission, nowMs, "finished", tookMs);
        finished++;
      }
      // Two chances in each ms.
      const come = Number(random.next() < perSecond / 2_000) + Number(random.next() < perSecond / 2_000);
      offered += come;
      waiting = Math.min(perSecond / 2, waiting + come);
      for (; waiting > 0 && admission.admits(nowMs); waiting--) {
        admission.enter(nowMs);
        sent++;
        if (random.next() >= share && tokens >= 1) {
          tokens--;
          ends.push(nowMs + tookMs);
          continue;
        }
        if (tokens < 1) tokens = Math.max(0, tokens - 0.5);
        finish(admission, nowMs, "overloaded", tookMs);
      }
    }
    offers.push({ sent, finished, offered });
  }
  for (const _ of ends) admission.leave();
  return offers;
}

function ratioOf(offers: readonly Offer[], count: "sent" | "finished" = "sent"): number {
  return sum(offers.map((offer) => offer[count])) / sum(offers.map(({ offered }) => offered));
}

for (const share of [0.005, 0.02, 0.1, 0.2]) {
  for (const perSecond of [20, 150, 1_000]) {
    test(`[F11] ${share} of ${perSecond}/s is refused whatever the load → nearly all are still sent`, () => {
      const seconds = Math.max(60, 3_600 / perSecond);
      const sent: number[] = [];
      for (const stream of [..."abcde"]) {
        const quiet = new Admission();
        offerAtRandom(quiet, 0, perSecond, 3);
        const offers = offerAtRandom(quiet, share, perSecond, seconds, { fromMs: 3_000, stream });
        sent.push(ratioOf(offers));
        const late = ratioOf(offers.slice(seconds / 2));
        assert.ok(late >= 0.9, `${late} in the second half`);
        const promoted = new Admission();
        promoted.begin((perSecond * 40) / 1_000, 0);
        const after = offerAtRandom(promoted, share, perSecond, seconds, { stream });
        const longAfter = ratioOf(after.slice(seconds / 2));
        // For five seconds they are taken to be about load, and it takes a while to find out that
        // they are not.
        assert.ok(ratioOf(after) >= 0.65 && longAfter >= 0.85, `${ratioOf(after)}, ${longAfter} after a promotion`);
      }
      assert.ok(Math.min(...sent) >= 0.8 && sum(sent) / sent.length >= 0.94, `${sent}`);
    });
  }
}

for (const share of [0.005, 0.02, 0.1, 0.2]) {
  test(`[F11] ${share} is refused whatever the load, and then it is overloaded → what it takes is learned all the same`, () => {
    const admission = new Admission();
    offerAtRandom(admission, share, 150, 30);
    const over = offerAtRandom(admission, share, 300, 60, { fromMs: 30_000, capacity: 150 });
    const perSecond = (of: readonly Offer[], count: "sent" | "finished"): number =>
      sum(of.map((offer) => offer[count])) / of.length;
    const late = over.slice(10);
    const least = share <= 0.1 ? 0.75 : 0.7;
    assert.ok(perSecond(late, "finished") >= least * 150, `${perSecond(late, "finished")} of 150/s finished`);
    const needed = 150 / (1 - share);
    assert.ok(
      perSecond(late, "sent") <= (1.05 + share) * needed,
      `${perSecond(late, "sent")}/s sent, it needs ${needed}`,
    );
    // Less comes again.
    const less = offerAtRandom(admission, share, 100, 20, { fromMs: 90_000, capacity: 150 });
    assert.ok(ratioOf(less.slice(5)) >= 0.95, `${ratioOf(less.slice(5))} of what it could take`);
  });
}

test("[F11] a station refuses with a hint what it also serves → it counts as finishing for a second", () => {
  const admission = new Admission();
  admission.enter(0);
  finish(admission, 100);
  assert.deepEqual([admission.isFinishing(1_099), admission.isFinishing(1_100)], [true, false]);
  admission.begin(1, 200);
  assert.equal(admission.isFinishing(200), false, "another life");
});

/** What answer times show: 50 calls a second of 100 ms, five at once. */
function crowd(stretch: number, work = 5, servedPerMs = 0): Crowd {
  return {
    stretch,
    leisureMs: 100,
    isMounting: false,
    servedPerMs: () => servedPerMs,
    leftSince: 0,
    work: () => work,
  };
}

/** Calls end each 10 ms from `fromMs` on, and others wait for the limit all the time. */
function keepBusy(admission: Admission, fromMs: number, untilMs: number, shown: Crowd, usualMs = 100): void {
  for (let nowMs = fromMs; nowMs < untilMs; nowMs += 10) {
    while (admission.admits(nowMs)) admission.enter(nowMs);
    admission.leave();
    admission.note("finished", usualMs * shown.stretch, nowMs, shown);
  }
}

test("[F11] more and more is out there, and there is no limit → what the station works on at leisure, and a quarter", () => {
  const admission = new Admission();
  admission.noteMounting(500, 1_000, crowd(5));
  assert.equal(admission.limit, 6.25);
  // Spread over what a call takes at leisure, and not over what those took that waited there.
  assert.equal(admission.ratePerSecond, 50);
  const bounded = new Admission();
  bounded.begin(8, 0);
  const { limit } = bounded;
  bounded.noteMounting(500, 1_000, crowd(5));
  assert.equal(bounded.limit, limit, "a limit moves by rounds");
  const stranger = new Admission();
  stranger.noteMounting(500, 1_000, crowd(5, 0));
  assert.equal(stranger.limit, Number.POSITIVE_INFINITY, "nobody knows what it does");
});

test("[F11] a station with hardly any work becomes slow → one call at a time is never too many", () => {
  const admission = new Admission();
  admission.noteMounting(500, 1_000, crowd(5, 0.2));
  assert.equal(admission.limit, 1, "and not a quarter of a call");
  for (let nowMs = 2_000; nowMs < 12_000; nowMs += 100) {
    if (admission.admits(nowMs)) admission.enter(nowMs);
    assert.equal(admission.admits(nowMs), false, "others wait for the limit");
    admission.leave();
    admission.note("finished", 500, nowMs, crowd(5, 0.2));
    assert.equal(admission.limit, 1, "however slow it is");
  }
});

test("[F11] callers leave a crowded station → down to what it works on, and never below half of it", () => {
  const admission = new Admission();
  for (let call = 0; call < 200; call++) admission.enter(0);
  admission.note("unanswered", 1_000, 5_000, crowd(10));
  assert.equal(admission.limit, 6.25, "200 were out");
  for (let call = 0; call < 200; call++) admission.leave();
  for (let nowMs = 7_000; nowMs < 30_000; nowMs += 2_000) admission.note("unanswered", 1_000, nowMs, crowd(10));
  assert.equal(admission.limit, 2.5);
});

test("[F11] below such a limit → up while answers are quick, down to what it works on while they take half as long again, still between", () => {
  const limitAfter = (stretch: number): number => {
    const admission = new Admission();
    admission.noteMounting(500, 0, crowd(5));
    keepBusy(admission, 0, 3_000, crowd(stretch));
    return admission.limit;
  };
  assert.ok(limitAfter(1) > 10, `${limitAfter(1)}`);
  assert.equal(limitAfter(1.4), 6.25);
  assert.equal(limitAfter(4), 5);
});

test("[F11] after a promotion answers take more than twice leisure → the limit does not grow, whatever is finished", () => {
  const limitAfter = (stretch: number): number => {
    const admission = new Admission();
    admission.begin(16, 0);
    keepBusy(admission, 0, 3_000, crowd(stretch));
    return admission.limit;
  };
  assert.equal(limitAfter(2.5), 20);
  assert.ok(limitAfter(1) > 40, `${limitAfter(1)}`);
});

test("[F11] below a limit by delay half of the calls are answered at once with an error → they use up nothing of the pace", () => {
  const wentIn = (isTold: boolean): number => {
    const admission = new Admission();
    admission.noteMounting(500, 0, crowd(5));
    let went = 0;
    for (let nowMs = 0; nowMs < 1_000; nowMs++) {
      while (admission.admits(nowMs)) {
        admission.enter(nowMs);
        admission.leave();
        went++;
        // Every second one is wrong.
        if (isTold && went % 2 === 0) admission.noteAnswered(0);
      }
    }
    return went;
  };
  const [without, told] = [wentIn(false), wentIn(true)];
  assert.ok(Math.abs(told / without - 2) < 0.1, `${told} and ${without}`);
});

test("[F11] answers are as slow below a limit by delay as they were when it was set → it is given up, and not where they are quicker", () => {
  for (const [stretch, isVain] of [
    [4, true],
    [2.5, true],
    [1.4, false],
  ] as const) {
    const admission = new Admission();
    admission.note("unanswered", 500, 0, crowd(4));
    keepBusy(admission, 0, 9_000, crowd(stretch));
    assert.equal(admission.endVainLimit(100, crowd(stretch), 9_000), false, "not before ten seconds");
    keepBusy(admission, 9_000, 10_100, crowd(stretch));
    assert.equal(admission.endVainLimit(100, crowd(stretch), 10_100), isVain, `${stretch}`);
    assert.equal(admission.isByDelay, !isVain);
  }
});

test("[F11] a limit by delay: the station finishes a fifth of what it did → given up within a second; as many → it stays", () => {
  for (const [everyMs, isVain] of [
    [50, true],
    [10, false],
  ] as const) {
    const admission = new Admission();
    const shown = crowd(4, 5, 0.1);
    for (let sent = 0; sent < 30; sent++) admission.enter(0);
    admission.note("unanswered", 300, 0, shown);
    assert.equal(admission.limit, 6.25);
    for (let left = 0; left < 24; left++) admission.leave();
    let endedMs: number | undefined;
    for (let nowMs = 0; nowMs < 1_500 && endedMs === undefined; nowMs += everyMs) {
      while (admission.admits(nowMs)) admission.enter(nowMs);
      admission.leave();
      admission.noteFinished(300, nowMs, shown);
      if (admission.endVainLimit(300, shown, nowMs)) endedMs = nowMs;
    }
    assert.equal(endedMs !== undefined, isVain, `one each ${everyMs} ms`);
    if (isVain) assert.ok(admission.limit >= 30 && !admission.isByDelay, "it goes on from what was out before");
  }
});
