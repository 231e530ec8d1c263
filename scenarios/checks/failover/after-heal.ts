/**
 * What must be well again once everything but the dead is healed, with time to settle: L1
 * `serves-after-heal`, every command of the verify phase is acknowledged; L6 `suspicions-clear`,
 * every station that lives is held to be alive; L4 `breakers-close`, no circuit of an active
 * station that lives and has traffic is open. Held only where the plan's groups can be well at all
 * (`plan-bounds.ts`), and not where a command met a connection that had died unnoticed before: that
 * costs whoever uses it first one exchange, as on real wires.
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
  /** Who is active in each group, and since when. */
  const actives: Map<string, Active> = new Map();
  const isLost = (group: string, station: string): boolean => plan.lostForEver.includes(stationNode(group, station));
  /**
   * From when on commands of `group` are served: some time after the last change of who serves, if
   * that one lives.
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
   * that its own did.
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

/** As wire.ts says it to the source. */
const CONNECTION_BROKE = "the connection broke before a reply";

function brokeUnder({ outcome, status }: Attempt): boolean {
  return outcome === "lost" || status === 502;
}

/**
 * How long a group may be finding its feet after something has changed: circuits are tried again,
 * what is out ends.
 */
function againMs({ breaker, commands }: DocumentedGroup): number {
  return MARGIN_MS + breaker.openDurationMs + commands.timeoutMs + commands.deadlineMs;
}

/**
 * Where the active one is lost, another has to be eligible: no longer kept down, no longer in
 * doubt.
 */
function replacementMs({ detector }: DocumentedGroup): number {
  return detector.ceilingMs + detector.sustainMs + dwellMs(detector) + LONGEST_DOUBT_MS;
}

function dwellMs({ minDwellMs }: DocumentedGroup["detector"]): number {
  return Math.max(LONGEST_DWELL_MS, minDwellMs);
}

/** A dwell that began with the heal, and beats enough to look regular again. */
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
