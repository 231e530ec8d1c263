/**
 * What does a guarded call cost? One run answers all questions of bench/README.md, judges the
 * answers against their targets, prints a table (`--json`: one object; `--write`: also
 * results/guarded-call.md) and ends with code 1 where a target is missed. How it measures is in
 * measure.ts, what is compared in candidates.ts.
 */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { fileURLToPath } from "node:url";
import {
  bareCandidate,
  type Candidate,
  COCKATIEL,
  cockatielCandidate,
  handCandidate,
  OPOSSUM,
  opossumCandidate,
  ourCandidate,
} from "./candidates.ts";
import {
  bytesPerCall,
  concurrentLoop,
  inFlight,
  measure,
  median,
  type Rounds,
  ratios,
  refusalLoop,
  successLoop,
} from "./measure.ts";

interface Answer {
  readonly question: string;
  /** What is judged: the median where there are rounds. */
  readonly value: number;
  readonly min: number | undefined;
  readonly unit: "×" | "B" | "timers";
  readonly target: string;
  readonly pass: boolean;
}

interface Crowd {
  readonly calls: number;
  readonly timers: number;
  readonly startMs: number;
}

/**
 * V8 compiles the long way of a call through a failover differently from one process to the next.
 */
const FAILOVER_PROCESSES = 5;

interface Row {
  readonly name: string;
  readonly [column: string]: string | number;
}

const IN_FLIGHT_CALLS = 100_000;
/** Starting n calls at once takes cockatiel time in n squared: 100,000 would take it a minute. */
const IN_FLIGHT_CALLS_COCKATIEL = 10_000;

function fiveCandidates(): readonly Candidate[] {
  return [bareCandidate(), handCandidate(), ourCandidate(), cockatielCandidate(), opossumCandidate()];
}

function judge(
  question: string,
  values: readonly number[],
  unit: Answer["unit"],
  target: number,
  most: boolean,
): Answer {
  const value = median(values);
  return {
    question,
    value,
    min: values.length > 1 ? Math.min(...values) : undefined,
    unit,
    target: `${most ? "≤" : "≥"} ${target}`,
    pass: most ? value <= target : value >= target,
  };
}

function table(rounds: Rounds): Row[] {
  return [...rounds].map(([name, values]) => ({
    name,
    ns: Math.round(median(values)),
    "× bare": round(median(ratios(rounds, name, "bare await"))),
    "× ours": round(median(ratios(rounds, name, "ours"))),
  }));
}

/** The ratios of what two guards add to the bare await that everybody pays. */
function added(rounds: Rounds, over: string, under: string): number[] {
  const bare = rounds.get("bare await") ?? [];
  const guard = (name: string): number[] => (rounds.get(name) ?? []).map((ns, place) => ns - (bare[place] ?? 0));
  const below = guard(under);
  return guard(over).map((ns, place) => ns / (below[place] ?? Number.NaN));
}

/** The ratios of whole calls, bare await included. */
function whole(rounds: Rounds, over: string, under: string): Row {
  const values = ratios(rounds, over, under);
  return { name: `${over} / ${under}`, median: round(median(values)), min: round(Math.min(...values)) };
}

const round = (value: number): number => Math.round(value * 100) / 100;

async function main(): Promise<void> {
  const startedMs = performance.now();
  const everyone = fiveCandidates();
  const success = await measure(everyone, successLoop, 200, 4);
  const bytes = new Map<string, number>();
  for (const candidate of everyone) bytes.set(candidate.name, await bytesPerCall(candidate, successLoop));
  const concurrent = await measure(everyone, concurrentLoop, 30, 8);
  for (const candidate of everyone) candidate.end();
  const tripped = fiveCandidates();
  for (const candidate of tripped) await candidate.trip();
  const refusal = await measure(tripped, refusalLoop, 200, 4);
  for (const candidate of tripped) candidate.end();
  const layers = await measure(layersOfOurs(), successLoop, 60, 4);
  const moved = Array.from({ length: FAILOVER_PROCESSES }, throughFailover);
  const failoverBytes = median(moved.map(({ bytes: each }) => each));
  const crowd = await crowds();

  const bareBytes = bytes.get("bare await") ?? 0;
  const fastest = median(ratios(success, COCKATIEL, OPOSSUM)) < 1 ? COCKATIEL : OPOSSUM;
  const answers = [
    judge("success: ours / by hand, cost added to the await", added(success, "ours", "by hand"), "×", 1.5, true),
    judge("success: fastest peer / ours, cost added to the await", added(success, fastest, "ours"), "×", 3.5, false),
    judge("failing fast: ours / bare rejected await", ratios(refusal, "ours", "bare await"), "×", 1.8, true),
    judge("allocation per guarded call", [(bytes.get("ours") ?? Number.NaN) - bareBytes], "B", 1_536, true),
    judge("failover.call / bare await", moved.map(failoverRatio), "×", 12, true),
    judge("allocation per call through a failover", [failoverBytes - bareBytes], "B", 2_000, true),
    judge(
      `system timers, ${IN_FLIGHT_CALLS} calls in flight`,
      [crowd.get("ours")?.timers ?? Number.NaN],
      "timers",
      1,
      true,
    ),
  ];
  const tables = {
    "One call after another, work already settled": table(success).map((row) => ({
      ...row,
      "B allocated": Math.round((bytes.get(row.name) ?? 0) - bareBytes),
    })),
    "The same as ratios of whole calls, with the bare await that everybody pays": [
      whole(success, "ours", "by hand"),
      whole(success, fastest, "ours"),
    ],
    "Failing fast on an open circuit": table(refusal),
    "64 callers at once, work takes a turn of the event loop": table(concurrent),
    "Ours, layer by layer": [...layers].map(([name, values]) => ({
      name,
      ns: Math.round(median(values)),
      "× bare": round(median(ratios(layers, name, "bare await"))),
    })),
    [`Through a failover, the middle one of ${FAILOVER_PROCESSES} processes`]: table(middle(moved).rounds).map(
      (row) => ({
        ...row,
        ...(row.name === "failover" ? { "B allocated": Math.round(failoverBytes - bareBytes) } : { "B allocated": "" }),
      }),
    ),
    "Calls in flight with 1 s timeouts": [...crowd].map(([name, { calls, timers, startMs }]) => ({
      name,
      calls,
      "system timers": timers,
      "ms to start": Math.round(startMs),
    })),
  };
  report(answers, tables, (performance.now() - startedMs) / 1_000);
  process.exitCode = answers.every((answer) => answer.pass) ? 0 : 1;
}

interface ThroughFailover {
  readonly rounds: Rounds;
  readonly bytes: number;
}

function throughFailover(): ThroughFailover {
  const script = fileURLToPath(new URL("through-failover.ts", import.meta.url));
  const printed = execFileSync(process.execPath, [...process.execArgv, script], { encoding: "utf8" });
  const { rounds, bytes } = JSON.parse(printed) as { rounds: [string, number[]][]; bytes: number };
  return { rounds: new Map(rounds), bytes };
}

const failoverRatio = ({ rounds }: ThroughFailover): number => median(ratios(rounds, "failover", "bare await"));

function middle(runs: readonly ThroughFailover[]): ThroughFailover {
  const sorted = runs.toSorted((one, other) => failoverRatio(one) - failoverRatio(other));
  return sorted[sorted.length >> 1] as ThroughFailover;
}

function layersOfOurs(): readonly Candidate[] {
  const none = { breaker: false, bulkhead: false, retry: false, timeoutMs: Number.POSITIVE_INFINITY } as const;
  const bulkhead = { maxConcurrent: 100 };
  return [
    bareCandidate(),
    ourCandidate("no layer", { ...none, deadlineMs: Number.POSITIVE_INFINITY }),
    ourCandidate("timeout only", { ...none, timeoutMs: 1_000 }),
    ourCandidate("breaker only", { ...none, breaker: {}, deadlineMs: Number.POSITIVE_INFINITY }),
    ourCandidate("bulkhead only", { ...none, bulkhead, deadlineMs: Number.POSITIVE_INFINITY }),
    ourCandidate("retry and budget only", { ...none, retry: {}, deadlineMs: Number.POSITIVE_INFINITY }),
    ourCandidate("all layers"),
  ];
}

async function crowds(): Promise<ReadonlyMap<string, Crowd>> {
  const found = new Map<string, Crowd>();
  const room = { maxConcurrent: 2 * IN_FLIGHT_CALLS };
  const crowd = [
    [ourCandidate("ours", { bulkhead: room }), IN_FLIGHT_CALLS],
    [opossumCandidate(room.maxConcurrent), IN_FLIGHT_CALLS],
    [cockatielCandidate(room.maxConcurrent), IN_FLIGHT_CALLS_COCKATIEL],
  ] as const;
  for (const [candidate, calls] of crowd) {
    found.set(candidate.name, { calls, ...(await inFlight(candidate, calls)) });
    candidate.end();
    globalThis.gc?.();
  }
  return found;
}

function report(
  answers: readonly Answer[],
  tables: Readonly<Record<string, readonly Row[]>>,
  tookSeconds: number,
): void {
  const machine = {
    cpu: `${cpus()[0]?.model ?? "unknown"} × ${cpus().length}`,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    commit: commit(),
  };
  if (process.argv.includes("--json")) {
    console.log(JSON.stringify({ machine, tookSeconds: round(tookSeconds), answers, tables }));
  } else {
    console.log(`${machine.cpu}, ${machine.memoryGiB} GiB, Node ${machine.node}, commit ${machine.commit}\n`);
    for (const [title, rows] of Object.entries(tables)) console.log(`${title}\n${aligned(rows)}\n`);
    console.log(`${aligned(answers.map(answerRow))}\n`);
    console.log(
      `${answers.filter((answer) => answer.pass).length} of ${answers.length} targets met, ${Math.round(tookSeconds)} s`,
    );
  }
  if (process.argv.includes("--write")) {
    const sections = Object.entries(tables).map(([title, rows]) => `## ${title}\n\n${markdown(rows)}\n`);
    const head = `# What a guarded call costs\n\nWritten by \`npm run bench -- --write\`; how to read it: [README](../README.md).\n\n`;
    const where = `${machine.cpu}, ${machine.memoryGiB} GiB, Node ${machine.node}, commit ${machine.commit}\n\n`;
    const text = `${head}${where}${markdown(answers.map(answerRow))}\n\n${sections.join("\n")}`;
    writeFileSync(new URL("results/guarded-call.md", import.meta.url), text);
  }
}

function answerRow(answer: Answer): Row {
  return {
    name: answer.question,
    median: `${round(answer.value)} ${answer.unit}`,
    min: answer.min === undefined ? "" : `${round(answer.min)} ${answer.unit}`,
    target: answer.target,
    verdict: answer.pass ? "PASS" : "FAIL",
  };
}

function commit(): string {
  try {
    return execFileSync("git", ["describe", "--always", "--dirty"], { encoding: "utf8" }).trim();
  } catch {
    return "unknown";
  }
}

function aligned(rows: readonly Row[]): string {
  const columns = Object.keys(rows[0] ?? {});
  const widths = columns.map((column) => Math.max(column.length, ...rows.map((row) => String(row[column]).length)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, place) => (place === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[place] ?? 0)))
      .join("  ");
  return [
    line(columns.map((column) => (column === "name" ? "" : column))),
    ...rows.map((row) => line(columns.map((column) => String(row[column])))),
  ].join("\n");
}

function markdown(rows: readonly Row[]): string {
  const columns = Object.keys(rows[0] ?? {});
  return [
    `| ${columns.map((column) => (column === "name" ? "" : column)).join(" | ")} |`,
    `|${columns.map((_, place) => (place === 0 ? " --- |" : " ---: |")).join("")}`,
    ...rows.map((row) => `| ${columns.map((column) => String(row[column])).join(" | ")} |`),
  ].join("\n");
}

await main();
