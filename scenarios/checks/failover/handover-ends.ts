/**
 * L5 for planned changes (docs/guide/failover.md, "Going back"). No call waits for them: the
 * serving station goes on meanwhile (make before break).
 * - `switchover-is-prompt`: a switchover that a person asks for, or that maintenance needs, is done
 *   or refused in the step in which it begins: there is nothing to wait for.
 * - `handover-ends`: a failback is done or given up in time. It waits up to 2 s for a command that
 *   may be repeated, and then takes four shares of 250 ms. A race with a slow station is over
 *   within 30 s.
 * - `handover-is-told`: if a failure overtakes the change, the gateway reports that in the same
 *   instant.
 * - `failback-is-tried`: a station to which a failback returns has failed none of the commands that
 *   it was given as a trial.
 */
import type { Fleet } from "../../fleet/fleet.ts";
import type { FleetObserver } from "../../fleet/observer.ts";
import { endOf } from "../calls/attempt-ends.ts";
import type { DocumentedGroup } from "../documented.ts";
import { documentedGroups } from "../documented.ts";
import { faultTimelineOf } from "../fault-timeline.ts";
import { livingGateway } from "../status-round.ts";

const CANARY_WAIT_MS = 2_000;
const SHARES_MS = 4 * 250;
const RACE_MS = 30_000;
/** Each of five timers may be late by this. */
const SLACK_MS = 5 * 20;

interface Handover {
  readonly station: string;
  readonly atMs: number;
  readonly cause: "failback" | "switchover" | "maintenance" | "slowness";
  /** The command that was sent there since and failed. */
  failed: string | undefined;
}

export function handoverEnds(fleet: Fleet): FleetObserver {
  const { world } = fleet;
  const groups = documentedGroups(fleet);
  /** The planned change that is under way in each group, on the gateway's clock. */
  const begun: Map<string, Handover> = new Map();
  const isStill = (group: string, one: Handover): boolean => begun.get(group) === one;
  return {
    gatewayStarted: () => begun.clear(),
    attemptEnded(attempt) {
      const handover = begun.get(attempt.group);
      if (handover?.station !== attempt.station || attempt.localMs < handover.atMs) return;
      const end = endOf(attempt, groups.get(attempt.group) as DocumentedGroup);
      if (end === "lost" || end === "failed" || end === "refused") handover.failed ??= `${attempt.command.id} (${end})`;
    },
    gatewayEvent(event) {
      if (event.type === "handover-begun") {
        const { group, station, atMs, cause } = event;
        const handover: Handover = { station, atMs, cause, failed: undefined };
        begun.set(group, handover);
        if (cause === "failback" || cause === "slowness") return;
        world.at(world.nowMs, () => {
          if (isStill(group, handover))
            world.violate(
              "switchover-is-prompt",
              `${group}: a ${cause} to ${station} has begun and waits for something`,
            );
        });
      } else if (event.type === "handover-ended") begun.delete(event.group);
      else if (event.type === "promoted") {
        const { cause, group, from, station } = event;
        const handover = begun.get(group);
        if (cause === "failback" && handover?.failed !== undefined)
          world.violate(
            "failback-is-tried",
            `${group}: back to ${station}, and ${handover.failed} failed there meanwhile`,
          );
        if (cause !== "failure" || handover === undefined) return void begun.delete(group);
        world.at(world.nowMs, () => {
          if (!isStill(group, handover)) return;
          begun.delete(group);
          world.violate("handover-is-told", `${group}: ${from} failed during a handover, and nobody was told`);
        });
      }
    },
    tick() {
      const gateway = livingGateway(fleet);
      if (begun.size === 0 || gateway === undefined || faultTimelineOf(fleet).disturbsGatewayLately(world.nowMs))
        return;
      for (const [group, { atMs, cause }] of begun) {
        const tookMs = gateway.nowMs() - atMs;
        const mostMs = cause === "slowness" ? RACE_MS : CANARY_WAIT_MS + SHARES_MS;
        if (tookMs <= mostMs + SLACK_MS) continue;
        world.violate(
          "handover-ends",
          `${group}: a handover began ${tookMs} ms ago and is not over; it takes ${mostMs} ms at most`,
        );
      }
    },
  };
}
