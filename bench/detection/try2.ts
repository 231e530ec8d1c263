import { seededRandom } from "ground-station-failover/core";
import { AdaptiveMachine, levelForMistakes } from "../../resilience/src/core/adaptive.ts";
import { crashInstants, ReferenceRun } from "./quality.ts";
import { runMachine } from "./machine-run.ts";
import { REFERENCES } from "./references.ts";
import { REGIMES } from "./regimes.ts";
import { record } from "./trace.ts";
const share = Number(process.argv[2] ?? 0.5);
const only = process.argv[3];
const seed = process.argv[4] ?? "1";
for (const regime of REGIMES) for (const sender of ["renewal","periodic"] as const) {
  if (only && !regime.name.includes(only)) continue;
  const trace = record(regime, sender, regime.hours*share, seed);
  const crashes = crashInstants(trace, 4000, seededRandom("c"));
  let best = {name:"",h:1e9,d:1e9};
  let line = "";
  for (const [name, make] of REFERENCES) {
    if (!/oracle|fixed/.test(name)) continue;
    const ref = make(trace); if (!ref) continue;
    const run = new ReferenceRun(trace, crashes, ref);
    const q = run.quality(run.knobFor(1)); const d = run.quality(run.knobFor(1/24));
    line += `${name} ${q.detectionP50Ms.toFixed(0)}/${d.detectionP50Ms.toFixed(0)}  `;
    if (name!=="oracle: state" && q.detectionP50Ms<best.h) best={name,h:q.detectionP50Ms,d:d.detectionP50Ms};
  }
  const t1=performance.now();
  const m = new AdaptiveMachine({expectedIntervalMs:1000,minimumSamples:4,leastScaleMs:2,leastSilenceMs:8,ceilingMs:20000},10);
  const levels=[5,7,8,levelForMistakes(1/24)];
  const qs = runMachine(trace, crashes, m, levels);
  const q=qs[2]!, d=qs[3]!;
  console.log(regime.name.padEnd(13), sender.padEnd(9), `T_D ${q.detectionP50Ms.toFixed(1)} (${(100*(q.detectionP50Ms/best.h-1)).toFixed(1)}%) p99 ${q.detectionP99Ms.toFixed(0)}  rate/h ${q.mistakesPerHour.toFixed(2)}`, `| day ${d.detectionP50Ms.toFixed(0)} (${(100*(d.detectionP50Ms/best.d-1)).toFixed(0)}%) /day ${(24*d.mistakesPerHour).toFixed(1)} | L5 ${qs[0]!.mistakesPerHour.toFixed(0)} L7 ${qs[1]!.mistakesPerHour.toFixed(1)} |`, line, Math.round(1e6*(performance.now()-t1)/trace.arrivalMs.length),"ns", (m as any).debug?.("a") ?? "");
}
