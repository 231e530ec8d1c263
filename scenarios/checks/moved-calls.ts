/**
 * F3 at the instant of a promotion, `moves-what-was-in-flight`: what may be repeated does not stay with the station that
 * was replaced. Attempts of keyed commands and of reads that are out there end in that instant, and what was held because
 * it failed there goes on: from then on no more commands are held than have failed since. (At a station that was active
 * before, a command may also be held because its repetition there could not be afforded.) Where commands may go elsewhere
 * without a promotion, an attempt may stay out at a station that is heard; at one that is declared down, its command is out
 * somewhere else by then.
 */
import type { Fleet } from "../fleet/fleet.ts";
import type { Attempt, FleetObserver } from "../fleet/observer.ts";
import type { DocumentedGroup } from "./documented.ts";
import { documentedGroups } from "./documented.ts";
import type { FailoverContract } from "./failover-contract.ts";
import { FAILOVER_CONTRACT } from "./failover-contract.ts";
import { succeeded } from "./offered-load.ts";
import { lookAround } from "./status-round.ts";

const INVARIANT = "moves-what-was-in-flight";

/** What is noted of one group. */
interface Seen {
  /** Attempts of what may be repeated, out anywhere. */
  readonly out: Set<Attempt>;
  /** Stations to which something was sent. */
  readonly visited: Set<string>;
  /** Attempts that came to nothing since the last promotion; undefined before there was one, and after one to a visited station. */
  failed: number | undefined;
}

export function movedCalls(fleet: Fleet, contract: FailoverContract = FAILOVER_CONTRACT): FleetObserver {
  const { world } = fleet;
  const groups = documentedGroups(fleet);
  let running = 1;
  let seen: Map<string, Seen> = new Map();
  /** Stations that are declared down, as `group/station`. */
  let down: Set<string> = new Set();
  const of = (group: string): Seen => {
    const known = seen.get(group) ?? { out: new Set(), visited: new Set(), failed: undefined };
    seen.set(group, known);
    return known;
  };
  return {
    gatewayStarted({ incarnation }) {
      running = incarnation;
      seen = new Map();
      down = new Set();
    },
    attemptBegan(attempt) {
      const { out, visited } = of(attempt.group);
      visited.add(attempt.station);
      if (attempt.command.kind !== "once") out.add(attempt);
    },
    attemptEnded(attempt) {
      if (attempt.incarnation < running) return;
      const group = of(attempt.group);
      group.out.delete(attempt);
      const { errorBody } = (groups.get(attempt.group) as DocumentedGroup).commands;
      if (group.failed !== undefined && !succeeded(attempt, errorBody)) group.failed++;
    },
    gatewayEvent(event) {
      if (event.type === "declaration") {
        if (event.to === "down") down.add(`${event.group}/${event.node}`);
        else down.delete(`${event.group}/${event.node}`);
      }
      if (event.type !== "promoted") return;
      const { group, from, station } = event;
      const noted = of(group);
      const mayStay = contract.goesElsewhere && !down.has(`${group}/${from}`);
      const left = mayStay ? [] : [...noted.out].filter((attempt) => attempt.station === from);
      noted.failed = noted.visited.has(station) ? undefined : 0;
      // Who is told to end says so before the step is over.
      world.at(world.nowMs, () => {
        const elsewhere = ({ command }: Attempt): boolean =>
          contract.goesElsewhere && [...noted.out].some((out) => out.command === command && out.station !== from);
        const still = left.find(
          (attempt) => attempt.endedAtMs === undefined && attempt.incarnation === running && !elsewhere(attempt),
        );
        if (still === undefined) return;
        const { id, kind } = still.command;
        world.violate(
          INVARIANT,
          `${group}: ${from} was replaced, and ${id} (${kind}), sent to it at ${still.atMs} ms, stays there`,
        );
      });
    },
    tick() {
      const look = lookAround(fleet);
      if (look === undefined) return;
      const { failed } = of(look.group);
      const { held } = look.status;
      if (contract.goesElsewhere || failed === undefined || held <= failed) return;
      world.violate(
        INVARIANT,
        `${look.group}: ${held} commands are held, and only ${failed} attempts have failed since the promotion`,
      );
    },
  };
}
