import { AdaptiveMachine } from "../../resilience/src/core/adaptive.ts";
import { REGIMES } from "./regimes.ts";
import { record, freshArrivals } from "./trace.ts";
const H=1_800_000;
for (const regime of REGIMES.filter(r=>r.name.startsWith("step"))) for (const sender of ["renewal","periodic"] as const) {
  const trace = record(regime, sender, 60, "1");
  const m = new AdaptiveMachine({expectedIntervalMs:1000,minimumSamples:4,leastScaleMs:2,leastSilenceMs:8,ceilingMs:20000},10);
  const fresh = freshArrivals(trace);
  const c: Record<string,number> = {}; const per: number[]=[]; const ex: string[]=[];
  let idx=0; const lowT:number[]=[], highT:number[]=[]; const rec:number[]=[];
  for (let i=0;i<trace.arrivalMs.length;i++){ const t=trace.arrivalMs[i]!;
    if (fresh[idx]===i){ idx++;
      const ph=Math.floor(t/H); const off=t-ph*H; const up=ph%2===1;
      if (t>H*4){
      if (m.suspicionLevel("a",t)>=8){ 
        const k=(up?"high":"low")+(off<2000?" 0-2s":off<10000?" 2-10s":off<60000?" 10-60s":off<400000?" -400s":" rest"); c[k]=(c[k]??0)+1; if (ex.length<10 && off>2000) ex.push(`${k} off ${off.toFixed(0)} sil ${(t-m.lastHeartbeatMs("a")!).toFixed(0)} due ${(m.whenLevel("a",8)!-m.lastHeartbeatMs("a")!).toFixed(0)} ${m.debug("a")}`)}
      }
    }
    m.noteHeartbeat("a",{sequence:trace.sequence[i]!},t);
      { const ph=Math.floor(t/H); const off=t-ph*H; const up=ph%2===1; const d=m.whenLevel("a",8)!-t; if(t>4*H){ if(!up && off>10000&&off<10200) rec.push(d); if (i%50===0&& off>60000) (up?highT:lowT).push(d);} }
  }
  const med=(x:number[])=>x.sort((a,b)=>a-b)[x.length>>1]?.toFixed(1);
  console.log(regime.name,sender,JSON.stringify(c),"deadline low",med(lowT),"high",med(highT),"10s after down",med(rec)); for(const e of ex) console.log("  ",e);
}
