/**
 * The breaker machine alone: what the acceptance tests do not spell out (k-of-n, permits of probes,
 * slow calls, status), and a property over random histories: never more probes out than allowed,
 * and nothing wedges it.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ConfigurationError } from "../errors.ts";
import { seededRandom } from "../random.ts";
import { BreakerMachine, type BreakerOptions, type Permit, REFUSED } from "./breaker.ts";

const SEED = Number(process.env["SEED"] ?? 2702003);
const REPLAY = `seed ${SEED}; replay: SEED=${SEED} node --conditions=@gsf/source --test resilience/src/core/guard/breaker.test.ts`;

/** An open breaker: tripped at 0 by so many failures, its next probe due at 1,000. */
function tripped(options: BreakerOptions = {}, failures = 1): BreakerMachine {
  const machine = new BreakerMachine({ minimumVolume: 1, openDurationMs: 1_000, ...options });
  for (let failed = 0; failed < failures; failed++) machine.failure(machine.acquire(0), 0);
  assert.equal(machine.state(0), "open");
  return machine;
}

test("[B2] k of n probes: as many successes as needed close it, one failure too many opens it", () => {
  const good = tripped({ halfOpenProbes: 3, halfOpenSuccesses: 2 });
  const [first, second, third] = [good.acquire(1_000), good.acquire(1_000), good.acquire(1_000)];
  assert.equal(good.acquire(1_000), REFUSED);
  good.failure(first, 1_001);
  assert.equal(good.state(1_001), "half-open");
  good.success(second, 1_002);
  good.success(third, 1_003);
  assert.equal(good.state(1_003), "closed");

  const bad = tripped({ halfOpenProbes: 3, halfOpenSuccesses: 2 });
  const probes = [bad.acquire(1_000), bad.acquire(1_000)] as const;
  bad.failure(probes[0], 1_001);
  bad.failure(probes[1], 1_500);
  assert.equal(bad.state(1_500), "open");
  assert.equal(bad.nextProbeAtMs(1_500), 2_500);
});

test("[B2] calls made past it because nobody else can serve end its wait, where enough of them succeed", () => {
  const past = (machine: BreakerMachine, failed: readonly boolean[], slow = false): void => {
    for (const [at, hasFailed] of failed.entries()) machine.bypassed(at, hasFailed, at + 1, slow);
  };
  const well = tripped({ minimumVolume: 4 }, 4);
  past(well, [true, false, false]);
  assert.equal(well.state(3), "open");
  past(well, [false]);
  assert.equal(well.state(3), "half-open");
  assert.equal(well.takeTransitions().at(-1)?.rule, "3 of 4 calls made past it succeeded; 1 probe(s) may pass");
  well.success(well.acquire(4), 5);
  assert.equal(well.state(5), "closed");

  const ill = tripped({ minimumVolume: 4 }, 4);
  past(ill, [true, true, false, false]);
  assert.equal(ill.state(4), "open");
  past(ill, [false]);
  assert.equal(ill.state(4), "half-open");

  const slow = tripped({ minimumVolume: 4 }, 4);
  past(slow, [false, false, false, false], true);
  assert.equal(slow.state(4), "open");

  // One from before it opened says nothing; nor does any, once it is closed again.
  const old = tripped({ minimumVolume: 1 });
  old.bypassed(-1, false, 1);
  assert.equal(old.state(1), "open");
  old.success(old.acquire(1_000), 1_001);
  old.bypassed(1, true, 1_002);
  assert.equal(old.state(1_002), "closed");
});

test("[B2] refused callers are told when the next probe is due", () => {
  const machine = tripped({ probeLeaseMs: 400 });
  assert.equal(machine.nextProbeAtMs(0), 1_000);
  machine.acquire(1_100);
  assert.equal(machine.acquire(1_200), REFUSED);
  assert.equal(machine.nextProbeAtMs(1_200), 1_500);
});

test("[B1] after a reset, what was sent before counts no more, whether it was closed or not", () => {
  for (const machine of [new BreakerMachine({ minimumVolume: 1 }), tripped()]) {
    const before = machine.acquire(1_000);
    machine.reset(1_100);
    machine.failure(before, 1_200);
    assert.deepEqual([machine.state(1_200), machine.status(1_200).calls], ["closed", 0]);
    machine.failure(machine.acquire(1_300), 1_300);
    assert.equal(machine.state(1_300), "open");
  }
});

test("[B3] a probe that says nothing about the service gives its place back", () => {
  const machine = tripped();
  const probe = machine.acquire(1_000);
  machine.release(probe, 1_010);
  assert.equal(machine.state(1_010), "half-open");
  assert.notEqual(machine.acquire(1_010), REFUSED);
});

test("[B3] a probe that reports after its lease, or twice, cannot answer for another", () => {
  const machine = tripped({ halfOpenProbes: 3, halfOpenSuccesses: 2, probeLeaseMs: 100 });
  const hung = machine.acquire(1_000);
  const next = machine.acquire(1_150);
  machine.failure(hung, 1_160);
  assert.equal(machine.state(1_160), "half-open", "its lease was already counted as the one failure allowed");
  machine.success(next, 1_170);
  machine.success(next, 1_171);
  assert.equal(machine.state(1_171), "half-open", "one success is not two");
  machine.success(machine.acquire(1_180), 1_190);
  assert.equal(machine.state(1_190), "closed");
});

test("[B3] a probe lost for an hour: open since its lease ended, half-open since the open duration was over", () => {
  const machine = tripped();
  machine.takeTransitions();
  machine.acquire(1_000);
  assert.notEqual(machine.acquire(3_600_000), REFUSED);
  assert.deepEqual(
    machine.takeTransitions().map(({ from, to, atMs }) => [from, to, atMs]),
    [
      ["open", "half-open", 1_000],
      ["half-open", "open", 2_000],
      ["open", "half-open", 3_600_000],
    ],
  );
});

test("[B3] whoever keeps no permit answers for the oldest probe, and for nothing where none is out", () => {
  const machine = tripped();
  machine.success(machine.generation, 1_000);
  assert.equal(machine.state(1_000), "half-open");
  machine.acquire(1_000);
  machine.success(machine.generation, 1_010);
  assert.equal(machine.state(1_010), "closed");
});

test("[B1] the success that reaches the floor lets earlier failures and slow calls be judged", () => {
  for (const slow of [false, true]) {
    const machine = new BreakerMachine({ minimumVolume: 4 });
    for (let call = 0; call < 2; call++) {
      if (slow) machine.success(machine.acquire(0), 0, true);
      else machine.failure(machine.acquire(0), 0);
    }
    machine.success(machine.acquire(1), 1);
    assert.equal(machine.state(1), "closed");
    machine.success(machine.acquire(2), 2);
    assert.equal(machine.state(2), "open");
  }
});

test("[B1] successes after an outage do not open it when older successes slide out of the window", () => {
  const machine = new BreakerMachine();
  for (let call = 0; call < 60; call++) machine.success(machine.acquire(0), 0);
  for (let call = 0; call < 40; call++) machine.failure(machine.acquire(5_000), 5_000);
  assert.equal(machine.state(5_000), "closed", "40 of 100");
  for (let atMs = 6_000; atMs <= 14_000; atMs += 500) machine.success(machine.acquire(atMs), atMs);
  assert.equal(machine.state(14_000), "closed");
  machine.failure(machine.acquire(14_100), 14_100);
  assert.equal(machine.state(14_100), "open", "one more failure is judged with those of the window");
});

test("[B6] slow successes open it, and the transition says so with its numbers", () => {
  const machine = new BreakerMachine({ slowCallRateThreshold: 0.75, slowCallDurationMs: 200 });
  for (let call = 0; call < 20; call++) machine.success(machine.acquire(call), call, call >= 5);
  const [transition] = machine.takeTransitions();
  assert.equal(transition?.rule, "15 of 20 calls were slow in 10000 ms (threshold 0.75)");
  assert.equal(machine.status(20).rule, transition?.rule);
  assert.equal(machine.status(20).slow, 15);
});

test("[B1] closed after an outage → it counts anew: what opened it is forgotten, and the floor holds again", () => {
  const machine = new BreakerMachine({ minimumVolume: 4, openDurationMs: 1_000 });
  for (let call = 0; call < 3; call++) machine.failure(machine.acquire(0), 0);
  assert.equal(machine.state(0), "closed", "three of four that are needed");
  machine.failure(machine.acquire(0), 0);
  assert.equal(machine.state(0), "open");
  machine.success(machine.acquire(1_000), 1_001);
  assert.deepEqual(
    [machine.state(1_001), machine.status(1_001).calls, machine.status(1_001).failures],
    ["closed", 0, 0],
  );
  for (let call = 0; call < 3; call++) machine.failure(machine.acquire(1_002), 1_002);
  assert.equal(machine.state(1_002), "closed");
});

test("[B2] a probe succeeded before the circuit opened again → it does not count for the next round", () => {
  const machine = tripped({ halfOpenProbes: 2, halfOpenSuccesses: 2 });
  machine.success(machine.acquire(1_000), 1_001);
  machine.failure(machine.acquire(1_002), 1_003);
  assert.equal(machine.state(1_003), "open");
  machine.success(machine.acquire(2_003), 2_004);
  assert.equal(machine.state(2_004), "half-open");
  machine.success(machine.acquire(2_005), 2_006);
  assert.equal(machine.state(2_006), "closed");
});

test("[B6] beyond the floor, a slow success opens it, and a failure that was slow counts as slow, too", () => {
  const slow = new BreakerMachine({ minimumVolume: 2, slowCallRateThreshold: 0.5 });
  for (const isSlow of [false, false, true]) slow.success(slow.acquire(0), 0, isSlow);
  assert.equal(slow.state(0), "closed");
  slow.success(slow.acquire(1), 1, true);
  assert.equal(slow.state(1), "open");
  const failing = new BreakerMachine({ minimumVolume: 4, failureRateThreshold: 1, slowCallRateThreshold: 0.5 });
  for (let call = 0; call < 2; call++) failing.success(failing.acquire(0), 0);
  for (let call = 0; call < 2; call++) failing.failure(failing.acquire(0), 0, true);
  assert.deepEqual([failing.state(0), failing.status(0).slow], ["open", 2]);
  assert.match(failing.status(0).rule, /2 of 4 calls were slow/);
});

test("[B7] a wall clock set back changes nothing: the open duration neither restarts nor ends early", () => {
  const machine = tripped();
  assert.equal(machine.state(-3_600_000), "open");
  assert.equal(machine.state(999), "open");
  assert.equal(machine.state(1_000), "half-open");
});

test("status tells rate and next probe; transitions that nobody takes are bounded", () => {
  const machine = tripped();
  assert.deepEqual(machine.status(10), {
    state: "open",
    calls: 1,
    failures: 1,
    slow: 0,
    failureRate: 1,
    rule: "1 of 1 calls failed in 10000 ms (threshold 0.5)",
    nextProbeAtMs: 1_000,
    forced: undefined,
    admitted: 0,
  });
  for (let round = 1; round < 100; round++) machine.failure(machine.acquire(round * 1_000), round * 1_000);
  assert.equal(machine.takeTransitions().length, 64);
  assert.equal(machine.hasTransitions, false);
});

test("[C3] options out of range are refused with the value and what is allowed", () => {
  for (const options of [
    { failureRateThreshold: 0 },
    { failureRateThreshold: 1.01 },
    { failureRateThreshold: Number.NaN },
    { slowCallRateThreshold: 0 },
    { slowCallDurationMs: -1 },
    { minimumVolume: 0 },
    { minimumVolume: 2.5 },
    { windowMs: 0 },
    { openDurationMs: Number.POSITIVE_INFINITY },
    { halfOpenProbes: 0 },
    { halfOpenProbes: 2, halfOpenSuccesses: 3 },
    { probeLeaseMs: 0 },
  ] satisfies BreakerOptions[]) {
    const [option, value] = Object.entries(options).at(-1) as [string, number];
    assert.throws(
      () => new BreakerMachine(options),
      (error) => error instanceof ConfigurationError && error.message.includes(`${option} is ${value}`),
    );
  }
});

/**
 * One step of a random history: time passes, then a permit is asked for or an earlier one reported.
 */
const step = fc.record({
  gapMs: fc.constantFrom(0, 1, 40, 130, 1_100),
  act: fc.constantFrom("ask", "ask", "success", "failure", "slow", "release"),
  which: fc.nat(),
});

test("[B2] [B3] [B4] over random histories: probes stay within bounds, late results change nothing, it always heals", () => {
  const probes = 3;
  const property = fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
    const machine = new BreakerMachine({
      minimumVolume: 3,
      openDurationMs: 100,
      halfOpenProbes: probes,
      probeLeaseMs: 50,
    });
    const held: { permit: Permit; state: string; endsMs: number; changes: number }[] = [];
    let nowMs = 0;
    let changes = 0;
    const observe = (): string => {
      const state = machine.state(nowMs);
      changes += machine.takeTransitions().length;
      return state;
    };
    for (const { gapMs, act, which } of steps) {
      nowMs += gapMs;
      const before = observe();
      if (act === "ask") {
        const expected = machine.peek(nowMs);
        const permit = machine.acquire(nowMs);
        assert.equal(permit !== REFUSED, expected, `peek is right; ${REPLAY}`);
        if (before === "open") assert.equal(permit, REFUSED, REPLAY);
        if (permit !== REFUSED) held.push({ permit, state: before, endsMs: nowMs + 50, changes });
        const out = held.filter((one) => one.state === "half-open" && one.changes === changes && one.endsMs > nowMs);
        assert.ok(out.length <= probes, `${out.length} probes out; ${REPLAY}`);
      } else if (held.length > 0) {
        const [reported] = held.splice(which % held.length, 1);
        const permit = reported?.permit ?? REFUSED;
        const status = JSON.stringify(machine.status(nowMs));
        if (act === "release") machine.release(permit, nowMs);
        else if (act === "failure") machine.failure(permit, nowMs);
        else machine.success(permit, nowMs, act === "slow");
        if (reported?.changes !== changes)
          assert.equal(JSON.stringify(machine.status(nowMs)), status, `late; ${REPLAY}`);
      }
      observe();
    }
    // Whatever happened, and whoever never reported: a service that works again is used again.
    for (let tries = 0; machine.state(nowMs) !== "closed"; tries++) {
      assert.ok(tries < 10, `still ${machine.state(nowMs)}; ${REPLAY}`);
      nowMs = Math.max(nowMs, machine.nextProbeAtMs(nowMs));
      machine.success(machine.acquire(nowMs), nowMs);
    }
  });
  fc.assert(property, { seed: SEED, numRuns: 300 });
});

// ── in an operator's hand ──────────────────────────────────────────────────────────────────────

test("[B6] forced open → refuses everything, whatever happens, and is half-open when it ends", () => {
  const machine = new BreakerMachine({ minimumVolume: 1, openDurationMs: 10 });
  machine.force("open", "maintenance of north", 5_000, 0);
  assert.equal(machine.acquire(4_999), REFUSED);
  machine.bypassed(1, false, 100);
  machine.reset(200);
  assert.deepEqual([machine.state(4_999), machine.status(300).forced?.reason], ["open", "maintenance of north"]);
  assert.equal(machine.nextProbeAtMs(300), 5_000);
  assert.equal(machine.state(5_000), "half-open");
  machine.success(machine.acquire(5_001), 5_002);
  assert.deepEqual([machine.state(5_002), machine.status(5_002).forced], ["closed", undefined]);
});

test("[B6] disabled → everything passes and nothing is counted; ended by hand → closed", () => {
  const machine = new BreakerMachine({ minimumVolume: 1 });
  machine.failure(machine.acquire(0), 0);
  machine.force("disabled", "false alarm", Number.POSITIVE_INFINITY, 1);
  for (let call = 0; call < 50; call++) {
    const permit = machine.acquire(10 + call);
    assert.notEqual(permit, REFUSED);
    machine.failure(permit, 11 + call);
  }
  const { state, calls, admitted } = machine.status(100);
  assert.deepEqual([state, calls, admitted], ["closed", 1, 1]);
  machine.unforce(200);
  assert.equal(machine.state(200), "closed");
  machine.failure(machine.acquire(201), 201);
  assert.equal(machine.state(202), "open");
});

test("[B6] metrics-only → everything passes and is counted; it ends by itself and judges again", () => {
  const machine = new BreakerMachine({ minimumVolume: 5, windowMs: 1_000 });
  machine.force("metrics-only", "trial", 500, 0);
  for (let call = 0; call < 20; call++) machine.failure(machine.acquire(call), call);
  assert.deepEqual([machine.state(20), machine.status(20).failures], ["closed", 20]);
  assert.equal(machine.status(500).forced, undefined);
  machine.failure(machine.acquire(501), 501);
  assert.equal(machine.state(501), "open");
});

test("[B6] a call that was out when it was forced says nothing afterwards", () => {
  const machine = new BreakerMachine({ minimumVolume: 1 });
  const before = machine.acquire(0);
  machine.force("metrics-only", "trial", 100, 1);
  machine.failure(before, 2);
  assert.equal(machine.status(2).calls, 0);
});

for (const [mode, reason, forMs] of [
  ["shut", "r", 1],
  ["open", "", 1],
  ["open", "r", 0],
  ["open", "r", Number.NaN],
] as const)
  test(`[B6] force ${mode}, "${reason}", ${forMs} → refused`, () => {
    const machine = new BreakerMachine();
    assert.throws(() => machine.force(mode as "open", reason, forMs, 0), { name: "ConfigurationError" });
    assert.equal(machine.state(0), "closed");
  });

// ── how long it stays open ─────────────────────────────────────────────────────────────────────

/** Opens a circuit, and fails its probes again and again: the instants at which it opened. */
function openings(machine: BreakerMachine, count: number): number[] {
  machine.failure(machine.acquire(0), 0);
  const found = [0];
  while (found.length < count) {
    const atMs = machine.nextProbeAtMs(found.at(-1) as number);
    machine.failure(machine.acquire(atMs), atMs);
    found.push(atMs);
  }
  return found;
}

test("[B6] probes that fail again and again → open for twice as long each time, up to the longest; closed → anew", () => {
  const machine = new BreakerMachine({ minimumVolume: 1, openDurationMs: 100, maxOpenDurationMs: 500 });
  assert.deepEqual(openings(machine, 6), [0, 100, 300, 700, 1_200, 1_700]);
  machine.success(machine.acquire(2_200), 2_200);
  machine.failure(machine.acquire(2_201), 2_201);
  assert.equal(machine.nextProbeAtMs(2_201), 2_301);
});

test("[B6] without a longest one it stays the same; with jitter no two are alike, and none is shorter", () => {
  assert.deepEqual(openings(new BreakerMachine({ minimumVolume: 1, openDurationMs: 100 }), 4), [0, 100, 200, 300]);
  const random = seededRandom("breaker jitter");
  const found = openings(new BreakerMachine({ minimumVolume: 1, openDurationMs: 100, openJitter: 0.5, random }), 30);
  const lengths = found.slice(1).map((atMs, place) => atMs - (found[place] as number));
  assert.ok(lengths.every((ms) => ms >= 100 && ms <= 150) && new Set(lengths).size > 20, `${lengths}`);
});

test("[B6] the service says when to come back → not before, within the bound; while open, too", () => {
  const machine = new BreakerMachine({ minimumVolume: 1, openDurationMs: 100, maxRetryAfterMs: 1_000 });
  machine.hint(700, 0);
  machine.failure(machine.acquire(0), 0);
  assert.equal(machine.nextProbeAtMs(0), 700);
  machine.hint(3_600_000, 10);
  assert.equal(machine.nextProbeAtMs(10), 1_010);
  machine.hint(5, 20);
  assert.equal(machine.nextProbeAtMs(20), 1_010);
  machine.success(machine.acquire(1_010), 1_010);
  machine.failure(machine.acquire(1_011), 1_011);
  assert.equal(machine.nextProbeAtMs(1_011), 1_111, "what was said before the recovery is over");
});

// ── after the probes ───────────────────────────────────────────────────────────────────────────

test("[B6] a ramp → a share of the calls that grows from a tenth to all", () => {
  const machine = new BreakerMachine({ minimumVolume: 1, openDurationMs: 100, rampMs: 1_000 });
  machine.failure(machine.acquire(0), 0);
  machine.success(machine.acquire(100), 100);
  assert.deepEqual([machine.state(100), machine.status(100).admitted], ["closed", 0.1]);
  const passed: number[] = [0, 0, 0, 0];
  for (let call = 0; call < 1_000; call++) {
    const atMs = 100 + call;
    const permit = machine.acquire(atMs);
    if (permit === REFUSED) continue;
    (passed[Math.floor(call / 250)] as number)++;
    machine.success(permit, atMs);
  }
  assert.ok(
    passed.every((count, place) => place === 0 || count > (passed[place - 1] as number)),
    `${passed}`,
  );
  assert.ok((passed[0] as number) < 80 && (passed[3] as number) > 180, `${passed}`);
  assert.equal(machine.status(1_100).admitted, 1);
  assert.notEqual(machine.acquire(1_101), REFUSED);
});

test("[B6] it fails during the ramp → open again, for longer", () => {
  const options = { minimumVolume: 1, openDurationMs: 100, maxOpenDurationMs: 1_000, rampMs: 1_000 };
  const machine = new BreakerMachine(options);
  machine.failure(machine.acquire(0), 0);
  machine.success(machine.acquire(100), 100);
  machine.failure(machine.acquire(110), 110);
  assert.deepEqual([machine.state(110), machine.nextProbeAtMs(110)], ["open", 310]);
});

// ── rarely called ──────────────────────────────────────────────────────────────────────────────

/** After how many failures in a row, one each `everyMs`, the circuit opens; undefined if not within 100. */
function opensAfter(machine: BreakerMachine, everyMs: number): number | undefined {
  for (let call = 1; call <= 100; call++) {
    machine.failure(machine.acquire(call * everyMs), call * everyMs);
    if (machine.state(call * everyMs) === "open") return call;
  }
  return undefined;
}

test("[B8] a dead service that is called once a minute → open after eight calls; five of five at once is an accident", () => {
  assert.equal(opensAfter(new BreakerMachine({ quietFailures: 8 }), 60_000), 8);
  assert.equal(opensAfter(new BreakerMachine(), 60_000), undefined);
  const burst = new BreakerMachine({ quietFailures: 8 });
  for (let call = 0; call < 10; call++) burst.failure(burst.acquire(call), call);
  assert.equal(burst.state(10), "closed");
  assert.equal(opensAfter(new BreakerMachine({ quietFailures: 8 }), 100), 20, "a busy one is judged by its rate");
});

test("[B8] a success in between begins the row anew", () => {
  const machine = new BreakerMachine({ quietFailures: 3 });
  for (let minute = 0; minute < 30; minute++) {
    const atMs = minute * 60_000;
    if (minute % 3 === 2) machine.success(machine.acquire(atMs), atMs);
    else machine.failure(machine.acquire(atMs), atMs);
  }
  assert.equal(machine.state(1_800_000), "closed");
});

test("[B6] jitter comes and goes with the settings, also after a reload", () => {
  const machine = new BreakerMachine({ minimumVolume: 1, openDurationMs: 1_000 });
  machine.useSettingsOf(new BreakerMachine({ minimumVolume: 1, openDurationMs: 1_000, openJitter: 1 }), 0);
  machine.failure(machine.acquire(1), 1);
  assert.ok(machine.nextProbeAtMs(1) > 1_001, `${machine.nextProbeAtMs(1)}`);
});
