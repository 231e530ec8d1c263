/**
 * Requests of one kind do not harm requests of another kind, and slow requests are served. Judged
 * at quiet times (`quiet-times.ts`).
 * - `one-bad-route-hurts-nobody`: while one route of a group answers with errors or is slow,
 *   commands of the other routes are served within the time that their own work and network delays
 *   need.
 * - `quiet-is-served`: a command of a slow route, and a command whose body arrives slowly, are
 *   served if the caller and the settings allow enough time. If its epoch ended while its body was
 *   streamed, it is refused instead, as not executed (`fenced-uploads.ts`), within the same time.
 */
import type { Fleet } from "../../fleet/fleet.ts";
import type { FleetObserver, Sending } from "../../fleet/observer.ts";
import { isAwaited, mostAtQuietMs, quietGroups, wasQuiet } from "../load/quiet-times.ts";
import { judged, notJudged } from "../not-judged.ts";
import { FencedUploads } from "./fenced-uploads.ts";

const BAD_ROUTE = "one-bad-route-hurts-nobody";
const SERVED = "quiet-is-served";

export function badRoutes(fleet: Fleet): FleetObserver {
  const { world } = fleet;
  const groups = quietGroups(fleet);
  if (groups.size === 0) return {};
  const fenced = new FencedUploads(() => world.nowMs);
  return {
    ...fenced.hears,
    sendingEnded(sending) {
      const { command, atMs, end } = sending;
      const quiet = groups.get(command.group);
      if (quiet === undefined || command.route?.answers !== undefined) return;
      const isOrdinary = command.route === undefined && sending.uploadMs === 0;
      const invariant = isOrdinary && (quiet.plan.routes ?? []).length > 0 ? BAD_ROUTE : SERVED;
      if (!wasQuiet(fleet, command.group, atMs, world.nowMs)) return notJudged(world, invariant, "something was wrong");
      const mostMs = mostAtQuietMs(quiet, sending, 1);
      if (!isAwaited(quiet, sending, mostMs)) return notJudged(world, invariant, "its caller does not wait for it");
      judged(world, invariant);
      const tookMs = world.nowMs - atMs;
      const isRight = end === "served" || fenced.wasRefused(sending);
      if (!isRight || tookMs > mostMs) world.violate(invariant, sentence(sending, tookMs, mostMs));
    },
  };
}

function sentence({ command, end, uploadMs }: Sending, tookMs: number, mostMs: number): string {
  const { kind, id, route, answer } = command;
  const what = `${kind} ${id}${route === undefined ? "" : ` on the route ${route.name}`}`;
  const body = uploadMs === 0 ? "" : `, whose body takes ${uploadMs} ms,`;
  return `${what}${body} ended after ${Math.round(tookMs)} ms (${end}: ${answer || "no answer"}), and nothing is wrong with any station; ${Math.round(mostMs)} ms are enough`;
}
