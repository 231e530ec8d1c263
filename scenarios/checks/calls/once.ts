/**
 * Checks how often a command may be sent, given what its source declared about it.
 * - A command without a key and with an effect is sent again only if every earlier attempt provably
 *   had no effect: no connection, or refused because of its epoch.
 * - A command with a key carries that key on every attempt, because only the key lets the
 *   spacecraft tell a repetition from a new command.
 * - `attempts-are-bounded`: any command, while it is at the gateway, reaches no station more often
 *   than `retry.maxAttempts` says. Attempts that provably had no effect there do not count.
 */
import type { Fleet } from "../../fleet/fleet.ts";
import type { Attempt, Command, FleetObserver } from "../../fleet/observer.ts";
import { documentedGroups } from "../documented.ts";

/** A command that is at the gateway: how many sendings arrived, and its attempts so far. */
interface There {
  visits: number;
  readonly attempts: Attempt[];
}

export function once(fleet: Fleet): FleetObserver {
  const { world } = fleet;
  const groups = documentedGroups(fleet);
  /** The newest attempt of each command without a key that is at the gateway. */
  const newest: Map<Command, Attempt> = new Map();
  const there: Map<Command, There> = new Map();
  const refuseTooMany = (attempt: Attempt): void => {
    const { command, group, station } = attempt;
    const { visits = 1, attempts = [] } = there.get(command) ?? {};
    attempts.push(attempt);
    const most = visits * (groups.get(group)?.retry.maxAttempts ?? Number.POSITIVE_INFINITY);
    if (attempts.length <= most) return;
    const reached = attempts.filter((one) => one.station === station && hasArrived(one));
    if (reached.length > most)
      world.violate(
        "attempts-are-bounded",
        `${command.id}: attempt ${reached.length} at ${station}, and ${most} are allowed`,
      );
  };
  return {
    gatewayStarted() {
      newest.clear();
      there.clear();
    },
    commandArrived({ command }) {
      const known = there.get(command) ?? { visits: 0, attempts: [] };
      there.set(command, known);
      known.visits++;
    },
    commandAnswered({ command }) {
      newest.delete(command);
      there.delete(command);
    },
    attemptBegan(attempt) {
      refuseTooMany(attempt);
      const { command, key, station } = attempt;
      const expected = command.kind === "keyed" ? command.id : undefined;
      if (key !== expected)
        world.violate(
          "keyed-keeps-its-key",
          `${command.kind} ${command.id} goes to ${station} with key ${key}, not ${expected}`,
        );
      if (command.kind !== "once") return;
      const before = newest.get(command);
      if (before !== undefined && before.outcome !== "never-sent" && before.outcome !== "stale")
        world.violate(
          "once-is-sent-once",
          `${command.id} goes to ${station}, and its attempt at ${before.station} ${before.outcome ?? "is still out"}`,
        );
      newest.set(command, attempt);
    },
  };
}

/** Whether `attempt` may have arrived at its station, or may still arrive. */
function hasArrived({ outcome, ours }: Attempt): boolean {
  return outcome !== "never-sent" && outcome !== "stale" && !ours;
}
