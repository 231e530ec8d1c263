import { CASES, takeover } from "./takeover.ts";
let B: any;
const c = CASES["12"]!;
const f = await takeover({ rate:200, latencyMs: 80, patienceMs: 2000, capacityRatio: 1.2, seconds: 20, faultAtS: 5, retryAfterS: 1, ...c, steps: (p,b)=>{B=b; return c.steps(p,b);} });
const h: Record<string,number> = {};
for (const a of B.arrivals) { const k=Math.floor(a/100)*100; h[k]=(h[k]??0)+1; }
console.log(Object.entries(h).filter(([k])=>+k>9800&&+k<17000).map(([k,v])=>k+":"+v).join(" "));
