/**
 * `retries-are-spread`: retries of one station do not come in step. Without jitter each follows its failure after exactly
 * the back-off's bound, and everybody who failed together comes back together; with full jitter (uniform up to the bound)
 * that is met once in some hundred retries, so a row of them is no accident. What follows an attempt that never left is no
 * retry after a back-off: where connections are refused, one command at a time finds out whether they still are, at an
 * even pace of the gateway's own.
 */
import type { Fleet } from "../fleet/fleet.ts";
import type { Attempt, Command, FleetObserver } from "../fleet/observer.ts";

/** So many in a row: at a hundredth each, once in 10^16. */
const ROW = 8;
/** A gap this close to a bound has no jitter in it. */
const EXACT = 0.002;
/** Commands that wait for room in a retry budget look again at this pace, which is no back-off (`core/failover/dispatch.ts`). */
const LOOK_MS = 250;

export function retriesAreSpread(fleet: Fleet): FleetObserver {
  const last: Map<Command, Attempt> = new Map();
  const rows: Map<string, number> = new Map();
  return {
    attemptEnded(attempt) {
      last.set(attempt.command, attempt);
    },
    attemptBegan({ command, group, station, incarnation, atMs }) {
      const before = last.get(command);
      if (before?.endedAtMs === undefined || before.station !== station || before.incarnation !== incarnation) return;
      if (before.outcome === "never-sent") return;
      const { baseMs, maxAttempts } = fleet.group(group).settings.retry;
      const name = `${group}/${station}`;
      const row = isBound(atMs - before.endedAtMs, baseMs, maxAttempts) ? (rows.get(name) ?? 0) + 1 : 0;
      rows.set(name, row);
      if (row === ROW)
        fleet.world.violate(
          "retries-are-spread",
          `${name}: ${ROW} retries in a row came exactly at the bound of their back-off`,
        );
    },
    commandTold(command) {
      last.delete(command);
    },
    gatewayStarted() {
      rows.clear();
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
