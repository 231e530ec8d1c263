/**
 * How often a command may be sent, by what its source said of it. One without a key, and with an effect, goes out again
 * only where every earlier attempt provably came to nothing: no connection, or refused because of its epoch. One with a
 * key carries that key on every attempt, because the key is all that lets the spacecraft tell a repetition from a wish.
 */
import type { Fleet } from "../fleet/fleet.ts";
import type { Attempt, Command, FleetObserver } from "../fleet/observer.ts";

export function once({ world }: Fleet): FleetObserver {
  /** The newest attempt of each command without a key that is at the gateway. */
  const newest: Map<Command, Attempt> = new Map();
  return {
    gatewayStarted: () => newest.clear(),
    commandAnswered: ({ command }) => newest.delete(command),
    attemptBegan(attempt) {
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
