/**
 * The laboratory itself: same seed, same numbers; and on traffic whose answer is known it measures
 * that answer.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "ground-station-failover";
import { phiAccrualMachine } from "ground-station-failover/core";
import { tradeOffChart } from "./chart.ts";
import { bootstrap } from "./episodes.ts";
import { crashInstants, ReferenceRun } from "./quality.ts";
import { REFERENCES } from "./references.ts";
import { REGIMES } from "./regimes.ts";
import { tables, verdicts, verdictTable } from "./report.ts";
import { ADAPTIVE, oracleP50Ms, study } from "./study.ts";
import { freshArrivals, record } from "./trace.ts";

const regime = (name: string): (typeof REGIMES)[number] => REGIMES.find((one) => one.name === name) ?? REGIMES[0]!;

test("[D8] every regime and sender: arrivals in order, duplicates and losses where there should be, same seed same trace", () => {
  for (const one of REGIMES) {
    for (const sender of ["renewal", "periodic"] as const) {
      const hours = Math.max(2, (4_000 * one.intervalMs) / 3_600_000);
      const trace = record(one, sender, hours, "lab");
      assert.ok(trace.arrivalMs.every((atMs, place) => place === 0 || atMs >= (trace.arrivalMs[place - 1] as number)));
      assert.ok(freshArrivals(trace).length < trace.arrivalMs.length, `${one.name}: no duplicates`);
      const again = record(one, sender, hours, "lab");
      assert.deepEqual(again.arrivalMs, trace.arrivalMs);
      assert.notDeepEqual(record(one, sender, hours, "other").arrivalMs, trace.arrivalMs);
    }
  }
});

test("[D8] the WAN has the published figures: 103.5 ms, about 0.4 % lost, in long bursts", () => {
  const trace = record(regime("wan"), "periodic", 120, "wan");
  assert.ok(Math.abs((trace.sentMs[1000] as number) / 1000 - 103.5) < 0.01);
  const lossRate = trace.lost / trace.sentMs.length;
  assert.ok(lossRate > 0.002 && lossRate < 0.007, `${lossRate}`);
});

test("[D8] a fixed timeout on N(50, 10): T_D at one mistake an hour is what arithmetic says", () => {
  const trace = record(regime("intra-region"), "renewal", 20, "arithmetic");
  const crashesMs = crashInstants(trace, 4000, seededRandom("crashes"));
  const reference = REFERENCES.get("fixed timeout")?.(trace);
  assert.ok(reference !== undefined);
  const run = new ReferenceRun(trace, crashesMs, reference);
  // One gap in 72,000 is longer than 50 + 4.19 * 10 ms; a crash falls on average half a
  // (length-biased) gap after a beat.
  const { knob, detectionP50Ms, mistakesPerHour, meanMistakeMs, queryAccuracy } = run.quality(run.knobFor(1));
  assert.ok(Math.abs(knob - 91.9) < 2.5, `timeout ${knob}`);
  assert.ok(Math.abs(detectionP50Ms - (knob + 2 - 25)) < 2, `T_D ${detectionP50Ms}`);
  assert.ok(mistakesPerHour <= 1 && mistakesPerHour > 0.9);
  assert.ok(meanMistakeMs > 0 && meanMistakeMs < 10);
  assert.ok(Math.abs(1 - queryAccuracy - (mistakesPerHour * meanMistakeMs) / 3_600_000) < 1e-12);
  assert.ok(run.quality(run.knobFor(10)).detectionP50Ms < detectionP50Ms, "more mistakes, faster detection");
});

test("[D8] a study is deterministic, its tables and picture are whole", () => {
  const options = { seed: "7", crashes: 300, share: 0.02 };
  const one = study(regime("gc"), "periodic", options);
  assert.deepEqual(study(regime("gc"), "periodic", options), one);
  assert.ok(one.rows.length >= 11);
  const adaptive = one.rows.find(({ detector }) => detector === ADAPTIVE);
  assert.ok((adaptive?.hourly.detectionP50Ms ?? 0) > 0 && oracleP50Ms(one) > 0);
  assert.match(tables([one]), /\| adaptive \| \d+ \(\d+, /);
  assert.equal(verdicts([one], []).length, 2);
  const picture = tradeOffChart(one);
  assert.match(picture, /^<svg [^>]+>[\s\S]+<\/svg>\n$/);
  assert.equal(picture.match(/<polyline/g)?.length, one.rows.length);
  assert.doesNotMatch(picture, /NaN|Infinity/);
});

test("[D8] a part of the detectors → a report that claims no more than the part shows", () => {
  const reportOf = (detector: string): string => {
    const studies = [study(regime("diurnal"), "periodic", { seed: "7", crashes: 100, share: 0.01, detector })];
    const text = `${tables(studies)}\n${verdictTable(verdicts(studies, []))}`;
    assert.doesNotMatch(text, /NaN|Infinity|undefined/);
    return text;
  };
  assert.match(reportOf("adaptive"), /every published detector.*\| none of them was run \| not judged \|/);
  assert.match(reportOf("adaptive"), /## Targets: \d of 1 met, 1 not judged/);
  // "phi normal 1000", "phi normal, ours", … but not the adaptive model.
  const others = reportOf("phi");
  assert.doesNotMatch(others, /The adaptive model, untuned|\| target \|/);
  assert.match(others, /## Targets: none/);
  const some = reportOf("p");
  assert.match(some, /every published detector.*; \d of \d+ were run \| (not judged|MISSED) \|/);
  assert.match(some, /\| phi normal 1000 \|/);
});

test("[D4] [D9] five beats, then a crash: within three base timeouts, no false starts", () => {
  const found = bootstrap(
    regime("intra-region"),
    "renewal",
    () => phiAccrualMachine({ model: "adaptive" }),
    300,
    seededRandom("bootstrap"),
  );
  assert.ok(found.detectionP99Ms <= found.boundMs, `${found.detectionP99Ms} of ${found.boundMs} ms`);
  assert.ok(found.falseStartRate < 0.01);
});
