/**
 * F4: checks the outcome of a command whose station was lost while it had the command, given the
 * settings of its group.
 * - `report-is-not-resent`: if the operator wants a report, a command with a key that has reached
 *   one station goes to no other.
 * - `resend-is-not-reported`: if re-sending is wanted, the caller of a command with a key is not
 *   told that its outcome is ambiguous, unless the command has waited in vain for a station. Not
 *   judged if the queue is full, nor for a command that also failed by itself: that failure may be
 *   its answer.
 * - `lost-is-ambiguous`: if a command without a key broke off while a station had it, its source is
 *   told exactly that.
 * Only commands that came once are judged: what happened to another sending of the same command is
 * not theirs.
 */
import { AttemptTimeoutError } from "ground-station-failover";
import type { Fleet } from "../../fleet/fleet.ts";
import type { Attempt, Command, FleetObserver } from "../../fleet/observer.ts";
import { documentedGroups } from "../documented.ts";

/** What is known of a command at the running gateway process. */
interface Way {
  visits: number;
  /** Stations that may have executed it. */
  readonly reached: Set<string>;
  /** One of its attempts ended by itself, and not because its station was replaced. */
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
 * A gateway's clock may differ from true time by this share; the gateway counts waiting times on
 * its own clock.
 */
const CLOCKS = 0.1;
/** The answers that report the loss; the deadline may have passed first. */
const TOLD_OF_LOSS: ReadonlySet<string> = new Set(["AMBIGUOUS_OUTCOME", "DEADLINE_EXCEEDED"]);
