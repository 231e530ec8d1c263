import { seededRandom } from "ground-station-failover/core";
import { crashInstants, ReferenceRun } from "./quality.ts";
import { REFERENCES } from "./references.ts";
import { REGIMES } from "./regimes.ts";
import { record } from "./trace.ts";
for (const regime of REGIMES) for (const sender of ["renewal","periodic"] as const) {
  const t0=performance.now();
  const trace = record(regime, sender, regime.hours/4, "1");
  const crashes = crashInstants(trace, 4000, seededRandom("c"));
  console.log("##", regime.name, sender, trace.arrivalMs.length, "lost", trace.lost, Math.round(performance.now()-t0));
  for (const [name, make] of REFERENCES) {
    const ref = make(trace); if (!ref) continue;
    const t1=performance.now();
    const run = new ReferenceRun(trace, crashes, ref);
    const q = run.quality(run.knobFor(1)); const d = run.quality(run.knobFor(1/24));
    console.log(name.padEnd(20), q.knob.toFixed(2), q.mistakesPerHour.toFixed(2), q.detectionP50Ms.toFixed(1), q.detectionP99Ms.toFixed(1), d.detectionP50Ms.toFixed(1), "ms", Math.round(performance.now()-t1));
  }
}
