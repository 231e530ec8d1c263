import { CASES, takeover } from "./takeover.ts";
const args = Object.fromEntries(process.argv.slice(2).map(a=>a.split("=")));
const rate=+(args.rate??200), patience=+(args.patience??2000), cap=+(args.cap??1.2);
for (const c of (args.cases??Object.keys(CASES).join(",")).split(",")) {
  const t=Date.now();
  const f = await takeover({ rate, latencyMs: 80, patienceMs: patience, capacityRatio: cap, seconds: 20, faultAtS: 5, retryAfterS: args.hint==="no"?undefined:1, knowsDeadline: args.deadline==="1", canAsk: args.ask==="1", ...CASES[c]! , ...(args.capacity? {options:{ramp:(s:any)=>s.name==="backup"?{capacityPerSecond:+args.capacity}:{}}}:{})});
  console.log(c.padEnd(3), `calls ${f.calls} err ${f.errors} dup ${f.doubled} ghost ${f.ghosts} p50 ${f.p50Ms.toFixed(0)} p99 ${f.p99Ms.toFixed(0)} refusals ${f.refusals} early ${f.refusedEarly}/${f.slowestRefusalMs.toFixed(0)}ms prom ${f.promotions} ${JSON.stringify(f.outcomes)} ${Date.now()-t}ms`);
  if (args.v) { console.log(" goodput", f.goodput.join(" ")); for (const e of f.events) if (e.type!=="declaration") console.log("  ", JSON.stringify(e).slice(0,args.v==="2"?400:200)); }
}
