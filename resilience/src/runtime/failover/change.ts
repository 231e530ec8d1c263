/**
 * A change of a failover's options while it works. A new failover is made from the new options, and
 * so the constructors check them; nothing is changed if they refuse. Then the parts at work take
 * the settings of the new ones and keep their own state: each machine of the core says in its
 * `useSettingsOf` what that means for it. A station of the same name stays the same station. A
 * station that is gone gets no more calls, and those that are out there may finish; a new one
 * begins as at the start. (The idea of Erlang's `code_change`: the state stays, what works on it
 * changes.)
 *
 * What cannot change: detector, clock, chance, lease, and whether stations have a breaker, a
 * bulkhead or a budget at all.
 */
import { ConfigurationError } from "../../core/errors.ts";
import type { Roles } from "../../core/failover/roles.ts";
import type { Clock } from "../time/clock.ts";
import { createStation, type StationHandle, type UsualShares } from "./create-stations.ts";
import { PART } from "./option-checks.ts";
import type { FailoverOptions, NamedStation } from "./options.ts";

/** The stations after a change. */
export interface ChangedStations<S extends NamedStation> {
  /** In order of priority. */
  readonly stations: readonly StationHandle<S>[];
  /** By number; with stations that have left, while calls are out there. */
  readonly byNumber: readonly StationHandle<S>[];
  readonly added: readonly StationHandle<S>[];
  readonly removed: readonly StationHandle<S>[];
}

/** Refuses options that differ from `old` in something that cannot change. */
export function refuseOtherParts<S extends NamedStation, T>(
  old: FailoverOptions<S>,
  options: FailoverOptions<S, T>,
  clock: Clock,
): void {
  const changed = [
    ["detector", options.detector !== old.detector],
    ["clock", options.clock !== undefined && options.clock !== clock],
    ["lease", options.lease !== old.lease],
    ["supervisor.observer", options.supervisor?.observer !== old.supervisor?.observer],
  ] as const;
  for (const [option, isOther] of changed) {
    if (!isOther) continue;
    throw new ConfigurationError("unchangeable", `${PART}.reconfigure: ${option} cannot change; give the same one.`);
  }
}

/**
 * Refuses stations that have a kind of part which those of the same name did not have, or lack one.
 */
export function refuseOtherKinds<S extends NamedStation>(
  old: readonly StationHandle<S>[],
  next: readonly StationHandle<S>[],
): void {
  const known = new Map(old.map((handle) => [handle.station.name, handle.parts]));
  for (const { station, parts } of next) {
    const before = known.get(station.name);
    if (before === undefined) continue;
    for (const kind of ["breaker", "bulkhead", "budget"] as const) {
      if ((before[kind] === undefined) === (parts[kind] === undefined)) continue;
      const message = `${PART}.reconfigure: ${station.name} had ${before[kind] === undefined ? "no" : "a"} ${kind}; that cannot change.`;
      throw new ConfigurationError("unchangeable", message);
    }
  }
}

/**
 * The station that has to become active before only `names` remain: the first eligible one of them.
 * Undefined if the active station remains. Throws if none can become active.
 */
export function successorOf(
  { active, machine, stations, isRunning }: Roles,
  names: readonly string[],
): string | undefined {
  if (names.includes(active.name)) return undefined;
  const known = names.filter((name) => stations.some((station) => station.name === name));
  const refusals = known.map((name) => machine.refusal(name, "switchover"));
  const successor = isRunning ? known[refusals.indexOf(undefined)] : undefined;
  if (successor !== undefined) return successor;
  const why = isRunning ? refusals.join("; ") : "nobody supervises";
  const message = `${PART}.reconfigure: ${active.name} is active and is to be removed, and no other station can take over: ${why}`;
  throw new ConfigurationError("no-successor", message);
}

/**
 * The stations of `next`, made from `options`, in place of those in `old`. Stations of the same
 * name keep their machine and their parts, which follow the new settings from `nowMs` on.
 */
export function changeStations<S extends NamedStation>(
  options: FailoverOptions<S>,
  old: { readonly stations: readonly StationHandle<S>[]; readonly byNumber: readonly StationHandle<S>[] },
  next: readonly StationHandle<S>[],
  { clock, usual, nowMs }: { readonly clock: Clock; readonly usual: UsualShares; readonly nowMs: number },
): ChangedStations<S> {
  const leaving = new Map(old.stations.map((handle) => [handle.station.name, handle]));
  const byNumber = [...old.byNumber];
  const inUse = new Set(old.stations.map(({ machine }) => machine.number));
  const added: StationHandle<S>[] = [];
  const stations = next.map((handle) => {
    const { station, role } = handle;
    const before = leaving.get(station.name);
    leaving.delete(station.name);
    const number = before?.machine.number ?? freeNumber(byNumber, inUse);
    const changed =
      before === undefined
        ? createStation(options, station, role, number, clock, usual)
        : followed(before, handle, nowMs);
    if (before === undefined) added.push(changed);
    inUse.add(number);
    byNumber[number] = changed;
    return changed;
  });
  return { stations, byNumber, added, removed: [...leaving.values()] };
}

/** The station of `before`, under the settings of `handle`. */
function followed<S extends NamedStation>(
  before: StationHandle<S>,
  { station, role, machine, parts }: StationHandle<S>,
  nowMs: number,
): StationHandle<S> {
  const { breaker, bulkhead, budget } = before.parts;
  before.machine.useSettingsOf(machine, nowMs);
  bulkhead?.useSettingsOf(parts.bulkhead ?? bulkhead);
  return { station, role, machine: before.machine, parts: { ...parts, breaker, bulkhead, budget } };
}

/**
 * A number that none of `inUse` is; the one of a station that has left, if no call is out there.
 */
function freeNumber<S extends NamedStation>(byNumber: readonly StationHandle<S>[], inUse: ReadonlySet<number>): number {
  const place = byNumber.findIndex(({ machine }, number) => !inUse.has(number) && machine.inFlight === 0);
  return place < 0 ? byNumber.length : place;
}
