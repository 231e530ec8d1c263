/**
 * The results of a calibration as sentences: a description of the traffic, the recommended
 * configuration and how well it performs, and how far that is proven; or why there is no
 * recommendation, and what would help. Every number that is a bound is called one.
 */
import type { CalibrationResult, TrafficSummary } from "ground-station-failover/calibration";
import type { TraceFile } from "../adapters/heartbeats/trace-file.ts";
import { percent, shownDuration, shownRate, threeDigits, whole } from "./amounts.ts";
import { fragmentOf, fragmentYaml } from "./fragment.ts";

type Recommended = Extract<CalibrationResult, { type: "recommended" }>;
type Impossible = Extract<CalibrationResult, { type: "impossible" }>;

export function fileLines(path: string, { trace, lines, broken, otherNodes }: TraceFile): string[] {
  const others = otherNodes === 0 ? "" : `, ${whole(otherNodes)} lines of other nodes left out`;
  const found = `${path}: ${whole(trace.beats)} heartbeats of ${counted(trace.nodes.size, "node")} in ${whole(lines)} lines${others}`;
  if (broken.count === 0) return [found];
  const more =
    broken.count > broken.first.length ? [`    … and ${whole(broken.count - broken.first.length)} more`] : [];
  return [
    found,
    `  ${counted(broken.count, "broken line")} left out:`,
    ...broken.first.map(({ line, why }) => `    line ${line}: ${why}`),
    ...more,
  ];
}

export function trafficLines(traffic: TrafficSummary, outageMs: number): string[] {
  const { gaps, intervalMs, watchedMs, spanMs, nodes } = traffic;
  const together = nodes === 1 ? "" : `, ${shownDuration(watchedMs)} of all nodes together`;
  return [
    "What the traffic looks like",
    `  watched    ${shownDuration(spanMs)}${together}; a heartbeat every ${shownDuration(intervalMs)}`,
    `  gaps       p50 ${shownDuration(gaps.p50Ms)}, p99 ${shownDuration(gaps.p99Ms)}, p99.9 ${shownDuration(gaps.p999Ms)}, ` +
      `longest ${shownDuration(gaps.longestMs)}; mean ${shownDuration(gaps.meanMs)}, deviation ${shownDuration(gaps.deviationMs)}`,
    `  lost       ${lossSentence(traffic)}`,
    `  besides    ${besides(traffic, outageMs)}`,
    ...noteSentences(traffic).map((note) => `  note       ${note}`),
  ];
}

/** What the reader must know before relying on results from this traffic. */
export function noteSentences({ gaps, clockWentBack, dayCoveredMs }: TrafficSummary): string[] {
  return [
    ...(gaps.p50Ms < 1 ? ["the gaps are below 1 ms: are the times in another unit? (--unit s)"] : []),
    ...(clockWentBack > 0
      ? ["lines out of order are taken for a clock that went back, and tear holes: sort them by arrival"]
      : []),
    ...(dayCoveredMs < WHOLE_DAY_MS
      ? [
          `the trace covers ${shownDuration(dayCoveredMs)} of the 24h of a day: what comes at other hours, such as a backup or the ` +
            "day's peak, is not in it; record a whole day, better a week",
        ]
      : []),
  ];
}

/** A recording of a day that started late, or paused for a while, still counts as a whole day. */
const WHOLE_DAY_MS = 23 * 3_600_000;

function lossSentence({ loss }: TrafficSummary): string {
  if (loss === undefined) return "not known: the trace has no sequence numbers, so lost beats and late ones look alike";
  if (loss.lost === 0) return "none";
  const burst = loss.meanRun > 1.2 / (1 - loss.lossRate);
  return (
    `${whole(loss.lost)} (${percent(loss.lossRate)}) in ${counted(loss.runs, "run")}, ${threeDigits(loss.meanRun)} on average, ` +
    `the longest ${whole(loss.longestRun)}: ${burst ? "in bursts" : "singly, as independent losses are"}`
  );
}

function besides(
  { duplicates, reordered, restarts, clockWentBack, outages }: TrafficSummary,
  outageMs: number,
): string {
  const facts = [
    ...(duplicates > 0 ? [counted(duplicates, "duplicate")] : []),
    ...(reordered > 0 ? [`${whole(reordered)} reordered or replayed`] : []),
    ...(restarts > 0 ? [`${counted(restarts, "restart")} of a sender`] : []),
    ...(clockWentBack > 0 ? [`the clock went back ${counted(clockWentBack, "time")}`] : []),
    ...(outages.count > 0
      ? [
          `${counted(outages.count, "silence")} of ${shownDuration(outageMs)} or more taken for outages, not false alarms ` +
            `(the longest ${shownDuration(outages.longestMs)}; --outages-from)`,
        ]
      : []),
  ];
  return facts.length === 0 ? "no duplicates, reordering, restarts or outages" : facts.join(", ");
}

export function recommendationLines({ goal, recommendation, evidence, traffic }: Recommended): string[] {
  const { model, windowSize, threshold, ceilingMs } = recommendation;
  const { silence, alarms, heldOutAlarms, atMostPerMs, continuedPerMs, shown } = evidence;
  const sure = percent(goal.confidence);
  const fixed = model === "fixed";
  const what = fixed
    ? `a fixed timeout of ${shownDuration(ceilingMs)}, because nothing that learns will do`
    : `${model} model, ${model === "adaptive" ? "" : `window ${windowSize}, `}threshold ${threshold}`;
  const proof = shown
    ? [`  proven     by this trace, at ${sure}: at most ${shownRate(atMostPerMs)}`]
    : [
        `  NOT PROVEN by this trace: ${shownDuration(traffic.watchedMs)} with ${counted(heldOutAlarms, "false alarm")} show only that there are at most ` +
          `${shownRate(atMostPerMs)} (${sure})`,
        `             continuing the tail of the silences gives at most ${shownRate(continuedPerMs ?? Number.NaN)}, if nothing comes that the trace has not met`,
        `             ${shownDuration(evidence.provenAfterMs)} without a false alarm, all nodes added up, would be proof`,
      ];
  return [
    `Recommended: ${what}`,
    `  declared   ${shownDuration(silence.p50Ms)} after the last heartbeat (p99 ${shownDuration(silence.p99Ms)}), and never later than ${shownDuration(ceilingMs)}`,
    `  alarms     ${whole(alarms)} false ones in the trace, ${whole(heldOutAlarms)} in tenths of it that had no part in the choice`,
    ...proof,
    "",
    "# into the group, in place of its sections of these names",
    ...fragmentYaml(fragmentOf(recommendation)).trimEnd().split("\n"),
  ];
}

export function impossibleLines(result: Impossible): string[] {
  const helps = helpSentences(result);
  const advice =
    helps.length === 0 ? [] : ["  what would help, each on its own:", ...helps.map((help) => `    - ${help}`)];
  return [`Not possible with this trace: ${whySentence(result)}`, ...advice];
}

/** Why there is no recommendation, in a sentence. */
export function whySentence({ why, goal, traffic, needs }: Impossible): string {
  const within = shownDuration(goal.detectWithinMs);
  switch (why) {
    case "interval-too-long":
      return `heartbeats come every ${shownDuration(traffic.intervalMs)}, and two of them do not fit into ${within}: one that is lost or late would be a declaration.`;
    case "silences-too-long":
      return `${counted(needs.silences, "silence")} of nodes that lived lasted ${within} or longer (the longest ${shownDuration(traffic.gaps.longestMs)}): whatever declares within ${within} makes ${shownRate(needs.silences / traffic.watchedMs)} false alarms, and ${shownRate(goal.alarmsPerMs)} is allowed.`;
    case "tail-too-heavy":
      return `no choice can be shown to keep ${shownRate(goal.alarmsPerMs)}: silences up to ${shownDuration(traffic.gaps.longestMs)} in ${shownDuration(traffic.watchedMs)} let longer ones than ${within} be expected too often (${percent(goal.confidence)}).`;
    case "trace-too-short":
      return `it watches ${shownDuration(traffic.watchedMs)}, less than a thousandth of the time in which one false alarm is allowed, and nothing can be said about what is so rare.`;
  }
}

/** What would help, one sentence each. */
export function helpSentences({ why, goal, needs, traffic }: Impossible): string[] {
  const { intervalMs, detectWithinMs, alarmsPerMs, watchedMs, leastWatchedMs } = needs;
  const proof = `a trace of at least ${shownDuration(watchedMs)} (all nodes added up) without a false alarm would be proof`;
  if (why === "trace-too-short")
    return [
      `needs a trace of at least ${shownDuration(leastWatchedMs)}, all nodes added up; ${proof}`,
      ...moreAlarms(alarmsPerMs),
    ];
  return [
    ...(intervalMs === undefined
      ? []
      : [
          `needs ${shownDuration(intervalMs)} heartbeats, or faster ones (an estimate from what made these late or lost)`,
        ]),
    ...(why === "silences-too-long" && intervalMs === undefined && traffic.intervalMs > 5 ? [NO_INTERVAL] : []),
    ...(detectWithinMs === undefined || detectWithinMs <= goal.detectWithinMs
      ? []
      : [`allow ${shownDuration(roundedUp(detectWithinMs))} to detect`]),
    ...moreAlarms(alarmsPerMs),
    ...(why === "tail-too-heavy" ? [`needs a longer trace: ${proof}`] : []),
    ...(why === "tail-too-heavy" && traffic.loss === undefined ? [NUMBERS] : []),
  ];
}

const NO_INTERVAL =
  "mend what causes the silences, such as stalls or a lossy path: they are longer than any interval, so that faster heartbeats alone would not help";

function moreAlarms(alarmsPerMs: number | undefined): string[] {
  return alarmsPerMs === undefined ? [] : [`allow ${shownRate(alarmsPerMs * 1.005)} false alarms`];
}

const NUMBERS = "record sequence numbers: lost beats can then be told from late ones, and each judged by its own rule";

/** Rounded up to two digits, because a time that is rounded down would be too short. */
function roundedUp(ms: number): number {
  const step = 10 ** (Math.floor(Math.log10(ms)) - 1);
  return Math.ceil(ms / step - 1e-9) * step;
}

function counted(count: number, what: string): string {
  return `${whole(count)} ${what}${count === 1 ? "" : "s"}`;
}
