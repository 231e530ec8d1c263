import { ResilientClient } from "ground-station-failover";
const op=async()=>1; const N=3000000;
const c=new ResilientClient({name:'x',timeoutMs:1000,deadlineMs:5000,bulkhead:{maxConcurrent:100}});
async function ours(){for(let i=0;i<N;i++) await c.call(op)}
const t=performance.now(); await ours(); console.log((performance.now()-t)/N*1e6);
