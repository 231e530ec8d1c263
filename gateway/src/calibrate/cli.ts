/**
 * `gsf calibrate`: turns a recorded trace into a detector's configuration, or says why there is
 * none. With `--record` it records a trace from a running gateway. The library does the calculation
 * (`ground-station-failover/calibration`); this file has the options, the progress of long work on
 * standard error, and the output.
 */
import { writeFileSync } from "node:fs";
import { type Command, Option } from "commander";
import { ConfigurationError, systemClock } from "ground-station-failover";
import { type CalibrationResult, calibrationSteps } from "ground-station-failover/calibration";
import { type ControlAddress, tokenOf, withControlAddress } from "../adapters/control/control-address.ts";
import { recordBeats } from "../adapters/heartbeats/beat-recording.ts";
import { readTraceFile, type TraceFile } from "../adapters/heartbeats/trace-file.ts";
import { TIME_UNITS } from "../adapters/heartbeats/trace-format.ts";
import { EXIT, UserError } from "../adapters/process/exit-codes.ts";
import { durationFlag, percent, type Rate, rateFlag, shownDuration, shownRate, whole } from "./amounts.ts";
import { resultJson } from "./answer-json.ts";
import { refusalOfGateway } from "./fragment.ts";
import { Progress } from "./progress.ts";
import { fileLines, impossibleLines, recommendationLines, trafficLines } from "./report.ts";
import { svgChart } from "./svg-chart.ts";
import { terminalChart } from "./terminal-chart.ts";
import { tradeOffOf } from "./trade-off.ts";

interface CalibrateOptions extends ControlAddress {
  readonly trace?: string;
  readonly detectWithin?: number;
  readonly falseAlarms?: Rate;
  readonly node?: string;
  readonly unit: string;
  readonly outagesFrom?: number;
  readonly proven: boolean;
  readonly svg?: string;
  readonly json: boolean;
  readonly record?: string;
  readonly group?: string;
  readonly for: number;
}

const HOUR_MS = 3_600_000;
const LONGEST_RECORDING_MS = 30 * 24 * HOUR_MS;

export function registerCalibrateCommand(program: Command): void {
  const command = program
    .command("calibrate")
    .description("find the detector that a trace of heartbeats asks for, or record such a trace")
    .option("--trace <file>", "arrivals as CSV or JSON lines: node, arrival, and if known sequence, sent, incarnation")
    .addOption(
      new Option("--detect-within <duration>", "silence has to be declared within this").argParser(
        durationFlag(10, HOUR_MS),
      ),
    )
    .addOption(new Option("--false-alarms <rate>", "of one node, such as 1/week").argParser(rateFlag))
    .option("--node <name>", "look at this node only")
    .addOption(
      new Option("--unit <unit>", "of plain numbers in the trace").choices([...TIME_UNITS.keys()]).default("ms"),
    )
    .addOption(
      new Option(
        "--outages-from <duration>",
        "silences this long were real outages (default: ten times --detect-within)",
      ).argParser(durationFlag(10, 24 * HOUR_MS)),
    )
    .option("--proven", "take nothing for an answer that the trace does not prove", false)
    .option("--svg <file>", "draw the trade-off into this file")
    .option("--json", "answer in JSON", false)
    .option("--record <file>", "record the heartbeats of a running gateway's group into this file first")
    .option("--group <name>", "the group to record")
    .addOption(
      new Option("--for <duration>", "how long to record; Ctrl-C ends it earlier")
        .argParser(durationFlag(100, LONGEST_RECORDING_MS))
        .default(60_000, "1m"),
    );
  withControlAddress(command).addHelpText("after", HELP).action(calibrate);
}

const HELP = `
Examples:
  $ gsf calibrate --record beats.csv --group atlantic --for 1h
  $ gsf calibrate --trace beats.csv --detect-within 1s --false-alarms 1/week --svg trade-off.svg

Exit codes: 0 there is a recommendation (or a recording), 1 not possible with this trace, 2 wrong usage, or a trace that
cannot be used, 5 no gateway answers, or it ended the recording.`;

async function calibrate(options: CalibrateOptions): Promise<void> {
  const { record, detectWithin, falseAlarms } = options;
  if (record === undefined && options.trace === undefined)
    throw new UserError("usage", "give --trace <file>, or --record <file> --group <name>");
  if (record !== undefined && options.trace !== undefined)
    throw new UserError(
      "usage",
      "--record and --trace exclude each other; what was recorded is calibrated if --detect-within and --false-alarms are given",
    );
  const wants = detectWithin !== undefined || falseAlarms !== undefined;
  if ((wants || record === undefined) && (detectWithin === undefined || falseAlarms === undefined))
    throw new UserError(
      "usage",
      "give both --detect-within <duration> and --false-alarms <rate>, such as 1s and 1/week",
    );
  if (options.outagesFrom !== undefined && options.outagesFrom <= (detectWithin ?? 0))
    throw new UserError("usage", "--outages-from must be longer than --detect-within");
  const progress = new Progress(process.stderr, systemClock);
  if (record !== undefined) await recordTo(record, options, progress, !wants);
  if (detectWithin === undefined || falseAlarms === undefined) return;
  await calibrateFrom(options.trace ?? (record as string), detectWithin, falseAlarms, options, progress);
}

async function recordTo(path: string, options: CalibrateOptions, progress: Progress, alone: boolean): Promise<void> {
  const { group, control } = options;
  if (group === undefined) throw new UserError("usage", "--record needs --group <name>: the group to record");
  const stop = new AbortController();
  const end = (): void => stop.abort();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, end);
  const recorded = await recordBeats({
    control,
    token: tokenOf(options),
    group,
    path,
    forMs: options.for,
    signal: stop.signal,
    onProgress: (beats) => progress.tell(() => `${whole(beats)} heartbeats recorded`),
  }).finally(() => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, end);
    progress.end();
  });
  const sentence = `${path}: ${whole(recorded.beats)} heartbeats of ${recorded.stations} stations in ${shownDuration(recorded.elapsedMs)}`;
  if (!options.json) print(sentence);
  else if (alone) print(JSON.stringify({ recorded: { path, ...recorded } }));
}

async function calibrateFrom(
  path: string,
  detectWithinMs: number,
  { count, perMs }: Rate,
  options: CalibrateOptions,
  progress: Progress,
): Promise<void> {
  const file = await readTraceFile({
    path,
    node: options.node,
    unitMs: TIME_UNITS.get(options.unit) as number,
    onProgress: ({ lines, bytes, ofBytes }) =>
      progress.tell(() => `${whole(lines)} lines read${ofBytes === undefined ? "" : ` (${percent(bytes / ofBytes)})`}`),
  });
  const result = await worked(path, file, progress, {
    detectWithinMs,
    falseAlarms: count,
    perMs,
    ...(options.outagesFrom === undefined ? {} : { outageMs: options.outagesFrom }),
  });
  const refused = result.type === "recommended" ? refusalOf(result, options) : undefined;
  const picture = tradeOffOf(result);
  if (options.svg !== undefined && picture !== undefined)
    write(options.svg, svgChart(picture, `${detectWithinTitle(result)} (${whole(file.trace.beats)} heartbeats)`));
  if (options.svg !== undefined && picture === undefined)
    process.stderr.write(
      `gsf: ${options.svg} is not written: no detector could be tried, so there is nothing to draw\n`,
    );
  if (options.json) print(JSON.stringify(resultJson(path, file, result, refused)));
  else {
    const drawn = picture === undefined ? [] : ["", ...terminalChart(picture)];
    const found = result.type === "recommended" ? recommendationLines(result) : impossibleLines(result);
    const last = refused === undefined ? [] : ["", `Refused: ${refused}`];
    const lines = [
      ...fileLines(path, file),
      "",
      ...trafficLines(result.traffic, result.goal.outageMs),
      ...drawn,
      "",
      ...found,
    ];
    print([...lines, ...last].join("\n"));
  }
  if (result.type === "impossible" || refused !== undefined) process.exitCode = EXIT.promiseBroken;
}

/** Pauses after each detector, so that progress is shown and signals are handled. */
async function worked(
  path: string,
  { trace }: TraceFile,
  progress: Progress,
  goal: Parameters<typeof calibrationSteps>[1],
): Promise<CalibrationResult> {
  try {
    const steps = calibrationSteps(trace, goal);
    for (;;) {
      const step = steps.next();
      if (step.done === true) return step.value;
      const { done, total } = step.value;
      progress.tell(() => `${done} of ${total} detectors tried`);
      await systemClock.sleepUntil(systemClock.nowMs());
    }
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    throw new UserError("usage", `cannot use the trace ${path}: ${error.message}`);
  } finally {
    progress.end();
  }
}

/** Why this user cannot use the recommendation. */
function refusalOf(
  result: Extract<CalibrationResult, { type: "recommended" }>,
  { proven }: CalibrateOptions,
): string | undefined {
  if (proven && !result.evidence.shown) {
    const { provenAfterMs } = result.evidence;
    return `--proven asks for more than this trace shows; needs a trace of at least ${shownDuration(provenAfterMs)} (all nodes added up) without a false alarm`;
  }
  return refusalOfGateway(result.recommendation);
}

function detectWithinTitle({ goal }: CalibrationResult): string {
  return `Declare within ${shownDuration(goal.detectWithinMs)}, at most ${shownRate(goal.alarmsPerMs)} false alarms`;
}

function write(path: string, text: string): void {
  try {
    writeFileSync(path, text);
  } catch (error) {
    throw new UserError("usage", `cannot write ${path}: ${(error as Error).message}`);
  }
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
