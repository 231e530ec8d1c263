import { runOnce } from "ground-station-failover/sim";
import { scenarioOf } from "./index.ts";
const [name, first, count] = process.argv.slice(2) as [string, string, string];
for (let seed = Number(first); seed < Number(first) + Number(count); seed++) {
  const { violation } = await runOnce(scenarioOf(name as never), { seed, traceRecords: 0 } as never);
  if (violation) console.log(name, seed, violation.invariant, violation.detail.slice(0, 260));
  if (seed % 100 === 0) console.log("#", name, seed, new Date().toISOString());
}
