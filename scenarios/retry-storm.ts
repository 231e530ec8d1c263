/**
 * Retries make a small failure a large one. First half of the primary's answers are errors, so that
 * every second command needs a retry; then it loses power while the sources send four times as
 * much.
 *
 *   load      ───50/s───────────────────────────╔══200/s══╗───50/s───
 *   primary   ────────╔══every second fails══╗───✗
 *   backup                                        ─── 120/s is all it takes ───
 *
 * Both would overload the service: retries without a budget would double the load of a service that
 * is already failing, and the backlog of the take-over would come on top of the surge. The circuit
 * is set not to open, so that only the budget prevents the storm.
 *
 * Expected: the primary gets at most a tenth more attempts than commands, the backup never gets
 * more in a second than it declares, and service is as usual as soon as the surge and its backlog
 * are over.
 */
import { served, servedAgain, takenOver } from "./expectations.ts";
import type { Fleet } from "./fleet/fleet.ts";
import type { FleetObserver } from "./fleet/observer.ts";
import type { Scenario } from "./scenario.ts";
import { scenarioFrom } from "./scenario.ts";
import { configurationOf, planOf } from "./swarm/written.ts";

const FAILS_AT_MS = 10_000;
const FAILS_FOR_MS = 15_000;
const LOST_AT_MS = 30_000;
const SURGE_FOR_MS = 10_000;
const COMMANDS_PER_SECOND = 50;
const CAPACITY_PER_SECOND = 120;
/**
 * Some 90 a second of the surge wait, and some 60 a second of them are worked off besides the usual
 * load.
 */
const BACKLOG_GONE_AFTER_MS = SURGE_FOR_MS + 20_000;
const BUDGET_RATIO = 0.1;

export const retryStorm: Scenario = scenarioFrom({
  name: "retry-storm",
  story: "Half of all commands fail, then the primary dies under a surge: nobody may drown in retries.",
  timeline: [
    { atMs: FAILS_AT_MS, what: `the primary answers every second command with 500, for ${FAILS_FOR_MS / 1_000} s` },
    { atMs: LOST_AT_MS, what: "it loses power, and the sources send four times as much for 10 s" },
  ],
  expected: [
    "no-storm: at the primary, while it fails, at most a tenth more attempts than commands",
    `within-capacity: at the backup at most ${CAPACITY_PER_SECOND} attempts in any second`,
    "taken-over and served-again-within 5 s; served: every command, from when surge and backlog are over",
  ],
  plan: () =>
    planOf({
      configuration: configurationOf([
        {
          name: "atlantic",
          capacityPerSecond: CAPACITY_PER_SECOND,
          retry: { budgetRatio: BUDGET_RATIO, maxAttempts: 5, base: "10ms" },
          breaker: { failureRateThreshold: 1, minimumVolume: 1_000 },
        },
      ]),
      groups: [{ name: "atlantic", commandsPerSecond: COMMANDS_PER_SECOND, serviceMs: 50, lanes: 8, sources: 5 }],
      faults: [
        {
          kind: "service",
          group: "atlantic",
          station: "primary",
          atMs: FAILS_AT_MS,
          forMs: FAILS_FOR_MS,
          mode: "errors",
          rate: 0.5,
        },
        { kind: "crash", node: "atlantic/primary", how: "power", atMs: LOST_AT_MS },
        { kind: "surge", group: "atlantic", atMs: LOST_AT_MS, forMs: SURGE_FOR_MS, factor: 4 },
      ],
      lostForEver: ["atlantic/primary"],
      phases: { warmUpMs: 10_000, chaosMs: 35_000, drainMs: 20_000, verifyMs: 30_000 },
    }),
  expect: (fleet) => [
    noStorm(fleet),
    withinCapacity(fleet),
    takenOver(fleet, "atlantic", "backup", LOST_AT_MS + 5_000),
    servedAgain(fleet, LOST_AT_MS, 5_000),
    served(fleet, "served", 2_000, { fromMs: LOST_AT_MS + BACKLOG_GONE_AFTER_MS }),
  ],
});

/** Counted over the whole time of the failures; the general check covers the sliding windows. */
function noStorm({ world }: Fleet): FleetObserver {
  const seen = new Set<string>();
  let attempts = 0;
  world.at(FAILS_AT_MS + FAILS_FOR_MS, () => {
    const extra = attempts - seen.size;
    // Commands sent before count for the budget of the first seconds: it looks back ten seconds.
    const allowed = BUDGET_RATIO * (seen.size + 10 * COMMANDS_PER_SECOND) + 1;
    const detail = `${attempts} attempts for ${seen.size} commands; ${Math.floor(allowed)} extra ones are allowed`;
    if (extra > allowed) world.violate("no-storm", detail);
  });
  return {
    attemptBegan({ station, command, atMs }) {
      if (station !== "primary" || atMs < FAILS_AT_MS || atMs >= FAILS_AT_MS + FAILS_FOR_MS) return;
      seen.add(command.id);
      attempts++;
    },
  };
}

/** Instants are sums of fractions. */
const ROUNDING_MS = 1e-6;

function withinCapacity({ world }: Fleet): FleetObserver {
  const newest: number[] = [];
  return {
    attemptBegan({ station, atMs }) {
      if (station !== "backup") return;
      newest.push(atMs);
      if (newest.length <= CAPACITY_PER_SECOND) return;
      const oldestMs = newest.shift() as number;
      const tookMs = Math.round(atMs - oldestMs);
      if (atMs - oldestMs < 1_000 - ROUNDING_MS)
        world.violate("within-capacity", `${CAPACITY_PER_SECOND + 1} attempts at the backup in ${tookMs} ms`);
    },
  };
}
