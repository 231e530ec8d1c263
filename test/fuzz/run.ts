/**
 * `npm run fuzz [-- --seconds 60 --seed 1 --only NAME --from RUN]`: feeds each parser mutated
 * inputs for `seconds`. Exits with 1 at the first input that is not handled as documented, and
 * prints that input and the command that replays it.
 */
import { parseArgs } from "node:util";
import { fuzz } from "./fuzzer.ts";
import { TARGETS } from "./targets.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    seed: { type: "string", default: "1" },
    only: { type: "string" },
    from: { type: "string", default: "0" },
  },
});
const [seconds, seed, from] = [Number(values.seconds), Number(values.seed), Number(values.from)];
const chosen = TARGETS.filter(({ name }) => values.only === undefined || values.only === name);
if (chosen.length === 0 || ![seconds, seed, from].every((number) => number >= 0)) {
  console.error(`--seconds, --seed, --from: numbers from 0 on; --only: ${TARGETS.map(({ name }) => name).join(", ")}`);
  process.exit(2);
}
for (const target of chosen) {
  const { runs, finding } = fuzz(target, seed, seconds * 1_000, from);
  console.log(`${target.name}: ${runs} inputs, ${finding === undefined ? "no failure" : finding.reason}`);
  if (finding === undefined) continue;
  console.log(`input (base64, made shorter): ${finding.input.toString("base64")}`);
  console.log(`npm run fuzz -- --seed ${seed} --only ${target.name} --from ${finding.run} --seconds 0`);
  process.exitCode = 1;
}
