/**
 * `ordinary-error-is-prompt`: if every station answers a command with the same error, by the
 * command's own fault, the caller has this answer within the time of one attempt at each of two
 * stations plus a small margin. This is judged at quiet times and only if the caller waits that
 * long.
 *
 * Commands sent before the group has served any command are not judged. Until then the gateway
 * cannot tell a route that is always refused (503, 429) from overloaded stations, which it must
 * leave alone. Nor can it tell a route that always fails from failing stations, which it replaces.
 * A command whose epoch ended while its body was streamed is refused, as not executed
 * (`fenced-uploads.ts`), within the same time.
 */
import type { Fleet } from "../../fleet/fleet.ts";
import type { FleetObserver } from "../../fleet/observer.ts";
import { isAwaited, mostAtQuietMs, quietGroups, wasQuiet } from "../load/quiet-times.ts";
import { judged, notJudged } from "../not-judged.ts";
import { FencedUploads } from "./fenced-uploads.ts";
import { ServedYet } from "./served-yet.ts";

const INVARIANT = "ordinary-error-is-prompt";
/** The active station and one other. */
const STATIONS = 2;
/** The answers of an overloaded station. */
const REFUSALS: ReadonlySet<number> = new Set([503, 429]);

export function ordinaryErrors(fleet: Fleet): FleetObserver {
  const { world } = fleet;
  const groups = quietGroups(fleet);
  if (fleet.plan.groups.every(({ routes = [] }) => routes.every(({ answers }) => answers === undefined))) return {};
  const served = new ServedYet(fleet);
  /**
   * Groups in which a station was replaced, or kept because no other was eligible, before anything
   * was served.
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
