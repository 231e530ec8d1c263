/**
 * Planted bugs in how much a station that is not active is sent, to compare it with the active one
 * or to go back to it: each of these bounds keeps a backup from being loaded, and commands without
 * a key from being spent, for a question.
 */
import type { Mutant } from "./mutant.ts";

const FAILOVER = "resilience/src/core/failover";

export const COMPARISON_MUTANTS: readonly Mutant[] = [
  {
    name: "compared-beside-others",
    bug: "a new command is compared at a station where others are out",
    file: `${FAILOVER}/router.ts`,
    edits: [
      {
        find: "if (other === station || other.isDoubted || other.inFlight > 0) return false;",
        replace: "if (other === station || other.isDoubted) return false;",
      },
    ],
    invariants: ["comparisons-are-few"],
  },
  {
    name: "compared-at-any-time",
    bug: "new commands are compared one after the other, without a pause",
    file: `${FAILOVER}/router.ts`,
    edits: [
      {
        find: "isWorthComparing(call.terms.source) || nowMs < this.#nextComparisonMs) return undefined;",
        replace: "isWorthComparing(call.terms.source) || nowMs < 0) return undefined;",
      },
    ],
    invariants: ["comparisons-are-few"],
  },
  {
    name: "compared-after-one",
    bug: "one command that was not served is enough for a comparison",
    file: `${FAILOVER}/evidence/uncompared.ts`,
    edits: [{ find: "const WORTH_COMPARING = 3;", replace: "const WORTH_COMPARING = 1;" }],
    invariants: ["comparisons-are-few", "one-active-per-epoch"],
  },
  {
    name: "compared-in-vain",
    bug: "a comparison that another station does not serve either is repeated for ever",
    file: `${FAILOVER}/dispatch.ts`,
    edits: [
      {
        find: "    if (attempt.number === 1 && station !== active) {\n      active.evidence.noteUnservedBeside();",
        replace: "    if (attempt.number < 1 && station !== active) {\n      active.evidence.noteUnservedBeside();",
      },
      // Where nobody has ever served the source, this says the same.
      {
        find: 'if (whose === "alike") for (const other of this.roles.stations) this.#noteFailedAlike(other, nowMs);',
        replace: 'if (whose === "alike") this.#noteFailedAlike(station, nowMs);',
      },
    ],
    invariants: ["comparisons-are-few"],
    scenario: "wide-swarm",
  },
  {
    name: "compared-once-served",
    bug: "a success does not end what may be compared",
    file: `${FAILOVER}/evidence/evidence.ts`,
    edits: [{ find: "    this.#failedAlone.clear();\n  }\n}", replace: "  }\n}" }],
    invariants: ["comparisons-are-few", "one-active-per-epoch"],
  },
  {
    name: "hold-down-ignored",
    bug: "a failback begins as soon as its station has proved that it is well, however often it failed before",
    file: `${FAILOVER}/failover.ts`,
    edits: [
      {
        find: "    return station.provenSinceMs + this.holdDownMs(station.name, station.provenSinceMs);",
        replace: "    return station.provenSinceMs;",
      },
    ],
    invariants: ["failback-holds-down"],
  },
  {
    name: "hold-down-never-grows",
    bug: "a station that fails again and again is gone back to as soon as one that failed once",
    file: `${FAILOVER}/failover.ts`,
    edits: [
      {
        find: "this.#holdDownMs * 2 ** Math.max(0, lately - 1)",
        replace: "this.#holdDownMs * 2 ** Math.max(0, lately - lately)",
      },
    ],
    invariants: ["failback-holds-down"],
  },
];
