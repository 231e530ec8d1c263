/**
 * The command line of `npm run bench:takeover`, read and checked; what is out of range is refused
 * with its value.
 */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { CASE_NAMES, caseNamed } from "./cases.ts";
import { FRONTS, frontNamed } from "./fronts/fronts.ts";
import { type Cell, cellsOf, matrixCells, quickCells } from "./matrix.ts";
import { DEFAULT_SETTING, type Setting } from "./setting.ts";

export interface Options {
  readonly cells: readonly Cell[];
  readonly repetitions: number;
  readonly gateway: string;
  readonly isParallel: boolean;
  readonly isResumed: boolean;
  readonly needsWrite: boolean;
  readonly needsJson: boolean;
  readonly keepsLogs: boolean;
  readonly portBase: number;
  readonly reruns: number;
  /** No run begins after this; go on with `--resume`. */
  readonly maxMinutes: number;
  /** True where only a part of what is promised was run: a miss is then told, and no more. */
  readonly isPart: boolean;
}

const USAGE = `npm run bench:takeover -- [options]
  --front NAMES      ${Object.keys(FRONTS).join(", ")}, or all (default)
  --case NAMES       ${CASE_NAMES.join(", ")}, or all (default)
  --rate N           commands a second (200)          --latency MS    of a station (80)
  --patience S       after which a caller leaves (2)  --capacity X    of the backup, times the rate (1.2)
  --duration S       of the load (20)                 --seed N        moves the fault instants (0: as written)
  --reps N           runs of each (1)                 --parallel      as many fronts side by side as there are cores
  --matrix           everything that is promised      --quick         a few minutes
  --gateway FOLDER   checkout to measure (this one)   --reruns N      tries for a run without a stall (2)
  --resume           keep the calm runs of last-run/  --write         into results/, not last-run/
  --json             print the rows as JSON           --logs          keep the fronts' logs in last-run/
  --minutes N        begin no run later than this; --resume goes on, code 3 says that runs are left
  --port-base N      first of the ports used (27100)`;

export function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      front: { type: "string", default: "all" },
      case: { type: "string", default: "all" },
      rate: { type: "string", default: String(DEFAULT_SETTING.rate) },
      latency: { type: "string", default: String(DEFAULT_SETTING.latencyMs) },
      patience: { type: "string", default: String(DEFAULT_SETTING.patienceMs / 1_000) },
      capacity: { type: "string", default: String(DEFAULT_SETTING.capacityRatio) },
      duration: { type: "string", default: String(DEFAULT_SETTING.durationS) },
      seed: { type: "string", default: "0" },
      reps: { type: "string", default: "1" },
      reruns: { type: "string", default: "2" },
      minutes: { type: "string", default: "600" },
      "port-base": { type: "string", default: "27100" },
      gateway: { type: "string", default: fileURLToPath(new URL("../..", import.meta.url)) },
      parallel: { type: "boolean", default: false },
      matrix: { type: "boolean", default: false },
      quick: { type: "boolean", default: false },
      resume: { type: "boolean", default: false },
      write: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      logs: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    process.exit(0);
  }
  const seed = number("seed", values.seed, 0, 1e9);
  const setting: Setting = {
    rate: number("rate", values.rate, 1, 5_000),
    latencyMs: number("latency", values.latency, 1, 10_000),
    patienceMs: 1_000 * number("patience", values.patience, 0.05, 60),
    capacityRatio: number("capacity", values.capacity, 0.1, 100),
    durationS: number("duration", values.duration, 14, 600),
    seed,
  };
  const gateway = resolve(values.gateway);
  if (!existsSync(join(gateway, "gateway/bin/gsf.js")))
    throw new Error(`--gateway ${gateway} is no checkout: there is no gateway/bin/gsf.js in it.`);
  return {
    cells: cellsFor(values, setting),
    repetitions: number("reps", values.reps, 1, 100),
    gateway,
    isParallel: values.parallel,
    isResumed: values.resume,
    needsWrite: values.write,
    needsJson: values.json,
    keepsLogs: values.logs,
    portBase: number("port-base", values["port-base"], 1_024, 65_000),
    reruns: number("reruns", values.reruns, 0, 20),
    maxMinutes: number("minutes", values.minutes, 1, 6_000),
    isPart: !values.matrix,
  };
}

interface Choice {
  readonly front: string;
  readonly case: string;
  readonly matrix: boolean;
  readonly quick: boolean;
}

function cellsFor(choice: Choice, setting: Setting): readonly Cell[] {
  const fronts = choice.front === "all" ? Object.keys(FRONTS) : choice.front.split(",");
  const cases = choice.case === "all" ? CASE_NAMES : choice.case.split(",");
  for (const front of fronts) frontNamed(front);
  for (const name of cases) caseNamed(name);
  if (!choice.matrix && !choice.quick) return cellsOf(cases, fronts, setting);
  const cells = choice.matrix ? matrixCells(setting.seed) : quickCells(setting.seed);
  return cells
    .filter((cell) => cases.includes(cell.case))
    .map((cell) => ({ ...cell, fronts: cell.fronts.filter((front) => fronts.includes(front)) }))
    .filter((cell) => cell.fronts.length > 0);
}

function number(name: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (text.trim() === "" || !(value >= min && value <= max))
    throw new Error(`--${name} ${text} is not allowed; allowed is a number from ${min} to ${max}.`);
  return value;
}
