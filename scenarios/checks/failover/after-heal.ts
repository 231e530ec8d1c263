/**
 * Checks what must be well again once everything except the dead stations is healed and has had
 * time to settle.
 * - L1 `serves-after-heal`: every command of the verify phase is acknowledged.
 * - L6 `suspicions-clear`: every living station is held to be alive.
 * - L4 `breakers-close`: no living active station with traffic has an open circuit.
 * Judged only if the plan's groups can be well at all (`plan-bounds.ts`). A command is excused if
 * it met a connection that had died unnoticed before: the first user of such a connection loses one
 * exchange, as on real networks.
 */
import type { Fleet } from "../../fleet/fleet.ts";
import type { Attempt, Command, FleetObserver } from "../../fleet/observer.ts";
import { endsAtMs, healedAtMs, stationNode, verifyFromMs } from "../../fleet/plan.ts";
import type { DocumentedGroup } from "../documented.ts";
import { documentedGroups } from "../documented.ts";
import { planBoundsOf } from "../plan-bounds.ts";
import { livingGateway } from "../status-round.ts";

/** `SupervisorOptions.maxDwellMs`, `FailoverOptions.doubtMs` after four doublings. */
const LONGEST_DWELL_MS = 30_000;
const LONGEST_DOUBT_MS = 80_000;
const MARGIN_MS = 2_000;

interface Active {
  readonly station: string;
  readonly sinceMs: number;
}

export function afterHeal(fleet: Fleet): FleetObserver {
  const { plan } = fleet;
  const watched = [...documentedGroups(fleet).values()].filter(({ name }) => {
    const { quiet, serves } = planBoundsOf(fleet, name);
    return quiet && serves;
  });
  const watchedByName = new Map(watched.map((group) => [group.name, group]));
  /** The active station of each group, and since when. */
  const actives: Map<string, Active> = new Map();
  const isLost = (group: string, station: string): boolean => plan.lostForEver.includes(stationNode(group, station));
  /**
   * From this instant commands of `group` are served: some time after the last role change, if the
   * active station lives.
   */
  const servesFromMs = (group: DocumentedGroup): number => {
    const active = actives.get(group.name);
    if (active === undefined) return Number.POSITIVE_INFINITY;
    const settledMs = Math.max(healedAtMs(plan), active.sinceMs) + againMs(group);
    const replacedMs = isLost(group.name, active.station)
      ? healedAtMs(plan) + againMs(group) + replacementMs(group)
      : 0;
    return Math.max(verifyFromMs(plan), settledMs, replacedMs);
  };
  /**
   * Commands of the verify phase whose connection broke under them, or to which a station answered
   * that its own connection did.
   */
  const excused: Set<Command> = new Set();
  let attempted: Set<string> = new Set();
  return {
    gatewayStarted() {
      attempted = new Set();
      for (const { name, stations } of watched) {
        actives.set(name, { station: stations[0]?.name ?? "", sinceMs: fleet.world.nowMs });
      }
    },
    gatewayEvent(event) {
      if (event.type === "promoted") actives.set(event.group, { station: event.station, sinceMs: fleet.world.nowMs });
    },
    attemptEnded(attempt) {
      if (attempt.command.sentAtMs < verifyFromMs(plan)) return;
      attempted.add(stationNode(attempt.group, attempt.station));
      if (brokeUnder(attempt)) excused.add(attempt.command);
    },
    commandTold(command) {
      const { group, id, kind, told, sentAtMs, answer } = command;
      const settings = watchedByName.get(group);
      if (told === "acknowledged" || settings === undefined || sentAtMs < servesFromMs(settings)) return;
      if (excused.has(command) || answer === CONNECTION_BROKE) return;
      fleet.world.violate(
        "serves-after-heal",
        `${id} (${kind}), sent at ${sentAtMs} ms, was told ${told} (${answer}); everything has been healed since ${healedAtMs(plan)} ms`,
      );
    },
    ended() {
      for (const group of watched) {
        const healedForMs = endsAtMs(plan) - healedAtMs(plan);
        if (healedForMs > clearMs(group)) suspicionsClear(fleet, group);
        if (healedForMs > 5 * (group.breaker.openDurationMs + group.commands.timeoutMs) + MARGIN_MS)
          breakersClose(fleet, group, attempted);
      }
    },
  };
}

/** The text that wire.ts gives to the source. */
const CONNECTION_BROKE = "the connection broke before a reply";

function brokeUnder({ outcome, status }: Attempt): boolean {
  return outcome === "lost" || status === 502;
}

/**
 * How long a group may take to settle after a change: circuits are tried again, and attempts that
 * are out end.
 */
function againMs({ breaker, commands }: DocumentedGroup): number {
  return MARGIN_MS + breaker.openDurationMs + commands.timeoutMs + commands.deadlineMs;
}

/**
 * If the active station is lost, another one must be eligible first: its dwell and its doubt must
 * be over.
 */
function replacementMs({ detector }: DocumentedGroup): number {
  return detector.ceilingMs + detector.sustainMs + dwellMs(detector) + LONGEST_DOUBT_MS;
}

function dwellMs({ minDwellMs }: DocumentedGroup["detector"]): number {
  return Math.max(LONGEST_DWELL_MS, minDwellMs);
}

/** A dwell that began with the heal, plus enough heartbeats to look regular again. */
function clearMs({ detector, heartbeat }: DocumentedGroup): number {
  return dwellMs(detector) + detector.ceilingMs + detector.sustainMs + 10 * heartbeat.intervalMs + MARGIN_MS;
}

function suspicionsClear(fleet: Fleet, { name }: DocumentedGroup): void {
  for (const { name: station, liveness, level } of livingGateway(fleet)?.gateway.groups.get(name)?.status.stations ??
    []) {
    if (liveness !== "down" && liveness !== "unknown") continue;
    if (fleet.plan.lostForEver.includes(stationNode(name, station))) continue;
    fleet.world.violate(
      "suspicions-clear",
      `${name}/${station} is well since ${healedAtMs(fleet.plan)} ms and still held to be ${liveness} (level ${level})`,
    );
  }
}

function breakersClose(fleet: Fleet, { name }: DocumentedGroup, attempted: ReadonlySet<string>): void {
  for (const { name: station, active, breaker } of livingGateway(fleet)?.gateway.groups.get(name)?.status.stations ??
    []) {
    const node = stationNode(name, station);
    if (!active || breaker === undefined || breaker.state === "closed" || !attempted.has(node)) continue;
    if (fleet.plan.lostForEver.includes(node)) continue;
    fleet.world.violate(
      "breakers-close",
      `${node} is active, well and used, and its circuit is ${breaker.state} (${breaker.rule})`,
    );
  }
}
