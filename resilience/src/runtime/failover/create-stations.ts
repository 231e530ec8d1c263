/**
 * Creates a failover's stations from its options: the machine of each, and the parts that the
 * driver needs. It refuses stations that cannot be distinguished, and parts that two stations would
 * share by accident: with a common breaker or bulkhead, a failing primary would block the backup.
 */
import { ConfigurationError } from "../../core/errors.ts";
import { Admission } from "../../core/failover/admission/admission.ts";
import { Accidents, UsualShare } from "../../core/failover/evidence/accidents.ts";
import { StationEvidence } from "../../core/failover/evidence/evidence.ts";
import { Station } from "../../core/failover/station.ts";
import { checked, optionsOf, shown, WAIT_MS } from "../../core/options.ts";
import { CircuitBreaker, type CircuitBreakerOptions } from "../guard/breaker.ts";
import { ResilientClient } from "../guard/client.ts";
import type { ClientParts } from "../guard/client-parts.ts";
import { guarded } from "../listeners.ts";
import type { Clock } from "../time/clock.ts";
import { checkedClient, checkedRamp, PART } from "./option-checks.ts";
import type { FailoverOptions, NamedStation, StationClientOptions } from "./options.ts";

/** A station as the driver uses it. */
export interface StationHandle<S extends NamedStation> {
  readonly station: S;
  readonly role: "primary" | "backup";
  readonly machine: Station;
  /** Its breaker, bulkhead, budget and classifier, with a client's defaults. */
  readonly parts: ClientParts<unknown>;
}

/**
 * How often things go wrong while all stations are well: calls that are late, and callers who hang
 * up.
 */
export interface UsualShares {
  readonly late: UsualShare;
  readonly left: UsualShare;
}

/** How long a station's circuit stays open by default. */
const OPEN_DURATION_MS = 5_000;

/** Every station in order of priority, the primary first. */
function stationsOf<S extends NamedStation>(options: FailoverOptions<S>): readonly [S, ...S[]] {
  const { primary, backup, backups } = options;
  return [primary, ...(backup === undefined ? [] : [backup]), ...(backups ?? [])];
}

/** Nothing is known of how often things go wrong. */
export function unknownShares(): UsualShares {
  return { late: new UsualShare(), left: new UsualShare() };
}

/** A handle for each station, in order of priority. */
export function createStations<S extends NamedStation>(
  options: FailoverOptions<S>,
  clock: Clock,
  usual: UsualShares,
): readonly StationHandle<S>[] {
  const stations = stationsOf(options);
  refuseNonsense(options);
  refuseStations(stations.map((station) => station.name));
  const handles = stations.map((station, number) =>
    createStation(options, station, number === 0 ? "primary" : "backup", number, clock, usual),
  );
  const parts = handles.map((handle) => handle.parts);
  refuseShared(
    "breaker",
    parts.map(({ breaker }) => breaker),
  );
  refuseShared(
    "bulkhead",
    parts.map(({ bulkhead }) => bulkhead),
  );
  refuseShared(
    "retry budget",
    parts.map(({ budget }) => budget),
  );
  return handles;
}

/** A handle for one station. `number`: its place, which no other station of the failover has. */
export function createStation<S extends NamedStation>(
  options: FailoverOptions<S>,
  station: S,
  role: "primary" | "backup",
  number: number,
  clock: Clock,
  usual: UsualShares,
): StationHandle<S> {
  const { parts } = clientOf(options, station, clock);
  const ramp = checkedRamp(typeof options.ramp === "function" ? options.ramp(station) : (options.ramp ?? {}));
  const { heartbeatNote } = options;
  const machine = new Station({
    name: station.name,
    role,
    number,
    evidence: new StationEvidence(options.commandPath, usual.late),
    admission: new Admission({
      ...ramp,
      maxConcurrent: parts.bulkhead?.slots.maxConcurrent ?? Number.POSITIVE_INFINITY,
    }),
    left: new Accidents(usual.left),
    breaker: parts.breaker?.machine,
    budget: parts.budget?.machine,
    sharedSlots: parts.bulkhead?.slots,
    backoff: parts.backoff,
    maxAttempts: parts.maxAttempts,
    timeoutMs: parts.timeoutMs,
    minTimeLeftMs: parts.minTimeLeftMs,
    maxRetryAfterMs: parts.maxRetryAfterMs,
    cooldownMs: checked(PART, "cooldownMs", options.cooldownMs ?? 5_000, WAIT_MS),
    needsProof: options.probe !== undefined,
    heartbeatNote: heartbeatNote && (() => noteOf(heartbeatNote, station.name)),
  });
  return { station, role, machine, parts };
}

/**
 * Extra text beside a station's heartbeats; undefined if the function throws or returns no text.
 */
function noteOf(heartbeatNote: (station: string) => string | undefined, station: string): string | undefined {
  let note: string | undefined;
  guarded(() => {
    const said: unknown = heartbeatNote(station);
    if (typeof said === "string") note = said;
  });
  return note;
}

/** A client creates the parts and refuses contradictory settings; calls do not go through it. */
function clientOf<S extends NamedStation>(options: FailoverOptions<S>, station: S, clock: Clock): ResilientClient {
  const given = checkedClient(typeof options.client === "function" ? options.client(station) : (options.client ?? {}));
  const { breaker } = given;
  return new ResilientClient({
    // The failover's deadline applies to its stations too, so a timeout that is longer is refused.
    ...(options.deadlineMs === undefined ? {} : { deadlineMs: options.deadlineMs }),
    ...given,
    ...(breaker === undefined || isOptions(breaker)
      ? { breaker: { openDurationMs: OPEN_DURATION_MS, ...optionsOf(PART, breaker ?? {}, "client.breaker") } }
      : {}),
    name: station.name,
    clock,
    ...(options.random === undefined ? {} : { random: options.random.fork(station.name) }),
  });
}

/** Are these options for a breaker? (Not a breaker itself; the client refuses anything else.) */
function isOptions(breaker: StationClientOptions["breaker"]): breaker is CircuitBreakerOptions {
  return typeof breaker === "object" && breaker !== null && !(breaker instanceof CircuitBreaker);
}

/** Refuses words that a caller without types could have mistyped, and invalid numbers. */
function refuseNonsense<S extends NamedStation>(options: FailoverOptions<S>): void {
  const words = [
    ["ambiguousKeyed", options.ambiguousKeyed ?? "resend", ["resend", "report"]],
    ["failback.mode", options.failback?.mode ?? "manual", ["manual", "automatic"]],
  ] as const;
  for (const [option, word, allowed] of words) {
    if ((allowed as readonly string[]).includes(word)) continue;
    const message = `PrimaryBackupFailover: ${option} is ${shown(word)}; it must be ${allowed.join(" or ")}.`;
    throw new ConfigurationError("out-of-range", message);
  }
  checked(PART, "lease.marginMs", options.lease?.marginMs ?? 0, WAIT_MS);
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
