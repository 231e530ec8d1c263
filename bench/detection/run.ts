/**
 * `npm run bench:detection`: every detector on every regime, then the short lives. Prints the
 * tables and writes a trade-off picture a regime and sender into last-run/.
 *
 *   --seed N         another seed; default 1
 *   --regime NAME    only regimes whose name contains it        --detector NAME   only such detectors (oracles stay)
 *   --quick          a twentieth of the hours, 400 crashes: for a look, not for numbers
 *   --write          into results/ instead: detection.md, detection.json and the pictures
 *   --throughput     only what the models cost: beats and queries a second, bytes a node, and whether that is little enough
 *
 * Ends with code 1 where a target is missed, unless --quick, --regime or --detector left part of
 * the work out. What the models cost is looked at only with --throughput, because it depends on the
 * machine.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { seededRandom } from "ground-station-failover";
import { type PhiAccrualMachine, phiAccrualMachine } from "ground-station-failover/core";
import { tradeOffChart } from "./chart.ts";
import { bootstrap, outage, STEPS, starts, step } from "./episodes.ts";
import { REGIMES } from "./regimes.ts";
import { type Lives, lifeTables, tables, verdicts, verdictTable } from "./report.ts";
import { ADAPTIVE, DETECTORS, type Study, study } from "./study.ts";
import { throughputs, throughputTable, throughputVerdicts } from "./throughput.ts";

const SENDERS = ["renewal", "periodic"] as const;
const RESULTS = new URL("results/", import.meta.url);
const LAST_RUN = new URL("last-run/", import.meta.url);

function main(): void {
  const { values } = parseArgs({
    options: {
      seed: { type: "string", default: "1" },
      regime: { type: "string" },
      detector: { type: "string" },
      quick: { type: "boolean", default: false },
      write: { type: "boolean", default: false },
      throughput: { type: "boolean", default: false },
    },
  });
  const { seed, regime: only, detector, quick, write } = values;
  if (values.throughput) return printThroughput();
  const startedMs = performance.now();
  const head = headOf(seed, quick, only, detector);
  const regimes = REGIMES.filter(({ name }) => name.includes(only ?? ""));
  if (regimes.length === 0)
    throw new Error(`No regime contains "${only}": ${REGIMES.map(({ name }) => name).join(", ")}.`);
  if (!DETECTORS.some((name) => name.includes(detector ?? "")))
    throw new Error(`No detector contains "${detector}": ${DETECTORS.join(", ")}.`);
  const studies: Study[] = [];
  for (const regime of regimes) {
    for (const sender of SENDERS) {
      studies.push(study(regime, sender, { seed, crashes: quick ? 400 : 5_000, share: quick ? 0.05 : 1, detector }));
      console.error(`${regime.name}, ${sender}: ${Math.round((performance.now() - startedMs) / 1_000)} s`);
    }
  }
  const whole = only === undefined && detector === undefined;
  const lives = whole ? SENDERS.map((sender) => livesOf(sender, seed, quick)) : [];
  const found = verdicts(studies, lives);
  const text = [head, tables(studies), lives.length > 0 ? lifeTables(lives) : "", verdictTable(found)].join("\n");
  console.log(text);
  const pictures = write ? RESULTS : LAST_RUN;
  mkdirSync(pictures, { recursive: true });
  for (const one of studies) writeFileSync(new URL(`${one.regime}-${one.sender}.svg`, pictures), tradeOffChart(one));
  if (write) {
    const title =
      "# How good are the detectors?\n\nWritten by `npm run bench:detection -- --write`; how to read it: [README](../README.md).\n";
    writeFileSync(new URL("detection.md", RESULTS), `${title}\n${text}`);
    writeFileSync(
      new URL("detection.json", RESULTS),
      `${JSON.stringify({ head, studies, lives, found }, rounded, 1)}\n`,
    );
  }
  if (whole && !quick && found.some(({ met }) => met === false)) process.exitCode = 1;
}

function livesOf(sender: (typeof SENDERS)[number], seed: string, quick: boolean): Lives {
  const random = seededRandom(seed).fork(`lives ${sender}`);
  const machineOf = (): PhiAccrualMachine => phiAccrualMachine({ model: "adaptive" });
  const count = quick ? 2 : 30;
  return {
    detector: ADAPTIVE,
    sender,
    bootstraps: REGIMES.map((regime) => ({
      regime: regime.name,
      ...bootstrap(regime, sender, machineOf, quick ? 200 : 5_000, random.fork(regime.name)),
    })),
    starts: REGIMES.map((regime) => ({
      regime: regime.name,
      ...starts(regime, sender, machineOf, gatewayMachine, quick ? 2 : 20, random.fork(`starts ${regime.name}`)),
    })),
    outage: outage(sender, machineOf, count, random),
    steps: STEPS.map((kind) => ({ kind: kind.name, ...step(kind, sender, machineOf, count, random) })),
  };
}

/** As the gateway sets its detector up for heartbeats this far apart (ADR 0013). */
function gatewayMachine(intervalMs: number): PhiAccrualMachine {
  const minDeviationMs = Math.max(20, (intervalMs + 150) / 10);
  const ceilingMs = Math.max(1_000, 20 * intervalMs);
  return phiAccrualMachine({ model: "adaptive", expectedIntervalMs: intervalMs, minDeviationMs, ceilingMs });
}

function printThroughput(): void {
  const measured = throughputs();
  const found = throughputVerdicts(measured);
  console.log([throughputTable(measured), verdictTable(found)].join("\n"));
  if (found.some(({ met }) => met === false)) process.exitCode = 1;
}

/**
 * Seed, commit, kind of machine and what was left out; nothing here depends on how fast the machine
 * is.
 */
function headOf(seed: string, quick: boolean, regime: string | undefined, detector: string | undefined): string {
  let commit = "unknown";
  try {
    commit = execFileSync("git", ["describe", "--always", "--dirty"], { encoding: "utf8" }).trim();
  } catch {
    // Not in a checkout.
  }
  const kind = `${cpus()[0]?.model ?? "unknown"}, Node ${process.version}`;
  const parts = [`Seed ${seed}`, `commit ${commit}`, kind];
  if (quick) parts.push("--quick: too little traffic to believe");
  if (regime !== undefined) parts.push(`only regimes with "${regime}"`);
  if (detector !== undefined) parts.push(`only detectors with "${detector}" and the oracles`);
  return `${parts.join(", ")}.\n`;
}

/** Six digits are more than the sampling error leaves. */
function rounded(_key: string, value: unknown): unknown {
  return typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(6)) : value;
}

main();
