/**
 * `npm run sim:all -- --seeds 300`: for every invariant, in how many seeds of the swarm it is
 * violated, and in which. A batch ends a run at its first violation, so one invariant hides
 * another; here the run goes on. Use it to see the effects of a change in the code or in the world.
 * It does not decide whether the code is correct: after a violation a run proves nothing new.
 */
import { Command } from "commander";
import type { Violation } from "ground-station-failover/sim";
import { runOnce } from "ground-station-failover/sim";
import type { FleetPlan } from "../fleet/plan.ts";
import { swarm } from "../swarm.ts";
import { hearing } from "./hear-only.ts";

/** Printed for an invariant without `--show`: this many seeds, and the sentence of the first. */
const SEEDS_SHOWN = 12;

interface Seen {
  readonly seed: number;
  readonly detail: string;
}

interface Flags {
  readonly seeds: number;
  readonly firstSeed: number;
  readonly show?: string;
}

const program = new Command("npm run sim:all --")
  .description("In how many seeds of the swarm each invariant is violated, runs going on after a violation.")
  .option("--seeds <n>", "how many seeds", Number, 300)
  .option("--first-seed <n>", "where they start", Number, 1)
  .option("--show <invariant>", "every sentence of this one");

/** Runs one seed to its end. Returns the first violation of each invariant, by name. */
async function violationsOf(seed: number): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  const goingOn = hearing<FleetPlan, typeof swarm>(swarm, (invariant, detail) => {
    if (!found.has(invariant)) found.set(invariant, detail);
    return false;
  });
  const { violation } = await runOnce(goingOn, { seed });
  const last: Violation | undefined = violation;
  if (last !== undefined && !found.has(last.invariant)) found.set(last.invariant, last.detail);
  return found;
}

async function main(): Promise<void> {
  const { seeds, firstSeed, show } = program.parse().opts<Flags>();
  const seen = new Map<string, Seen[]>();
  for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
    for (const [invariant, detail] of await violationsOf(seed))
      seen.set(invariant, [...(seen.get(invariant) ?? []), { seed, detail: detail.split("\n", 1)[0] as string }]);
  }
  for (const [invariant, all] of [...seen].toSorted(([, left], [, right]) => right.length - left.length)) {
    if (show !== undefined && show !== invariant) continue;
    const shown = all.slice(0, SEEDS_SHOWN).map(({ seed }) => seed);
    console.log(
      `${invariant}: ${all.length} of ${seeds} seeds: ${shown.join(" ")}${all.length > SEEDS_SHOWN ? " …" : ""}`,
    );
    for (const { seed, detail } of show === undefined ? all.slice(0, 1) : all) console.log(`    ${seed}: ${detail}`);
  }
}

await main();
