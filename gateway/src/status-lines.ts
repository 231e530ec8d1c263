/**
 * The status of a gateway as lines for a person: a headline for each group, a table of its stations
 * with column heads, and under a station what is against it. Orders that are in force are listed
 * with the time that is left. Pure: from the gateway's answer to text.
 */
import type { FailoverStatus, StationStatus } from "ground-station-failover";
import type { GatewayStateStatus } from "./adapters/storage/gateway-state.ts";
import { asyncLine } from "./adapters/telemetry/async-sentence.ts";
import type { AsyncStatus } from "./fleet/async/command-queue.ts";
import { agoInWords } from "./fleet/failure-words.ts";
import type { HeldMemoryStatus } from "./fleet/held-memory.ts";
import type { StreamStatus } from "./fleet/open-streams.ts";

interface OrderView {
  readonly kind: string;
  readonly station?: string;
  readonly reason: string;
  readonly leftMs: number;
  readonly by?: { readonly token?: string; readonly name?: string; readonly address: string };
}

type StationView = Omit<StationStatus, "level"> &
  Pick<StreamStatus, "streams"> &
  Partial<StreamStatus> & {
    readonly phi: number | null;
    readonly lastProbe?: { readonly isWell: boolean; readonly text: string; readonly ageMs: number };
    readonly wrongSecret?: { readonly count: number; readonly from: string; readonly ageMs: number };
  };
type GroupView = Omit<FailoverStatus, "stations"> & {
  readonly stations: readonly StationView[];
  readonly connections?: { readonly open: number; readonly max: number | null };
  readonly orders?: readonly OrderView[];
  readonly isDraining?: boolean;
  readonly async?: AsyncStatus;
};

/** What is used of the answer to `GET /v1/status`. */
export interface StatusView {
  readonly groups: Readonly<Record<string, GroupView>>;
  readonly memory?: HeldMemoryStatus;
  /** Null: nothing outlives the gateway's process. */
  readonly state?: GatewayStateStatus | null;
}

/** A heartbeat with another secret that came longer ago is history. */
const WRONG_SECRET_SHOWN_MS = 60_000;
const COLUMNS = ["STATION", "ROLE", "LIVENESS", "PHI", "IN FLIGHT", "CIRCUIT", "MORE"] as const;
const GAP = "  ";

export function statusLines({ groups, memory, state }: StatusView): string[] {
  const lines = Object.entries(groups).flatMap(([name, group]) => groupLines(name, group));
  if (memory !== undefined) lines.push(memoryLine(memory));
  if (state !== undefined) lines.push(stateLine(state));
  return lines;
}

function groupLines(name: string, group: GroupView): string[] {
  const { active, epoch, waiting, parked, connections, overloaded, patienceMs, stations, orders = [] } = group;
  const rows = [COLUMNS, ...stations.map(cellsOf)];
  const widths = COLUMNS.map((_, column) => Math.max(...rows.map((row) => (row[column] as string).length)));
  const table = rows.map((row, place) => {
    const mark = stations[place - 1]?.active === true ? "*" : " ";
    const cells = row.map((cell, column) => (cell as string).padEnd(widths[column] as number));
    return `  ${mark} ${cells.join(GAP).trimEnd()}`;
  });
  const lines = table.flatMap((line, place) => [
    line,
    ...(place === 0 ? [] : against(stations[place - 1] as StationView)),
  ]);
  const facts = [
    `${name}: ${active} serves, epoch ${epoch}, ${waiting + parked} commands waiting`,
    ...(connections === undefined ? [] : [shownConnections(connections)]),
    ...(group.isDraining === true ? ["draining: takes no new commands"] : []),
    ...(overloaded ? ["overloaded"] : []),
    ...(typeof patienceMs === "number" ? [`callers wait ${Math.round(patienceMs)} ms`] : []),
  ];
  const asynchronous = group.async === undefined || isIdle(group.async) ? [] : [`    ${asyncLine(group.async)}`];
  return [facts.join(", "), ...lines, ...asynchronous, ...orders.map(orderLine)];
}

function isIdle({ oldestAgeMs, kept }: AsyncStatus): boolean {
  return oldestAgeMs === undefined && kept === 0;
}

function cellsOf(station: StationView): readonly string[] {
  const { streams, streamsEnding, lastProbe, wrongSecret } = station;
  const more = [
    ...(streamsEnding === undefined ? [] : [`${streamsEnding.streams} streams end in ${inWords(streamsEnding.inMs)}`]),
    ...(lastProbe === undefined ? [] : [`probe: ${lastProbe.text}, ${agoInWords(lastProbe.ageMs)}`]),
    ...(wrongSecret === undefined || wrongSecret.ageMs > WRONG_SECRET_SHOWN_MS
      ? []
      : [
          `${wrongSecret.count} heartbeats signed with another secret, the last from ${wrongSecret.from} ` +
            agoInWords(wrongSecret.ageMs),
        ]),
    ...(station.ramp.ramping ? [`ramping, ${rounded(station.ramp.limit)} at once`] : []),
    ...(station.doubted ? ["in doubt: new commands avoid it"] : []),
  ];
  return [
    station.name,
    station.role,
    station.liveness,
    phi(station.phi),
    `${station.inFlight}${streams === 0 ? "" : ` (${streams} streaming)`}`,
    station.breaker?.state ?? "-",
    more.join(GAP),
  ];
}

function against(station: StationView): string[] {
  const pieces = station.assessment.evidence.filter((piece) => piece.verdict === "ineligible");
  return pieces.map((piece) => `      ineligible: ${piece.detail}`);
}

function orderLine({ kind, station, reason, leftMs, by }: OrderView): string {
  const name = by?.name ?? by?.token ?? by?.address;
  const what = station === undefined ? `${kind} of the group` : `${kind} of ${station}`;
  return `    order: ${what}, ${inWords(leftMs)} left${name === undefined ? "" : `, by ${name}`}: ${reason}`;
}

/** `2 h 5 min`, `3 min 20 s`, `12 s`: two units are enough for a person. */
export function inWords(ms: number): string {
  const seconds = Math.ceil(ms / 1_000);
  const [days, hours, minutes] = [Math.floor(seconds / 86_400), Math.floor(seconds / 3_600), Math.floor(seconds / 60)];
  if (days > 0) return `${days} d ${hours % 24} h`;
  if (hours > 0) return `${hours} h ${minutes % 60} min`;
  return minutes > 0 ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
}

/**
 * `12.5 of 512.0 MiB held for callers, 3.1 of it for 10.0.0.7`, and the refusals since the start.
 */
function memoryLine({ heldBytes, maxBytes, largest, refused }: HeldMemoryStatus): string {
  const times = Object.values(refused).reduce((sum, count) => sum + count, 0);
  const facts = [
    `memory: ${mebibytes(heldBytes)} of ${mebibytes(maxBytes)} MiB held`,
    ...(largest === undefined ? [] : [`${mebibytes(largest.heldBytes)} of it for ${largest.caller}`]),
    ...(times === 0 ? [] : [`refused ${times} times`]),
  ];
  return facts.join(", ");
}

/** `state: open, 0.1 of 1024.0 MiB in /var/lib/gsf`, and what is wrong with it. */
function stateLine(state: GatewayStateStatus | null): string {
  if (state === null) return "state: none is kept";
  const facts = [
    `state: ${state.state}, ${mebibytes(state.bytes)} of ${mebibytes(state.maxBytes)} MiB in ${state.directory}`,
    ...(state.pendingCommits === 0 ? [] : [`${state.pendingCommits} commits wait for the disk`]),
    ...(state.damagedRecords === 0 ? [] : [`${state.damagedRecords} damaged records set aside`]),
  ];
  return facts.join(", ");
}

function shownConnections({ open, max }: NonNullable<GroupView["connections"]>): string {
  return max === null ? `${open} connections` : `${open} of ${max} connections`;
}

function mebibytes(bytes: number | null): string {
  return bytes === null ? "any" : (bytes / 1_024 ** 2).toFixed(1);
}

/** For a limit below ten the decimal matters. */
function rounded(limit: number): string {
  return limit < 10 ? limit.toFixed(1) : limit.toFixed(0);
}

/**
 * Above the detector's ceiling a level is practically infinite; a station that was never heard has
 * none.
 */
function phi(level: number | null): string {
  return level === null || level > 1e6 ? "beyond" : level.toFixed(2);
}
