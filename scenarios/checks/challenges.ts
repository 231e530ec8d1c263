/**
 * `old-challenges-are-ignored`: which challenges a station may take in. A challenge answers beats that were out when it
 * was made; once one is taken, every later one has to be about a beat that was sent after that. What somebody recorded
 * and plays again, or a network delivers twice or late, fails this, and would lock the station out of its own group.
 */
import type { Fleet } from "../fleet/fleet.ts";
import type { FleetObserver } from "../fleet/observer.ts";
import { PerStation } from "./per-station.ts";

export function challenges({ world }: Fleet): FleetObserver {
  /** The session of each station, and the newest beat that it had sent when it took a challenge. */
  const settled = new PerStation(() => ({ session: "", sequence: 0 }));
  return {
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
