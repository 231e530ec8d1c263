/**
 * Which cases run at which settings against which fronts: the whole matrix, a quick look, or what
 * the options ask for. The matrix is all sixteen cases at 200 commands a second, and beside it a
 * part of the cases at other loads, with other patience, and with a backup that is too small for
 * good.
 */
import { CASE_NAMES } from "./cases.ts";
import { DEFAULT_SETTING, type Setting } from "./setting.ts";

export interface Cell {
  readonly case: string;
  readonly setting: Setting;
  readonly fronts: readonly string[];
}

const EVERYBODY = ["gsf-minimum", "gsf-minimum+contract", "gsf-tuned", "haproxy", "haproxy-tuned", "nginx"] as const;
/**
 * At other settings than the first: the file everybody starts with, with and without the contract,
 * and the peers' best.
 */
const BEST = ["gsf-minimum", "gsf-minimum+contract", "haproxy-tuned", "nginx"] as const;
/** One of each kind: vanished, silent, refusing, gray, cut off, both away, back again. */
const ONE_OF_EACH_KIND = ["1", "2", "3", "5b", "7", "9", "11"] as const;

export function cellsOf(cases: readonly string[], fronts: readonly string[], setting: Setting): readonly Cell[] {
  return cases.map((name) => ({ case: name, setting, fronts }));
}

/** Everything that is promised, in one run of about an hour. */
export function matrixCells(seed: number): readonly Cell[] {
  const base = { ...DEFAULT_SETTING, seed };
  return [
    ...cellsOf(CASE_NAMES, EVERYBODY, base),
    ...cellsOf(ONE_OF_EACH_KIND, BEST, { ...base, rate: 20 }),
    ...cellsOf(ONE_OF_EACH_KIND, BEST, { ...base, rate: 800 }),
    ...cellsOf([...ONE_OF_EACH_KIND, "12"], BEST, { ...base, patienceMs: 500 }),
    ...cellsOf([...ONE_OF_EACH_KIND, "12"], BEST, { ...base, patienceMs: 10_000 }),
    ...cellsOf(["1", "2", "3", "7b", "9", "12"], BEST, { ...base, capacityRatio: 0.7 }),
  ];
}

/** A few minutes: the cases that tell most. */
export function quickCells(seed: number): readonly Cell[] {
  const fronts = ["gsf-minimum", "haproxy-tuned", "nginx"];
  return cellsOf(["1", "2", "3", "5b", "9", "12"], fronts, { ...DEFAULT_SETTING, seed });
}
