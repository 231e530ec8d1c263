/**
 * The table of the sweep: the faults of a machine, a link, the service and operators, each at up to
 * three strengths from harmless to absurd, and the moments at which each is tried. A new kind of
 * fault is one line here.
 */
import type { LinkConditions } from "ground-station-failover/sim";
import type { FleetFault, Replayed, ServiceFault } from "../fleet/plan.ts";
import { GATEWAY, stationNode } from "../fleet/plan.ts";

/**
 * The duration of the strongest fault, for kinds whose strengths are durations; and of all other
 * faults.
 */
const FOR_MS = 5_000;
export const GROUP = "atlantic";
const PRIMARY = stationNode(GROUP, "primary");

/** The faults that begin at `atMs`. */
type FaultAt = (atMs: number) => readonly FleetFault[];

/** A cell of the table. */
export interface Cell {
  readonly name: string;
  readonly faults: readonly FleetFault[];
}

function link(from: string, to: string, conditions: Partial<LinkConditions>, forMs: number = FOR_MS): FaultAt {
  return (atMs) => [{ kind: "link", from, to, atMs, forMs, conditions }];
}

function service(mode: ServiceFault["mode"], rate: number, delayMs?: number): FaultAt {
  const delay = delayMs === undefined ? {} : { delayMs };
  return (atMs) => [{ kind: "service", group: GROUP, station: "primary", atMs, forMs: FOR_MS, mode, rate, ...delay }];
}

function replayed(kind: Replayed["kind"]): (count: number) => FaultAt {
  return (count) => (atMs) => [{ kind, group: GROUP, station: "primary", atMs, count }];
}

/** Three strengths of `fault`, or fewer. */
function strengths<Value>(fault: (value: Value) => FaultAt, ...values: readonly Value[]): FaultAt[] {
  return values.map(fault);
}

const OF_A_NODE = (node: string): Record<string, FaultAt[]> => ({
  killed: strengths(
    (forMs: number) => (atMs) => [{ kind: "crash", node, how: "kill", atMs, forMs }],
    100,
    2_000,
    FOR_MS,
  ),
  "without power": strengths(
    (forMs) => (atMs) => [{ kind: "crash", node, how: "power", atMs, forMs }],
    100,
    2_000,
    FOR_MS,
  ),
  paused: strengths((forMs) => (atMs) => [{ kind: "pause", node, atMs, forMs }], 100, 2_000, FOR_MS),
  slow: strengths((costMs) => (atMs) => [{ kind: "slow", node, atMs, forMs: FOR_MS, costMs }], 0.1, 2, 20),
  drifting: strengths((rate) => (atMs) => [{ kind: "drift", node, atMs, forMs: FOR_MS, rate }], 0.999, 1.05, 0.5),
  "set back": strengths((byMs) => (atMs) => [{ kind: "wall-step", node, atMs, byMs }], -50, -60_000, -86_400_000),
  refusing: strengths((forMs) => (atMs) => [{ kind: "door", node, mode: "refuses", atMs, forMs }], 100, FOR_MS),
  silent: strengths((forMs) => (atMs) => [{ kind: "door", node, mode: "silent", atMs, forMs }], 100, FOR_MS),
});

const OF_A_LINK = (from: string, to: string): Record<string, FaultAt[]> => ({
  cut: strengths((forMs: number) => link(from, to, { cut: true }, forMs), 100, 2_000, FOR_MS),
  held: strengths((forMs: number) => link(from, to, { held: true }, forMs), 100, 2_000, FOR_MS),
  clogged: strengths((clogMs: number) => link(from, to, { clogMs }), 20, 300, 5_000),
  late: strengths((ms: number) => link(from, to, { delay: { kind: "uniform", minMs: 0, maxMs: ms } }), 20, 300, 5_000),
  lossy: strengths((lossRate: number) => link(from, to, { lossRate }), 0.01, 0.3, 0.95),
  doubling: strengths((duplicateRate: number) => link(from, to, { duplicateRate }), 0.01, 0.3, 1),
  overtaking: strengths((reorderRate: number) => link(from, to, { reorderRate }), 0.01, 0.3, 1),
  spoiling: strengths((corruptRate: number) => link(from, to, { corruptRate }), 0.01, 0.3, 0.95),
  narrow: strengths((bytesPerSecond: number) => link(from, to, { bytesPerSecond }), 100_000, 10_000, 500),
});

const OF_THE_SERVICE: Record<string, FaultAt[]> = {
  ...Object.fromEntries(
    (["errors", "errors-after", "lying-200", "hang", "hang-after"] as const).map((mode) => [
      mode,
      strengths((rate: number) => service(mode, rate), 0.05, 0.5, 1),
    ]),
  ),
  slow: strengths((delayMs: number) => service("slow", 1, delayMs), 20, 600, 5_000),
};

const OF_PEOPLE: Record<string, FaultAt[]> = {
  surge: strengths((factor) => (atMs) => [{ kind: "surge", group: GROUP, atMs, forMs: FOR_MS, factor }], 2, 10, 50),
  switchover: [(atMs) => [{ kind: "operator", group: GROUP, station: "backup", atMs, action: "switchover" }]],
  maintenance: strengths(
    (forMs) => (atMs) => [{ kind: "operator", group: GROUP, station: "primary", atMs, forMs, action: "maintenance" }],
    100,
    FOR_MS,
  ),
  "replayed beats": strengths(replayed("replayed-beats"), 1, 64),
  "replayed challenges": strengths(replayed("replayed-challenges"), 1, 64),
};

/** The rows of the table: the place of the fault, and the faults there. */
const ROWS: readonly (readonly [string, Record<string, FaultAt[]>])[] = [
  ["primary", OF_A_NODE(PRIMARY)],
  ["backup", OF_A_NODE(stationNode(GROUP, "backup"))],
  ["gateway", OF_A_NODE(GATEWAY)],
  ["gateway → primary", OF_A_LINK(GATEWAY, PRIMARY)],
  ["primary → gateway", OF_A_LINK(PRIMARY, GATEWAY)],
  ["every link", OF_A_LINK("*", "*")],
  ["service", OF_THE_SERVICE],
  ["people", OF_PEOPLE],
];

const SWITCHES_AT_MS = 6_000;

interface When {
  readonly name: string;
  readonly atMs: number;
  readonly besides: readonly FleetFault[];
  /** Only the strongest of a kind is tried at this moment. */
  readonly strongestOnly: boolean;
}

/** The moments of the table. */
export const MOMENTS: readonly When[] = [
  { name: "one second after the start", atMs: 1_000, besides: [], strongestOnly: false },
  { name: "on an ordinary morning", atMs: 6_789, besides: [], strongestOnly: false },
  {
    name: "while an operator switches over",
    atMs: SWITCHES_AT_MS + 5,
    besides: [{ kind: "operator", group: GROUP, station: "backup", atMs: SWITCHES_AT_MS, action: "switchover" }],
    strongestOnly: true,
  },
];

/** The table, row by row. */
export const CELLS: readonly Cell[] = ROWS.flatMap(([where, kinds]) =>
  Object.entries(kinds).flatMap(([kind, all]) =>
    all.flatMap((faultAt, strength) =>
      MOMENTS.filter(({ strongestOnly }) => !strongestOnly || strength === all.length - 1).map(
        ({ name, atMs, besides }) => ({
          name: `${where} ${kind}, strength ${strength + 1} of ${all.length}, ${name}`,
          faults: [...besides, ...faultAt(atMs)],
        }),
      ),
    ),
  ),
);
