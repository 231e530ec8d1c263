/**
 * Every kind of fault, at several strengths and several moments, one at a time and in order:
 * nothing is random. A swarm meets only what it happens to draw. A table shows what was tried, and
 * a new kind of fault is one more line of it.
 *
 *                  mild   strong   absurd          × while all is ordinary
 *   paused         100 ms  2 s      5 s            × one second after the gateway has begun
 *   link lossy     1 %     30 %     95 %           × while an operator switches over
 *   …                                               (the last of these for the strongest only)
 *
 * Each cell is a run: one fault, then it is healed, then every command has to be served again.
 * Disks are not in the table, because the gateway has none yet. A seed picks a cell; the test of
 * the scenarios goes through all of them.
 *
 * Expected: the general checks hold, and every command is served again soon after healing.
 */
import type { Random } from "ground-station-failover";
import { pick } from "ground-station-failover/sim";
import { served } from "./expectations.ts";
import type { FleetPlan } from "./fleet/plan.ts";
import type { Scenario } from "./scenario.ts";
import { scenarioFrom } from "./scenario.ts";
import { configurationOf, planOf } from "./swarm/written.ts";
import type { Cell } from "./sweep/cells.ts";
import { CELLS, GROUP, MOMENTS } from "./sweep/cells.ts";

const HEALED_AT_MS = 12_000;
/** Time for an open circuit (5 s) and the commands that waited behind it. */
const SERVES_AFTER_MS = 7_000;

/** The plan of one cell. */
export function planOfCell({ faults }: Cell): FleetPlan {
  return planOf({
    configuration: configurationOf([{ name: GROUP, commands: { deadline: "4s", maxWait: "4s" } }]),
    faults,
    groups: [{ name: GROUP, commandsPerSecond: 8 }],
    phases: { warmUpMs: 1_000, chaosMs: HEALED_AT_MS - 1_000, drainMs: SERVES_AFTER_MS, verifyMs: 11_000 },
  });
}

export const faultSweep: Scenario = scenarioFrom({
  name: "fault-sweep",
  story: `Each kind of fault at each strength and moment, one at a time: ${CELLS.length} cells, nothing drawn.`,
  timeline: [
    ...MOMENTS.map(({ name, atMs }) => ({ atMs, what: `the fault of the cell, ${name}` })),
    { atMs: HEALED_AT_MS, what: "everything is healed" },
  ].toSorted((left, right) => left.atMs - right.atMs),
  expected: [
    "the general checks",
    `served-again: from ${SERVES_AFTER_MS / 1_000} s after healing every command is served, within 2 s`,
  ],
  plan: (random: Random) => planOfCell(pick(random, CELLS)),
  expect: (fleet) => [served(fleet, "served-again", 2_000, { fromMs: HEALED_AT_MS + SERVES_AFTER_MS })],
});
