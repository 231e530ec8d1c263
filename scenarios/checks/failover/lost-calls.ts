/**
 * F4, what becomes of a command whose station was lost with it in hand, by what its group asked
 * for.
 * - `report-is-not-resent`: where the operator wants a report, a keyed command that has reached one
 *   station goes to no other.
 * - `resend-is-not-reported`: where re-sending is wanted, nobody is told of a keyed command that
 *   its outcome is ambiguous, before it has waited in vain for somebody to take it. Not where as
 *   many are there as may wait, nor of one that failed by itself as well: then that may be what it
 *   is told.
 * - `lost-is-ambiguous`: of one without a key that broke off in a station's hands, its source is
 *   told just that.
 * Only of commands that came once: what another sending of the same met is not theirs.
 */
import { AttemptTimeoutError } from "ground-station-failover";
import type { Fleet } from "../../fleet/fleet.ts";
import type { Attempt, Command, FleetObserver } from "../../fleet/observer.ts";
import { documentedGroups } from "../documented.ts";

/** What is known of a command at the gateway process that runs. */
interface Way {
  visits: number;
  /** Where it may have been executed. */
  readonly reached: Set<string>;
  /** An attempt of it came to an end of its own, and not because its station was replaced. */
  failedItself: boolean;
  last: Attempt | undefined;
}

export function lostCalls(fleet: Fleet): FleetObserver {
  const { world } = fleet;
  const groups = documentedGroups(fleet);
  const reports = (group: string): boolean => groups.get(group)?.commands.ambiguousKeyed === "report";
  let running = 1;
  const ways: Map<Command, Way> = new Map();
  /** How many commands of each group have no answer. */
  const openOf: Map<string, number> = new Map();
  const wayOf = (command: Command): Way => {
    const way = ways.get(command) ?? { visits: 0, reached: new Set(), failedItself: false, last: undefined };
    ways.set(command, way);
    return way;
  };
  return {
    gatewayStarted({ incarnation }) {
      running = incarnation;
      ways.clear();
      openOf.clear();
    },
    commandArrived({ command }) {
      wayOf(command).visits++;
      openOf.set(command.group, (openOf.get(command.group) ?? 0) + 1);
    },
    attemptBegan(attempt) {
      const { command, group, station } = attempt;
      const way = wayOf(command);
      way.last = attempt;
      if (command.kind !== "keyed" || way.visits !== 1 || !reports(group)) return;
      const elsewhere = [...way.reached].find((one) => one !== station);
      if (elsewhere !== undefined)
        world.violate(
          "report-is-not-resent",
          `${command.id} goes to ${station} after it has reached ${elsewhere}; ${group} wants a report`,
        );
    },
    attemptEnded({ command, station, outcome, incarnation, signal }) {
      if (incarnation < running) return;
      const way = wayOf(command);
      if (outcome !== "aborted" || signal.reason instanceof AttemptTimeoutError) way.failedItself = true;
      if (outcome !== "stale" && outcome !== "never-sent") way.reached.add(station);
    },
    commandAnswered({ command, incarnation, arrivedAtMs }, code) {
      if (incarnation < running) return;
      const open = openOf.get(command.group) ?? 0;
      openOf.set(command.group, open - 1);
      const way = ways.get(command);
      if (way === undefined || way.visits !== 1) return;
      ways.delete(command);
      const { id, kind, group } = command;
      const waitedMs = (1 + CLOCKS) * (world.nowMs - arrivedAtMs);
      const inVain = waitedMs >= (groups.get(group)?.commands.maxWaitMs ?? 0);
      const resent = kind === "read" || (kind === "keyed" && !reports(group));
      const full = open >= (groups.get(group)?.commands.maxWaiting ?? 0);
      if (code === "AMBIGUOUS_OUTCOME" && resent && !way.failedItself && !inVain && !full)
        world.violate("resend-is-not-reported", `${id} (${kind}) is told ${code}; ${group} re-sends what it may`);
      if (kind === "once" && way.last?.outcome === "lost" && code !== undefined && !TOLD_OF_LOSS.has(code))
        world.violate("lost-is-ambiguous", `${id} broke off at ${way.last.station}, and its source is told ${code}`);
    },
  };
}

/**
 * So far may a gateway's clock be from true time, as a share; how long it waited is counted on
 * that.
 */
const CLOCKS = 0.1;
/** Its deadline can have been first. */
const TOLD_OF_LOSS: ReadonlySet<string> = new Set(["AMBIGUOUS_OUTCOME", "DEADLINE_EXCEEDED"]);
