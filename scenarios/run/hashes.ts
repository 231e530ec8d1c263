/**
 * Prints the trace hashes of the swarm's first seeds on the Node that runs it (see
 * test/process/sim-determinism.test.ts).
 */
import { runOnce } from "ground-station-failover/sim";
import { swarm } from "../swarm.ts";

const hashes: string[] = [];
for (let seed = 1; seed <= Number(process.argv[2]); seed++) {
  const { hash, steps } = await runOnce(swarm, { seed });
  hashes.push(`${hash} after ${steps} events`);
}
console.log(JSON.stringify({ version: process.version, hashes }));
