import { ResilientClient, deadlineAfter } from "ground-station-failover";
import CircuitBreaker from "opossum"; import pRetry from "p-retry";
const op=async()=>1; const N=200000;
async function bare(){for(let i=0;i<N;i++) await op()}
const b=new CircuitBreaker(op,{timeout:1000,errorThresholdPercentage:50,resetTimeout:30000,capacity:100});
async function opre(){for(let i=0;i<N;i++) await pRetry(()=>b.fire(),{retries:2})}
const c=new ResilientClient({name:'x',timeoutMs:1000,deadlineMs:5000,bulkhead:{maxConcurrent:100}});
async function ours(){for(let i=0;i<N;i++) await c.call(op)}
const o=new ResilientClient({name:'x',timeoutMs:1000,deadlineMs:5000,bulkhead:{maxConcurrent:100}});
for(let i=0;i<100;i++) o.breaker.noteFailure();
async function openb(){for(let i=0;i<N;i++) try{await o.call(op)}catch{}}
const e=new Error('x'); const rej=()=>Promise.reject(e);
async function rejb(){for(let i=0;i<N;i++) try{await rej()}catch{}}
for(let r=0;r<5;r++){for(const f of [bare,ours,opre,openb,rejb]){const t=performance.now();await f();process.stdout.write(f.name+' '+((performance.now()-t)/N*1e6).toFixed(0)+'  ')}console.log()}
process.exit()
