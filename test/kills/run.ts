/**
 * `npm run kills -- [--kills 500] [--seed 1]`: the rigs of this folder with more kills than in the
 * tests, each with a line of progress.
 */
import { parseArgs } from "node:util";
import { killCommitter } from "./commit-kills.ts";
import { killGateway } from "./epoch-kills.ts";

const { values } = parseArgs({
  options: { kills: { type: "string", default: "500" }, seed: { type: "string", default: "1" } },
});
const [kills, seed] = [Number(values.kills), Number(values.seed)];
if (!(Number.isInteger(kills) && kills >= 1 && Number.isInteger(seed)))
  throw new RangeError("--kills is a whole number from 1, --seed a whole number");
for (const [name, rig] of Object.entries({ "a committing process": killCommitter, "a gateway": killGateway })) {
  process.stdout.write(`${name}, seed ${seed}\n`);
  await rig({ kills, seed, note: (progress) => process.stdout.write(`  ${progress}\n`) });
}
