/**
 * The trade-off as characters and as a picture: what is drawn lies inside, and whatever is given,
 * it is well-formed.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "ground-station-failover";
import { type CalibrationResult, calibrate, HeartbeatTrace } from "ground-station-failover/calibration";
import { svgChart } from "./svg-chart.ts";
import { terminalChart } from "./terminal-chart.ts";
import { type TradeOff, tradeOffOf } from "./trade-off.ts";

const HOUR_MS = 3_600_000;

function resultOf(detectWithinMs: number, perMs: number): CalibrationResult {
  const random = seededRandom(1);
  const trace = new HeartbeatTrace();
  let atMs = 0;
  for (let beat = 0; beat < 20_000; beat++) {
    atMs += 30 + 40 * random.next();
    trace.add("a", { sequence: beat }, atMs);
  }
  return calibrate(trace, { detectWithinMs, falseAlarms: 1, perMs });
}

function tradeOff(result: CalibrationResult): TradeOff {
  const found = tradeOffOf(result);
  assert.ok(found !== undefined);
  return found;
}

test("[D10] a terminal of 80 columns shows the curves, the recommendation and what was asked for", () => {
  const lines = terminalChart(tradeOff(resultOf(1_000, HOUR_MS)));
  const grid = lines.slice(1, 17);
  assert.ok(
    grid.every((line) => line.length <= 80),
    grid.join("\n"),
  );
  const drawn = grid.join("\n");
  for (const mark of ["N", "n", "*", "-", "|", "1/hour"]) assert.ok(drawn.includes(mark), mark);
  assert.match(lines.join("\n"), /N normal, window \d+/);
});

test("[D10] the picture is well-formed, labelled, and everything lies inside", () => {
  const picture = svgChart(tradeOff(resultOf(1_000, HOUR_MS)), "1 < 2 & 3");
  assert.match(picture, /^<svg [^>]*role="img"[^>]*>\n<title id="title">1 &lt; 2 &amp; 3<\/title>/);
  assert.doesNotMatch(picture, /NaN|Infinity|undefined/);
  for (const [, points] of picture.matchAll(/points="([^"]+)"/g)) {
    for (const point of (points as string).split(" ")) {
      const [x, y] = point.split(",").map(Number) as [number, number];
      assert.ok(x >= 100 && x <= 660 && y >= 50 && y <= 460, point);
    }
  }
  const open = [...picture.matchAll(/<(\w+)[^>]*[^/]>/g)].map((match) => match[1]);
  const closed = [...picture.matchAll(/<\/(\w+)>/g)].map((match) => match[1]);
  assert.deepEqual(open.toSorted(), closed.toSorted());
});

test("[D10] a refusal is drawn without a recommendation, and one without trials not at all", () => {
  const refused = resultOf(65, HOUR_MS);
  assert.equal(refused.type, "impossible");
  assert.equal(tradeOffOf(refused), undefined);
  const drawn = terminalChart(tradeOff({ ...resultOf(1_000, HOUR_MS), type: "impossible" } as CalibrationResult));
  assert.ok(!drawn.slice(1, 17).join("").includes("*"));
});
