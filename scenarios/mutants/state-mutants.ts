/** Planted bugs in what outlives the gateway's process. */
import type { Mutant } from "./mutant.ts";

const EPOCHS = "gateway/src/fleet/durable-epochs.ts";

export const STATE_MUTANTS: readonly Mutant[] = [
  {
    name: "epoch-begins-where-it-ended",
    bug: "a restarted gateway goes on with the newest epoch that may have been issued",
    file: EPOCHS,
    edits: [{ find: "(await this.#issuedBefore(name)) + 1", replace: "Math.max(1, await this.#issuedBefore(name))" }],
    invariants: ["epoch-never-reissued"],
    scenario: "restarts",
  },
  {
    name: "first-epoch-not-reserved",
    bug: "the epoch with which a process begins is not stored before it is used",
    file: EPOCHS,
    edits: [
      {
        find: "flatMap(([name, epoch]) => storing(name, epoch + RESERVE))",
        replace: "flatMap(([name, epoch]) => storing(name, epoch - 1))",
      },
    ],
    invariants: ["epoch-never-reissued"],
    scenario: "restarts",
  },
  {
    name: "reserve-of-a-thousand",
    bug: "each crash skips a thousand epochs",
    file: EPOCHS,
    edits: [{ find: "const RESERVE = 1;", replace: "const RESERVE = 1_000;" }],
    invariants: ["epochs-do-not-jump"],
    scenario: "restarts",
  },
];
