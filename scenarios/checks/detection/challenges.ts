/**
 * `old-challenges-are-ignored`: which challenges a station may accept. A challenge answers
 * heartbeats that were out when it was made. Once a station has accepted a challenge, every later
 * one has to be about a heartbeat that was sent after that. A challenge that was recorded and
 * replayed, or that a network delivers twice or late, fails this, and would lock the station out of
 * its own group.
 *
 * `accepted-is-not-challenged`: which challenges a gateway may send. Heartbeats of a session that
 * has answered count, and no message of another sender makes the same gateway challenge that
 * session again. The exception is a twin of the station, which answers its own challenges.
 */
import type { Fleet } from "../../fleet/fleet.ts";
import type { FleetObserver } from "../../fleet/observer.ts";
import { hasTwin } from "../../fleet/plan.ts";
import { PerStation } from "../per-station.ts";

export function challenges({ world, plan }: Fleet): FleetObserver {
  /** The last heartbeat of each station that counted. */
  const counted = new PerStation(() => ({ session: "", challenge: "" }));
  /**
   * The session of each station, and the newest heartbeat that it had sent when it accepted a
   * challenge.
   */
  const settled = new PerStation(() => ({ session: "", sequence: 0 }));
  return {
    gatewayStarted: () => counted.clear(),
    beatCounted(group, station, beat) {
      if (beat === undefined) return;
      const last = counted.of(group, station);
      last.session = beat.session;
      last.challenge = beat.challenge;
    },
    challenged(group, station, { session, challenge, sequence }) {
      const last = counted.of(group, station);
      if (session === last.session && challenge === last.challenge && !hasTwin(plan, group, station))
        world.violate(
          "accepted-is-not-challenged",
          `${group}/${station}: beat ${sequence} of ${session} is challenged, and carries what has been accepted`,
        );
    },
    challengeTaken(group, station, { session, sequence }, sentSequence) {
      const last = settled.of(group, station);
      if (session === last.session && sequence <= last.sequence)
        world.violate(
          "old-challenges-are-ignored",
          `${group}/${station} takes a challenge to beat ${sequence} of ${session}; it had taken one after beat ${last.sequence}`,
        );
      last.session = session;
      last.sequence = sentSequence;
    },
  };
}
