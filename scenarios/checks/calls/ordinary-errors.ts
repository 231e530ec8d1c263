/**
 * `ordinary-error-is-prompt`: if every station answers a command with the same error, by the
 * command's own fault, the caller has this answer within the time of one attempt at each of two
 * stations plus a small margin. Judged at quiet times and only if the caller waits that long.
 * Before any command of the group has been served, nobody can tell a route that is always refused
 * (503, 429) from stations that are overloaded, which have to be left alone, nor one that always
 * fails from stations that do, which are replaced: what follows from either is not judged for
 * commands that were sent until then. One whose epoch ended while its body was streamed is refused,
 * as not executed (`fenced-uploads.ts`), within the same time.
 */
import type { Fleet } from "../../fleet/fleet.ts";
import type { FleetObserver } from "../../fleet/observer.ts";
import { isAwaited, mostAtQuietMs, quietGroups, wasQuiet } from "../load/quiet-times.ts";
import { judged, notJudged } from "../not-judged.ts";
import { FencedUploads } from "./fenced-uploads.ts";
import { ServedYet } from "./served-yet.ts";

const INVARIANT = "ordinary-error-is-prompt";
/** The active one and another. */
const STATIONS = 2;
/** What a station says that is overloaded. */
const REFUSALS: ReadonlySet<number> = new Set([503, 429]);

export function ordinaryErrors(fleet: Fleet): FleetObserver {
  const { world } = fleet;
  const groups = quietGroups(fleet);
  if (fleet.plan.groups.every(({ routes = [] }) => routes.every(({ answers }) => answers === undefined))) return {};
  const served = new ServedYet(fleet);
  /**
   * Groups in which a station was replaced, or kept for want of another, before anything was
   * served.
   */
  const mistaken: Set<string> = new Set();
  const fenced = new FencedUploads(() => world.nowMs);
  return {
    gatewayStarted(process) {
      served.hears.gatewayStarted(process);
      fenced.hears.gatewayStarted(process);
    },
    attemptEnded(attempt) {
      served.hears.attemptEnded(attempt);
      fenced.hears.attemptEnded(attempt);
    },
    gatewayEvent(event, incarnation) {
      fenced.hears.gatewayEvent(event, incarnation);
      const { type, group } = event;
      if ((type === "promoted" || type === "no-eligible-station") && !served.has(group)) mistaken.add(group);
    },
    sendingEnded(sending) {
      const { command, atMs, end } = sending;
      const { group, route, answer, kind, id } = command;
      if (route?.answers === undefined) return;
      const quiet = groups.get(group);
      if (quiet === undefined) return notJudged(world, INVARIANT, "load or settings");
      if (!wasQuiet(fleet, group, atMs, world.nowMs)) return notJudged(world, INVARIANT, "something was wrong");
      const isRefused = REFUSALS.has(route.answers.status) || mistaken.has(group);
      if (!served.hadBefore(group, atMs) && isRefused)
        return notJudged(world, INVARIANT, "every command so far was wrong");
      const mostMs = mostAtQuietMs(quiet, sending, STATIONS);
      if (!isAwaited(quiet, sending, mostMs)) return notJudged(world, INVARIANT, "its caller does not wait for it");
      judged(world, INVARIANT);
      const tookMs = world.nowMs - atMs;
      if ((end === "own-error" || fenced.wasRefused(sending)) && tookMs <= mostMs) return;
      world.violate(
        INVARIANT,
        `${kind} ${id}, which every station answers with ${route.answers.status}, ended after ${Math.round(tookMs)} ms (${end}: ${answer || "no answer"}); ${Math.round(mostMs)} ms are enough`,
      );
    },
  };
}
