/**
 * What a call through a failover costs, measured in a process of its own: `run.ts` starts several,
 * because V8 compiles so long a way differently from one process to the next. Prints one JSON
 * object: rounds by candidate, and bytes.
 */
import { bareCandidate, failoverCandidate, ourCandidate } from "./candidates.ts";
import { bytesPerCall, measure, successLoop } from "./measure.ts";

const failover = failoverCandidate();
const candidates = [bareCandidate(), ourCandidate(), failover];
const rounds = await measure(candidates, successLoop, 60, 4);
const bytes = await bytesPerCall(failover, successLoop);
for (const candidate of candidates) candidate.end();
console.log(JSON.stringify({ rounds: [...rounds], bytes }));
