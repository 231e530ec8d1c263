/**
 * Why a run without a violation has tested nothing, or less than it should: nothing happened in it,
 * a machine was never started, the plan's faults were never injected, or an event or a judgement
 * was due after its end. Such a world would pass under every seed, and its author would trust the
 * result.
 */
import { isFault } from "../faults/fault.ts";
import { isInjected, waitingFaults } from "../faults/inject.ts";
import type { World } from "../kernel/world.ts";

/**
 * A sentence; undefined if `world`, made for `faults` and run up to `untilMs`, has tested
 * something, or found a violation.
 */
export function whyIdle(world: World, faults: readonly unknown[], untilMs: number): string | undefined {
  if (world.violations.length > 0) return undefined;
  const asleep = [...world.nodes.values()].filter(({ incarnation }) => incarnation === 0).map(({ name }) => name);
  if (asleep.length > 0) return `nobody ever started ${asleep.join(", ")}: call start() on what world.node gives you`;
  if (world.steps - world.asides <= 1) {
    const but = world.asides > 0 ? "build itself and faults" : "build itself";
    return `nothing happened in ${world.nowMs} ms but ${but}: start a node, or ask for something with world.at`;
  }
  const forgotten = faults.filter(isFault).length;
  if (forgotten > 0 && !isInjected(world) && !world.isStruck)
    return (
      `the plan has ${forgotten} fault(s), and build injected none: call inject(world, plan.faults) when all nodes have been ` +
      "made, or give faults that you carry out yourself a kind of your own"
    );
  // A run that was ended early (`world.stop`) did not reach the later events.
  return world.nowMs < untilMs ? undefined : whyTooShort(world, untilMs);
}

function whyTooShort(world: World, untilMs: number): string | undefined {
  const [waiting] = waitingFaults(world);
  if (waiting !== undefined)
    return `a fault (${waiting.kind}) begins at ${waiting.atMs} ms, after the end of the run at ${untilMs} ms: it never happens`;
  const unreachedMs = world.unreachedMs();
  if (unreachedMs !== undefined)
    return `world.at(${unreachedMs}) was asked for in build, after the end of the run at ${untilMs} ms: it never happens`;
  const [open] = world.unjudged();
  if (open === undefined) return undefined;
  return (
    `within "${open.invariant}" had not held when the run ended at ${untilMs} ms, and was to be judged at ${open.untilMs} ms: ` +
    "let the run last longer, or give it less time"
  );
}
