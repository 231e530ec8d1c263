/**
 * A calibration as one JSON object, for programs. It contains everything that the sentences say,
 * with durations in ms and rates per day.
 */
import type { CalibrationResult, TradeOffCurve } from "ground-station-failover/calibration";
import type { TraceFile } from "../adapters/heartbeats/trace-file.ts";
import { fragmentOf, fragmentYaml } from "./fragment.ts";
import { helpSentences, noteSentences, whySentence } from "./report.ts";

const DAY_MS = 24 * 3_600_000;

/** `refused`: why this user cannot use the recommendation. */
export function resultJson(
  path: string,
  file: TraceFile,
  result: CalibrationResult,
  refused: string | undefined,
): object {
  const { goal, traffic, curves } = result;
  const common = {
    trace: { path, lines: file.lines, broken: file.broken, otherNodes: file.otherNodes },
    goal: {
      detectWithinMs: goal.detectWithinMs,
      falseAlarmsPerDay: perDay(goal.alarmsPerMs),
      confidence: goal.confidence,
      outagesFromMs: goal.outageMs,
    },
    traffic,
    notes: noteSentences(traffic),
  };
  const tradeOff = curves.map(curveJson);
  if (result.type === "impossible") {
    const { alarmsPerMs, ...needs } = result.needs;
    return {
      verdict: "impossible",
      why: result.why,
      sentence: whySentence(result),
      help: helpSentences(result),
      needs: { ...needs, falseAlarmsPerDay: alarmsPerMs === undefined ? undefined : perDay(alarmsPerMs) },
      ...common,
      tradeOff,
    };
  }
  const { atMostPerMs, continuedPerMs, shown, provenAfterMs, silence, alarms, heldOutAlarms } = result.evidence;
  const fragment = fragmentOf(result.recommendation);
  return {
    verdict: refused === undefined ? "recommended" : "refused",
    ...(refused === undefined ? {} : { sentence: refused }),
    proven: shown,
    recommendation: result.recommendation,
    evidence: {
      silence,
      falseAlarms: alarms,
      heldOutFalseAlarms: heldOutAlarms,
      atMostPerDay: perDay(atMostPerMs),
      continuedTailAtMostPerDay: continuedPerMs === undefined ? undefined : perDay(continuedPerMs),
      provenAfterMs,
    },
    configuration: fragment,
    yaml: fragmentYaml(fragment),
    ...common,
    tradeOff,
  };
}

function curveJson({ points, ...curve }: TradeOffCurve): object {
  return {
    ...curve,
    points: points.map(({ level, silenceMs, alarmsPerMs, counted }) => ({
      level,
      silenceMs,
      falseAlarmsPerDay: Number.isFinite(alarmsPerMs) ? perDay(alarmsPerMs) : null,
      counted,
    })),
  };
}

function perDay(perMs: number): number {
  return perMs * DAY_MS;
}
