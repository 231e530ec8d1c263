/**
 * `retries-are-spread`: retries of one station do not come in step. Without jitter each retry
 * follows its failure after exactly the back-off's bound, and commands that failed together come
 * back together. With full jitter (uniform up to the bound) a retry hits the bound once in some
 * hundred times, so four of eight are no accident. Only commands that back off are counted: a retry
 * after a failure or a loss. A refused connection was no attempt, and a command that was refused
 * for load waits for its turn.
 */
import type { Fleet } from "../../fleet/fleet.ts";
import type { Attempt, Command, FleetObserver } from "../../fleet/observer.ts";
import { endOf } from "../calls/attempt-ends.ts";
import type { DocumentedGroup } from "../documented.ts";
import { documentedGroups } from "../documented.ts";

/** This many of the last retries: at a hundredth each, less than once in a million. */
const IN_STEP = 4;
const LAST = 8;
/** A gap this close to a bound has no jitter in it. */
const EXACT = 0.002;
/**
 * Commands that wait for room in a retry budget check again at this interval, which is no back-off.
 */
const LOOK_MS = 250;

interface Ended {
  readonly attempt: Attempt;
  /** On the gateway's clock, like its back-off. */
  readonly localMs: number;
}

export function retriesAreSpread(fleet: Fleet): FleetObserver {
  const groups = documentedGroups(fleet);
  const last: Map<Command, Ended> = new Map();
  /** For each station, whether each of the last retries came at its bound; the newest last. */
  const retries: Map<string, boolean[]> = new Map();
  return {
    attemptEnded(attempt) {
      last.set(attempt.command, { attempt, localMs: fleet.gateway?.nowMs() ?? attempt.endedAtMs ?? 0 });
    },
    attemptBegan({ command, group, station, incarnation, localMs }) {
      const before = last.get(command);
      if (before?.attempt.station !== station || before.attempt.incarnation !== incarnation) return;
      const end = endOf(before.attempt, groups.get(group) as DocumentedGroup);
      if (end !== "failed" && end !== "lost") return;
      const { baseMs, maxAttempts } = fleet.group(group).settings.retry;
      const name = `${group}/${station}`;
      const lately = [...(retries.get(name) ?? []), isBound(localMs - before.localMs, baseMs, maxAttempts)].slice(
        -LAST,
      );
      retries.set(name, lately);
      const inStep = lately.filter((exact) => exact).length;
      if (inStep < IN_STEP) return;
      retries.delete(name);
      fleet.world.violate(
        "retries-are-spread",
        `${name}: ${inStep} of the last ${lately.length} retries came exactly at the bound of their back-off`,
      );
    },
    commandTold(command) {
      last.delete(command);
    },
    gatewayStarted() {
      retries.clear();
    },
  };
}

function isBound(gapMs: number, baseMs: number, maxAttempts: number): boolean {
  const looks = gapMs / LOOK_MS;
  if (Math.abs(looks - Math.round(looks)) < EXACT) return false;
  for (let retry = 0, boundMs = baseMs; retry < maxAttempts - 1; retry++, boundMs *= 2) {
    if (Math.abs(gapMs / boundMs - 1) < EXACT) return true;
  }
  return false;
}
