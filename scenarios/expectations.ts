/**
 * Expectations that several scenarios share, as observers: that nothing happens, that commands are
 * served, that roles change at most so often. Each takes the numbers of its sentence as arguments,
 * and reports violations under the name that its scenario gives. They look at what sources and
 * spacecraft saw, not at what the gateway reports of itself, except for its role changes.
 */
import type { Evidence } from "ground-station-failover";
import type { GatewayEvent } from "../gateway/src/compose.ts";
import type { Fleet } from "./fleet/fleet.ts";
import type { Command, FleetObserver } from "./fleet/observer.ts";

/** No declaration, no promotion, no circuit that opens: in `group`, or in any group. */
export function nothingHappens(fleet: Fleet, group?: string): FleetObserver {
  return {
    gatewayEvent(event) {
      if (group !== undefined && event.group !== group) return;
      const opened = event.type === "breaker" && event.transition.to === "open";
      const doubted = event.type === "declaration" && event.to !== "alive";
      if (opened || doubted || event.type === "promoted" || event.type === "no-eligible-station")
        fleet.world.violate("nothing-happens", sentenceOf(event));
    },
  };
}

/** Which commands an expectation is about. Instants in true time. */
interface Commands {
  /** Sent from this instant on. Default: from the beginning. */
  readonly fromMs?: number;
  /** Sent before this instant. Default: until the end. */
  readonly untilMs?: number;
  readonly group?: string;
  /** Only those that may be repeated: keyed ones and reads. Default false. */
  readonly repeatableOnly?: boolean;
}

/** Each of `commands` is acknowledged within `withinMs` of being sent. */
export function served(fleet: Fleet, invariant: string, withinMs: number, commands: Commands = {}): FleetObserver {
  const { world } = fleet;
  const late = (command: Command): string => {
    const { id, kind, sentAtMs, told = "nothing", answer } = command;
    const afterMs = Math.round((command.toldAtMs ?? world.nowMs) - sentAtMs);
    return `${kind} ${id}, sent at ${seconds(sentAtMs)}, was told ${told} (${answer}) after ${afterMs} ms; allowed are ${withinMs}`;
  };
  return {
    commandTold(command) {
      if (!isAmong(command, commands)) return;
      const tookMs = world.nowMs - command.sentAtMs;
      if (command.told !== "acknowledged" || tookMs > withinMs) world.violate(invariant, late(command));
    },
    ended() {
      for (const command of fleet.commands.values()) {
        if (command.told === undefined && isAmong(command, commands)) world.violate(invariant, late(command));
      }
    },
  };
}

/**
 * A station serves again soon after the fault: of all commands sent after `faultAtMs`, one is
 * acknowledged by `withinMs` after it. With ten commands a second that is when service is back;
 * with few commands, up to one gap later.
 */
export function servedAgain(fleet: Fleet, faultAtMs: number, withinMs: number, group?: string): FleetObserver {
  const { world } = fleet;
  let served = false;
  world.at(faultAtMs + withinMs, () => {
    const where = group === undefined ? "" : ` of ${group}`;
    const detail = `no command${where} sent after ${seconds(faultAtMs)} was acknowledged within ${withinMs} ms`;
    if (!served) world.violate("served-again-within", detail);
  });
  return {
    commandTold(command) {
      if (group !== undefined && command.group !== group) return;
      served ||= command.told === "acknowledged" && command.sentAtMs > faultAtMs;
    },
  };
}

/** At most `most` promotions in `group`, of whatever cause. */
export function roleChangesAtMost(fleet: Fleet, group: string, most: number): FleetObserver {
  let changes = 0;
  return {
    gatewayEvent(event) {
      if (event.type !== "promoted" || event.group !== group || ++changes <= most) return;
      fleet.world.violate("few-role-changes", `${changes} role changes, ${most} are allowed; ${sentenceOf(event)}`);
    },
  };
}

/** `station` of `group` is active by `byMs`, because of a failure. */
export function takenOver(fleet: Fleet, group: string, station: string, byMs: number): FleetObserver {
  const { world } = fleet;
  world.at(byMs, () => {
    const active = fleet.gateway?.gateway.groups.get(group)?.activeStation;
    if (active !== station)
      world.violate("taken-over", `${active} of ${group} is active at ${seconds(byMs)}, not ${station}`);
  });
  return {};
}

function isAmong(
  command: Command,
  { fromMs = 0, untilMs = Infinity, group, repeatableOnly = false }: Commands,
): boolean {
  if (command.sentAtMs < fromMs || command.sentAtMs >= untilMs) return false;
  return (group === undefined || command.group === group) && !(repeatableOnly && command.kind === "once");
}

/** An event, short enough for a sentence. */
function sentenceOf(event: GatewayEvent): string {
  switch (event.type) {
    case "promoted":
      return `${event.group}: ${event.station} promoted for ${event.cause}: ${reasonsOf(event)}`;
    case "declaration":
      return `${event.group}: ${event.node} declared ${event.to}: ${event.rule}`;
    case "breaker":
      return `${event.group}: circuit of ${event.station} ${event.transition.to}: ${event.transition.rule}`;
    case "no-eligible-station":
      return `${event.group}: nobody eligible, ${event.station} kept: ${reasonsOf(event)}`;
    default:
      return `${event.group}: ${event.type}`;
  }
}

/** The evidence against the station that was active, as sentences. */
export function reasonsOf({ evidence }: { readonly evidence: readonly Evidence[] }): string {
  return evidence.flatMap(({ verdict, detail }) => (verdict === "ineligible" ? [detail] : [])).join("; ");
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(3)} s`;
}
