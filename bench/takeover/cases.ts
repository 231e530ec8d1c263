/**
 * The sixteen fault cases. A case is a list of steps as data, each with the second of the measured
 * load at which it happens, and perhaps a load factor. Being data, the same list drives the
 * stations during a run and tells the floor afterwards who could have served when. The fault is at
 * second 5 everywhere.
 */

export type StationName = "primary" | "backup";

/** What a station is told to do from now on; see `station.ts`. */
export type StationMode =
  | { readonly name: "ok" | "error500" | "semantic" | "reset-mid" | "reset-before" }
  | { readonly name: "failsome"; readonly failureRate: number }
  | { readonly name: "slow"; readonly latencyMs: number; readonly healthLatencyMs?: number };

export type Action =
  | { readonly kind: "kill" | "stop" | "continue" }
  /** `warmingMs`: for so long after the start the health page answers 200 and commands get 503. */
  | { readonly kind: "start"; readonly warmingMs?: number }
  | { readonly kind: "mode"; readonly mode: StationMode };

export interface Step {
  readonly atS: number;
  readonly station: StationName;
  readonly action: Action;
}

export interface FaultCase {
  readonly name: string;
  readonly note: string;
  readonly steps: readonly Step[];
  /** When the primary is broken, in seconds: attempts at it in these intervals are counted. */
  readonly failing: readonly (readonly [number, number])[];
  /**
   * Instant from which goodput has to come back: the fault, or the end of what no gateway could
   * have served.
   */
  readonly servableFromS: number;
  /** Times the normal rate, at a second of the load. */
  readonly loadFactor?: (atS: number) => number;
}

export const FAULT_AT_S = 5;

const FOREVER = [[FAULT_AT_S, Number.POSITIVE_INFINITY]] as const;

function step(atS: number, station: StationName, action: Action): Step {
  return { atS, station, action };
}

function modeCase(name: string, mode: StationMode, note: string): FaultCase {
  const steps = [step(FAULT_AT_S, "primary", { kind: "mode", mode })];
  return { name, note, failing: FOREVER, servableFromS: FAULT_AT_S, steps };
}

const killed = step(FAULT_AT_S, "primary", { kind: "kill" });

export const CASES: Readonly<Record<string, FaultCase>> = {
  "0": { name: "no fault", note: "overhead and false alarms", failing: [], servableFromS: FAULT_AT_S, steps: [] },
  "1": {
    name: "kill -9 primary",
    note: "connections are refused from then on",
    failing: FOREVER,
    servableFromS: FAULT_AT_S,
    steps: [killed],
  },
  "2": {
    name: "SIGSTOP 8 s",
    note: "the kernel still accepts connections; at 13 the station executes what is left in its sockets",
    failing: [[FAULT_AT_S, 13]],
    servableFromS: FAULT_AT_S,
    steps: [step(FAULT_AT_S, "primary", { kind: "stop" }), step(13, "primary", { kind: "continue" })],
  },
  "3": modeCase("500 to all", { name: "error500" }, "the health page answers 500 too"),
  "4": modeCase("200 with error body", { name: "semantic" }, "the health page stays 200: only the body tells"),
  "5": modeCase(
    "latency becomes 8 s",
    { name: "slow", latencyMs: 8_000, healthLatencyMs: 8_000 },
    "the health page is slow too",
  ),
  "5b": modeCase("8 s, health page fine", { name: "slow", latencyMs: 8_000 }, "a gray failure"),
  "6": modeCase("50 % fail", { name: "failsome", failureRate: 0.5 }, "the health page stays 200"),
  "7": modeCase("cut in mid-answer", { name: "reset-mid" }, "executed, part of the answer, then a reset"),
  "7b": modeCase("reset before the answer", { name: "reset-before" }, "executed, then a reset before any byte"),
  "8": {
    name: "flapping every 2 s",
    note: "killed at 5, 9, 13, 17; back at 7, 11, 15, 19",
    failing: [
      [5, 7],
      [9, 11],
      [13, 15],
      [17, 19],
    ],
    servableFromS: FAULT_AT_S,
    steps: [5, 9, 13, 17].flatMap((atS) => [
      step(atS, "primary", { kind: "kill" }),
      step(atS + 2, "primary", { kind: "start" }),
    ]),
  },
  "9": {
    name: "both die, backup back at 8",
    note: "both killed at 5, the backup is started again at 8",
    failing: FOREVER,
    servableFromS: 8,
    steps: [killed, step(FAULT_AT_S, "backup", { kind: "kill" }), step(8, "backup", { kind: "start" })],
  },
  "10": modeCase("80 to 300 ms", { name: "slow", latencyMs: 300 }, "slow, but within every timeout"),
  "11": {
    name: "primary returns at 12",
    note: "killed at 5, serves again at 12",
    failing: [[FAULT_AT_S, 12]],
    servableFromS: FAULT_AT_S,
    steps: [killed, step(12, "primary", { kind: "start" })],
  },
  "11b": {
    name: "returns cold at 12",
    note: "as 11, but for 1 s after the start commands get 503 while the health page is 200",
    failing: [[FAULT_AT_S, 13]],
    servableFromS: FAULT_AT_S,
    steps: [killed, step(12, "primary", { kind: "start", warmingMs: 1_000 })],
  },
  "12": {
    name: "5x burst after promotion",
    note: "killed at 5; five times the load from 5.25 to 6.25",
    failing: FOREVER,
    servableFromS: 6.25,
    loadFactor: (atS) => (atS >= 5.25 && atS < 6.25 ? 5 : 1),
    steps: [killed],
  },
};

export const CASE_NAMES: readonly string[] = Object.keys(CASES).sort(
  (one, other) => Number.parseInt(one, 10) - Number.parseInt(other, 10) || one.localeCompare(other),
);

/** The case of that name, or an error that lists the names. */
export function caseNamed(name: string): FaultCase {
  const found = CASES[name];
  if (found === undefined) throw new Error(`There is no case ${name}; the cases are ${CASE_NAMES.join(", ")}.`);
  return found;
}

/**
 * The same case with everything that happens moved by `shiftS`, so that a seed can move the
 * instants.
 */
export function shifted(one: FaultCase, shiftS: number): FaultCase {
  if (shiftS === 0) return one;
  const { loadFactor } = one;
  return {
    ...one,
    servableFromS: one.servableFromS + shiftS,
    failing: one.failing.map(([from, to]) => [from + shiftS, to + shiftS] as const),
    steps: one.steps.map((each) => ({ ...each, atS: each.atS + shiftS })),
    ...(loadFactor && { loadFactor: (atS: number) => loadFactor(atS - shiftS) }),
  };
}
