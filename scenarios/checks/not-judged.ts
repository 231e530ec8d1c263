/**
 * What a check could not judge, counted by check and reason: the swarm draws more than any of them can judge, and a check
 * that has gone blind shows in the numbers of a batch and nowhere else.
 */
import type { World } from "ground-station-failover/sim";

export function notJudged(world: World, invariant: string, reason: string): void {
  world.sometimes(`not judged: ${invariant} (${reason})`);
}

export function judged(world: World, invariant: string): void {
  world.sometimes(`judged: ${invariant}`);
}
