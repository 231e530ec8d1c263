/**
 * `npm run bench:takeover`: two stations, a fault, and what the callers of each front saw. Runs the
 * cells that the options choose, each run in a process of its own, prints the tables beside the
 * floors, and judges our fronts by their promises; README.md says how to read them. Raw runs and
 * the report go to last-run/, with `--write` the report goes to results/.
 *
 * Ends with code 1 where a promise of the whole matrix is missed, 2 where the options or the
 * machine do not allow a run, 3 where --minutes left runs to do.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { caseNamed } from "./cases.ts";
import { fromJson, toJson } from "./exact-json.ts";
import { isOurs } from "./fronts/fronts.ts";
import { isInstalled, machine, productOf, sentenceOf } from "./machine.ts";
import type { Cell } from "./matrix.ts";
import type { Plan, RunOutcome } from "./one-run.ts";
import { type Options, readOptions } from "./options.ts";
import { allVerdicts, report } from "./report.ts";
import { emptyRow, inOrder, type KeptRun, type Row, rowsOf } from "./rows.ts";
import { nameOf } from "./setting.ts";

const RESULTS = new URL("results/", import.meta.url);
const LAST_RUN = new URL("last-run/", import.meta.url);
const RAW = new URL("last-run/raw/", import.meta.url);
const ONE_RUN = fileURLToPath(new URL("one-run.ts", import.meta.url));

/** A run takes the load's length and at most this much for starts, late executions and the end. */
const RUN_OVERHEAD_S = 60;
/** Ports that a front uses with its stations. */
const PORTS_PER_FRONT = 10;
/** Beyond these the bench itself, and not the front, may explain a figure. */
const MAX_CLIENT_LAG_MS = 130;
const MAX_BASELINE_EXCESS_MS = 170;
/** More than this many commands a second are too much for several fronts at once. */
const MAX_PARALLEL_RATE = 400;

/** What holds for all runs of one call of the bench. */
interface Session extends Options {
  readonly product: string | undefined;
  /** No run begins after this instant. */
  readonly untilMs: number;
}

const running = new Set<ChildProcess>();
/** Runs for which there was no time. */
let left = 0;
let isStopping = false;

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2));
  demandPeers(options.cells);
  mkdirSync(RAW, { recursive: true });
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      isStopping = true;
      for (const child of running) child.kill("SIGTERM");
      setTimeout(() => process.exit(1), 6_000).unref();
    });
  }
  const untilMs = performance.now() + 60_000 * options.maxMinutes;
  const product = productOf(options.gateway);
  const runs: KeptRun[] = [];
  const failed: Row[] = [];
  for (let repetition = 1; repetition <= options.repetitions; repetition++) {
    for (const cell of options.cells) {
      if (isStopping) break;
      const leftBefore = left;
      const found = await runCell(cell, repetition, { ...options, product, untilMs });
      found.forEach((run, place) => {
        if (run !== undefined) runs.push(run);
        else if (repetition === 1 && left === leftBefore)
          failed.push(emptyRow(cell.fronts[place] as string, cell.case, cell.setting));
      });
      if (left === leftBefore) console.error(progressOf(cell, repetition, found));
    }
  }
  if (isStopping) {
    process.exitCode = 1;
    return;
  }
  if (left > 0) {
    console.error(`${left} runs are left after ${options.maxMinutes} minutes; the same command with --resume goes on.`);
    process.exitCode = 3;
    return;
  }
  finish(inOrder([...rowsOf(runs), ...failed]), runs, options);
}

function demandPeers(cells: readonly Cell[]): void {
  const wanted = ["haproxy", "nginx"].filter((peer) =>
    cells.some(({ fronts }) => fronts.some((one) => one.startsWith(peer))),
  );
  const missing = wanted.filter((peer) => !isInstalled(peer));
  if (missing.length > 0)
    throw new Error(
      `${missing.join(" and ")} cannot be started: run scripts/install-bench-peers.sh, or choose other fronts with --front.`,
    );
  if (!isInstalled("tcpdump")) console.error("tcpdump is not installed: tries at the stations are not counted.");
}

/**
 * One run of every front of the cell: side by side where asked for, as many as the machine has
 * cores. More of them wait for each other's turn, and what is measured then is the machine.
 */
async function runCell(cell: Cell, repetition: number, options: Session): Promise<(KeptRun | undefined)[]> {
  const hasBurst = caseNamed(cell.case).loadFactor !== undefined;
  const isParallel = options.isParallel && !hasBurst && cell.setting.rate <= MAX_PARALLEL_RATE;
  const together = isParallel ? availableParallelism() : 1;
  const found: (KeptRun | undefined)[] = [];
  for (let from = 0; from < cell.fronts.length; from += together) {
    const fronts = cell.fronts.slice(from, from + together);
    const runs = fronts.map((front, place) => keptRun(cell, front, repetition, place, options));
    found.push(...(await Promise.all(runs)));
  }
  return found;
}

/**
 * Runs until a run was calm, at most `reruns` times more, and keeps the calmest. Undefined where
 * the front never started.
 */
async function keptRun(
  cell: Cell,
  front: string,
  repetition: number,
  place: number,
  options: Session,
): Promise<KeptRun | undefined> {
  const name = `${front}-${cell.case}-${nameOf(cell.setting).replaceAll(/[^\w.]+/g, "-")}-${repetition}`;
  const file = new URL(`${name}.json`, RAW);
  const product = isOurs(front) ? options.product : undefined;
  if (options.isResumed && existsSync(file)) {
    const kept = fromJson(readFileSync(file, "utf8")) as KeptRun;
    const isSameCode = kept.product === product && (product !== undefined || !isOurs(front));
    if (!kept.isDisturbed && isSameCode) return kept;
  }
  if (performance.now() > options.untilMs) {
    left++;
    return undefined;
  }
  let best: KeptRun | undefined;
  for (let attempt = 0; attempt <= options.reruns && !isStopping; attempt++) {
    const outcome = await runOnce(
      {
        front,
        case: cell.case,
        repetition,
        setting: cell.setting,
        gateway: options.gateway,
        portBase: options.portBase + place * PORTS_PER_FRONT,
        output: fileURLToPath(new URL(`${name}.part`, RAW)),
        log: fileURLToPath(new URL(`${name}.log`, RAW)),
      },
      cell.setting.durationS + cell.setting.patienceMs / 1_000,
      options.keepsLogs,
    );
    if (outcome === undefined) break;
    const kept = { ...outcome, isDisturbed: isDisturbed(outcome), product };
    if (best === undefined || kept.clientLagMs < best.clientLagMs) best = kept;
    if (!kept.isDisturbed) break;
  }
  if (best !== undefined) writeFileSync(file, toJson(best));
  return best;
}

function runOnce(plan: Plan, loadS: number, keepsLog: boolean): Promise<RunOutcome | undefined> {
  return new Promise((resolve) => {
    const stdio = ["ignore", "ignore", "inherit", "ipc"] as const;
    const child = spawn(process.execPath, [ONE_RUN, JSON.stringify(plan)], { stdio: [...stdio], detached: true });
    running.add(child);
    const guard = setTimeout(() => child.kill("SIGTERM"), 1_000 * (loadS + RUN_OVERHEAD_S));
    child.once("exit", (code) => {
      clearTimeout(guard);
      running.delete(child);
      const outcome = code === 0 ? (fromJson(readFileSync(plan.output, "utf8")) as RunOutcome) : undefined;
      rmSync(plan.output, { force: true });
      if (outcome === undefined) console.error(lastWords(plan.log));
      else if (!keepsLog) rmSync(plan.log, { force: true });
      resolve(outcome);
    });
  });
}

/** What a front that did not start, or died, said last. */
function lastWords(log: string): string {
  const lines = existsSync(log) ? readFileSync(log, "utf8").trim().split("\n") : [];
  return lines.slice(-4).join("\n");
}

/** Judged by the load client and by what came before the fault only, never by how the front did. */
function isDisturbed({ clientLagMs, figures, setting }: RunOutcome): boolean {
  const baselineMs = figures.baselineP99Ms ?? Number.POSITIVE_INFINITY;
  const isSlow = baselineMs > setting.latencyMs + MAX_BASELINE_EXCESS_MS;
  return clientLagMs > MAX_CLIENT_LAG_MS || figures.errorsBeforeFault > 0 || isSlow;
}

function progressOf(cell: Cell, repetition: number, found: readonly (KeptRun | undefined)[]): string {
  const parts = found.map((run, place) => {
    if (run === undefined) return `${cell.fronts[place]} failed to run`;
    const { errors, doubled, ghosts, p99Ms } = run.figures;
    const noise = run.isDisturbed ? ` (disturbed, stall of ${run.clientLagMs.toFixed(0)} ms)` : "";
    return `${run.front} ${errors}/${doubled}/${ghosts} p99 ${p99Ms?.toFixed(0) ?? "–"}${noise}`;
  });
  return `case ${cell.case}, ${nameOf(cell.setting)}, run ${repetition}: ${parts.join(" | ")}`;
}

function finish(rows: readonly Row[], runs: readonly KeptRun[], options: Options): void {
  const where = machine(options.gateway);
  const verdicts = allVerdicts(rows);
  const text = `${sentenceOf(where)}\n\n${report(rows)}`;
  console.log(options.needsJson ? toJson({ machine: where, rows, verdicts }, 1) : text);
  const folder = options.needsWrite ? RESULTS : LAST_RUN;
  mkdirSync(folder, { recursive: true });
  const asked = process.argv.slice(2).filter((one) => one !== "--resume");
  const how = `Written by \`npm run bench:takeover -- ${asked.join(" ")}\`; how to read it: [README](../README.md).`;
  writeFileSync(new URL("takeover.md", folder), `# What callers see when the primary fails\n\n${how}\n\n${text}`);
  const lines = (all: readonly unknown[]): string => all.map((one) => toJson(one)).join(",\n");
  const missed = verdicts.filter(({ isKept }) => !isKept);
  const counts = `"runs":${runs.length},"promises":${verdicts.length}`;
  const whole = `{"machine":${toJson(where)},${counts},\n"rows":[\n${lines(rows)}\n],\n"missed":[\n${lines(missed)}\n]}\n`;
  writeFileSync(new URL("takeover.json", folder), whole);
  if (!options.isPart && verdicts.some(({ isKept }) => !isKept)) process.exitCode = 1;
}

main().catch((error) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 2;
});
