/**
 * From a failover's options to a lane per station. Stations that cannot be told apart are refused here, and so are parts
 * that two stations would share by accident: a breaker or bulkhead common to both would let a failing primary shut the
 * backup out.
 */
import { ConfigurationError } from "../core/errors.ts";
import { checked, WAIT_MS } from "../core/options.ts";
import type { Clock } from "./clock.ts";
import type { FailoverOptions } from "./failover-options.ts";
import { Lane, type NamedStation } from "./lane.ts";

/** Every station in order of priority, the primary first. */
export function stationsOf<S extends NamedStation>(options: FailoverOptions<S>): readonly [S, ...S[]] {
  const { primary, backup, backups } = options;
  return [primary, ...(backup === undefined ? [] : [backup]), ...(backups ?? [])];
}

/** A lane for each station, under its name. */
export function lanesOf<S extends NamedStation>(
  options: FailoverOptions<S>,
  clock: Clock,
): ReadonlyMap<string, Lane<S>> {
  const stations = stationsOf(options);
  refuseNonsense(options);
  refuseStations(stations.map((station) => station.name));
  const lanes = stations.map((station, place) => laneOf(options, station, place === 0, clock));
  refuseShared(
    "breaker",
    lanes.map((lane) => lane.client.breaker),
  );
  refuseShared(
    "bulkhead",
    lanes.map((lane) => lane.client.bulkhead),
  );
  refuseShared(
    "retry budget",
    lanes.map((lane) => lane.client.budget),
  );
  return new Map(lanes.map((lane) => [lane.name, lane]));
}

function laneOf<S extends NamedStation>(
  options: FailoverOptions<S>,
  station: S,
  primary: boolean,
  clock: Clock,
): Lane<S> {
  const { client, ramp } = options;
  return new Lane<S>(
    station,
    primary ? "primary" : "backup",
    {
      client: { ...deadlineOf(options), ...(typeof client === "function" ? client(station) : client) },
      ramp: typeof ramp === "function" ? ramp(station) : (ramp ?? {}),
      commandPath: options.commandPath ?? {},
      doubtMs: checked("PrimaryBackupFailover", "doubtMs", options.doubtMs ?? 5_000, WAIT_MS),
      proofRequired: options.probe !== undefined,
    },
    clock,
    options.random?.fork(station.name),
  );
}

/** The failover's deadline is its clients' too: they refuse a timeout that would outlast it. */
function deadlineOf<S extends NamedStation>(options: FailoverOptions<S>): { readonly deadlineMs?: number } {
  return options.deadlineMs === undefined ? {} : { deadlineMs: options.deadlineMs };
}

/** Words that a caller without types could have mistyped, and numbers that would mean "never". */
function refuseNonsense<S extends NamedStation>(options: FailoverOptions<S>): void {
  const words = [
    ["ambiguousKeyed", options.ambiguousKeyed ?? "resend", ["resend", "report"]],
    ["failback.mode", options.failback?.mode ?? "manual", ["manual", "automatic"]],
  ] as const;
  for (const [option, word, allowed] of words) {
    if ((allowed as readonly string[]).includes(word)) continue;
    const message = `PrimaryBackupFailover: ${option} is ${String(word)}; it must be ${allowed.join(" or ")}.`;
    throw new ConfigurationError("out-of-range", message);
  }
  checked("PrimaryBackupFailover", "lease.marginMs", options.lease?.marginMs ?? 0, WAIT_MS);
}

function refuseStations(names: readonly string[]): void {
  const nameless = names.findIndex((name) => typeof name !== "string" || name === "");
  if (nameless >= 0) {
    throw new ConfigurationError("out-of-range", `PrimaryBackupFailover: station ${nameless + 1} has no name.`);
  }
  if (names.length < 2) {
    throw new ConfigurationError(
      "no-backup",
      "PrimaryBackupFailover: there is a primary and no backup; give `backup` or `backups`.",
    );
  }
  const twice = names.find((name, place) => names.indexOf(name) !== place);
  if (twice !== undefined) {
    throw new ConfigurationError(
      "duplicate-station",
      `PrimaryBackupFailover: two stations are named "${twice}"; names must differ.`,
    );
  }
}

function refuseShared(kind: string, parts: readonly unknown[]): void {
  const shared = parts.find((part, place) => part !== undefined && parts.indexOf(part) !== place);
  if (shared === undefined) return;
  throw new ConfigurationError(
    "stations-share-a-part",
    `PrimaryBackupFailover: two stations share a ${kind}: what one of them does would count for the other. Give options instead of an instance, or make one for each station (client: (station) => …).`,
  );
}
