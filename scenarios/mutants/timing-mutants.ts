/**
 * Planted bugs of the timing budget: in the sums that `gsf check` prints, and in the product, which
 * then takes longer than they say.
 */
import type { Mutant } from "./mutant.ts";

const BUDGET = "resilience/src/core/failover/timing-budget.ts";

export const TIMING_MUTANTS: readonly Mutant[] = [
  {
    name: "budget-forgets-sustain",
    bug: "the timing budget does not count that suspicion must hold before it counts",
    file: BUDGET,
    edits: [
      {
        find: '{ source: "sustainMs", ms: sustainMs, what: "the level must hold" }',
        replace: '{ source: "sustainMs", ms: 0, what: "the level must hold" }',
      },
      { find: "...(sustainMs > 0 ? [again] : []),", replace: "...(sustainMs < 0 ? [again] : [])," },
    ],
    invariants: ["within-the-timing-budget"],
    scenario: "narrow-swarm",
  },
  {
    name: "waits-to-be-sure",
    bug: "a backup has to be heard a minute after the active station fell silent, not just after it",
    file: "resilience/src/core/failover/roles.ts",
    edits: [{ find: "|| heardMs > silentSinceMs;", replace: "|| heardMs > silentSinceMs + 60_000;" }],
    invariants: ["within-the-timing-budget"],
    scenario: "narrow-swarm",
  },
];
