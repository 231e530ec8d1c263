/**
 * The phi accrual failure detector. It learns the usual gaps between a node's heartbeats, and
 * answers how improbable the present silence would be if the node were alive: phi = -log10 P(gap >
 * silence). At phi 8 one silence in 10^8 would be a false alarm, if gaps were distributed as the
 * model says.
 *
 * Source: N. Hayashibara, X. Defago, R. Yared, T. Katayama, "The phi accrual failure detector",
 * SRDS 2004. The differences, and their reasons:
 * - The deviation is at least `minDeviationMs`: in a perfectly regular stream, one late beat would
 *   otherwise reach an infinite level.
 * - Before `minSamples` gaps the fit is an assumption, deliberately wide; the paper starts with a
 *   full window.
 * - Two kinds of gaps are not learned: those of outages (or the detector would wait for the next
 *   outage), and those over lost beats.
 * - Past `ceilingMs` the level is the largest number, whatever was learned.
 * - The window holds 200 gaps where the paper used 1000: see {@link PhiAccrualOptions.windowSize}.
 *
 * There are two machines: one fits a distribution (`fitted-machine.ts`), the `adaptive` one fits
 * nothing and counts instead (`adaptive.ts`). Neither decides that a node is down (see
 * `supervisor.ts`), and neither can distinguish a dead node from a cut link.
 */

import { AdaptiveMachine } from "./adaptive/adaptive.ts";
import { FittedMachine } from "./fitted-machine.ts";
import { completePhiOptions, type PhiAccrualMachine, type PhiAccrualOptions } from "./phi-accrual-options.ts";

/**
 * Creates the machine for the model in `given`. Throws `ConfigurationError` if an option is unknown
 * or out of range.
 *
 * @example
 * ```ts
 * import { phiAccrualMachine } from "ground-station-failover/core";
 *
 * const machine = phiAccrualMachine({ expectedIntervalMs: 50 });
 * for (let beat = 0; beat <= 100; beat++) machine.noteHeartbeat("north", undefined, beat * 50);
 * console.log(machine.isAlive("north", 8, 5_050)); // true
 * console.log(machine.isAlive("north", 8, 5_300)); // false
 * ```
 */
export function phiAccrualMachine(given: PhiAccrualOptions = {}): PhiAccrualMachine {
  const options = completePhiOptions(given);
  const { model } = options;
  return model === "adaptive" ? new AdaptiveMachine(options, given) : new FittedMachine(model, options);
}

/**
 * The machine that works under the options of `next`, which is new, with what `old` has learned:
 * `old` itself if it can change its options, else `next`. If another interval is expected, the gaps
 * of the old one say nothing of the new: only the last heartbeats are known then.
 */
export function carryOn(old: PhiAccrualMachine, next: PhiAccrualMachine): PhiAccrualMachine {
  const isSamePace = old.options.expectedIntervalMs === next.options.expectedIntervalMs;
  if (isSamePace && old instanceof AdaptiveMachine && next instanceof AdaptiveMachine) {
    old.useSettingsOf(next);
    return old;
  }
  const nodes = old.carried();
  next.adopt(isSamePace ? nodes : nodes.map((node) => ({ ...node, gapsMs: [] })));
  return next;
}
