/**
 * Counts what a check judged and what it could not judge, by check and reason. The swarm draws more
 * than the checks can judge; these counts show when a check no longer judges anything.
 */
import type { World } from "ground-station-failover/sim";

export function notJudged(world: World, invariant: string, reason: string): void {
  world.sometimes(`not judged: ${invariant} (${reason})`);
}

export function judged(world: World, invariant: string): void {
  world.sometimes(`judged: ${invariant}`);
}
