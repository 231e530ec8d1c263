/**
 * What one run of a drill showed, from what the stage observed: detection, recovery, false alarms
 * and broken promises, with the sentences for the journal. It also says whether more waiting could
 * change the result. Pure: facts and instants in, a result out.
 */
import type { DrillExpectation } from "../experiment/experiment.ts";
import { detect, recover, relapses } from "./measure.ts";
import type { Detection, Observations } from "./observations.ts";
import type { PromiseSettings, StageSettings } from "./settings.ts";
import { SteadyTimeline } from "./steady-timeline.ts";

/** Instants on the machine's clock. */
interface FaultInstants {
  readonly askedAtMs: number;
  readonly faultAtMs: number;
  readonly liftedAtMs: number | null;
}

/** What is measured. `fault` null: a run without a fault. */
export interface Asked {
  readonly fault: FaultInstants | null;
  readonly expect: DrillExpectation;
}

export interface AskedAt extends Asked {
  readonly armedMs: number;
  readonly nowMs: number;
}

interface StageMark {
  readonly atMs: number;
  readonly kind: string;
  readonly text: string;
}

export interface StageMeasured {
  readonly mttdMs: number | null;
  readonly mttrMs: number | null;
  readonly falseAlarm: string | null;
  readonly broken: readonly string[];
  readonly marks: readonly StageMark[];
  /** False: to wait may still change the result. */
  readonly isFinal: boolean;
}

/** Without a bound of the drill, recovery is waited for so long, in ms. */
const DEFAULT_RECOVERY_MS = 30_000;
/** A recovery that comes too late is waited for so long, because its length is worth knowing. */
const LATE_MS = 10_000;
const MAX_DETECTION_MARKS = 50;

type Facts = Pick<
  Observations,
  "records" | "open" | "samples" | "doublings" | "sources" | "detections" | "promotions"
> & {
  executionsOf(command: string): number;
};

export function measureFault(seen: Facts, settings: StageSettings, asked: AskedAt): StageMeasured {
  const { steady, detect: kinds } = settings;
  const { fault, expect, armedMs, nowMs } = asked;
  const timeline = new SteadyTimeline(seen, steady, nowMs);
  const detections = seen.detections.filter(({ kind, atMs }) => kinds.includes(kind) && atMs >= armedMs);
  const marks = detections.slice(0, MAX_DETECTION_MARKS).map(markOf);
  const broken = brokenPromises(seen, settings.promises, timeline, asked);
  const totals = totalsMark(seen, asked);
  if (fault === null) {
    const falseAlarm = detections[0] === undefined ? null : sentenceOf(detections[0]);
    return { mttdMs: null, mttrMs: null, falseAlarm, broken, marks: byTime([...marks, totals]), isFinal: true };
  }
  const { faultAtMs, askedAtMs, liftedAtMs } = fault;
  const found = detect(detections, { armedMs, beganMs: askedAtMs, faultMs: faultAtMs });
  const window = {
    ...{ faultMs: faultAtMs, liftedMs: liftedAtMs ?? undefined, from: expect.recoverFrom },
    ...{ knownMs: knownUntil(seen, nowMs), windowMs: steady.windowMs },
  };
  const recovery = recover(timeline, window);
  if (recovery.lostMs !== undefined)
    marks.push({ atMs: recovery.lostMs, kind: "lost", text: "the steady state was lost" });
  const mttrMs = recovery.type === "recovered" ? recovery.mttrMs : null;
  if (recovery.type === "recovered") {
    const { atMs } = recovery;
    marks.push({ atMs, kind: "recovered", text: `the steady state holds for ${steady.windowMs} ms from here on` });
    const again = relapses(timeline, atMs, window.knownMs, steady.windowMs);
    for (const lostMs of again)
      marks.push({ atMs: lostMs, kind: "lost-again", text: "the steady state was lost again" });
    const allowed = settings.promises.relapses;
    if (allowed !== undefined && again.length > allowed)
      broken.push(`the steady state was lost again ${again.length} times; allowed are ${allowed}`);
  }
  return {
    mttdMs: found.mttdMs ?? null,
    mttrMs,
    falseAlarm: falseAlarmOf(found.falseAlarms[0], expect, found.first),
    broken,
    marks: byTime([...marks, totals]),
    isFinal: isFinal(asked, mttrMs !== null, found.mttdMs !== undefined, steady.windowMs),
  };
}

function falseAlarmOf(
  early: Detection | undefined,
  { detectWithinMs }: DrillExpectation,
  first: Detection | undefined,
): string | null {
  const alarm = early ?? (detectWithinMs === "never" ? first : undefined);
  return alarm === undefined ? null : sentenceOf(alarm);
}

/** Whether nothing that may still come would change the verdict. */
function isFinal(
  { fault, expect, nowMs }: AskedAt,
  hasRecovered: boolean,
  hasDetected: boolean,
  windowMs: number,
): boolean {
  if (fault === null) return true;
  const { detectWithinMs, recoverWithinMs = DEFAULT_RECOVERY_MS, recoverFrom } = expect;
  const originMs = recoverFrom === "lift" ? (fault.liftedAtMs ?? fault.faultAtMs) : fault.faultAtMs;
  const isRecoveryOver = hasRecovered || nowMs >= originMs + recoverWithinMs + windowMs + LATE_MS;
  const isDetectionOver =
    hasDetected || typeof detectWithinMs !== "number" || nowMs >= fault.faultAtMs + detectWithinMs + LATE_MS;
  return isRecoveryOver && isDetectionOver;
}

/** Until when all is known: before the oldest judged command that is open and not overdue. */
function knownUntil({ open, sources }: Facts, nowMs: number): number {
  let knownMs = nowMs;
  for (const { source, sentMs } of open.values()) {
    const terms = sources.get(source);
    if (terms?.isJudged && nowMs <= sentMs + terms.answerWithinMs) knownMs = Math.min(knownMs, sentMs);
  }
  return knownMs;
}

function brokenPromises(
  seen: Facts,
  promises: PromiseSettings,
  timeline: SteadyTimeline,
  { armedMs, nowMs }: AskedAt,
): string[] {
  const { ackedLoss, doubled } = timeline.at(armedMs, nowMs);
  const judged = judgedSince(seen, armedMs);
  const errors = judged.filter(({ error }) => error !== undefined).length;
  const bounds: ReadonlyArray<readonly [what: string, value: number, bound: number | undefined]> = [
    ["acknowledged commands that were not executed", ackedLoss, promises.ackedLoss],
    ["commands that were executed again", doubled, promises.doubled],
    ["promotions", seen.promotions.filter((atMs) => atMs >= armedMs).length, promises.promotions],
    ["ms without a good answer", longestOutageMs(seen, timeline, armedMs), promises.unavailableMs],
    ["errors that reached judged callers", errors, promises.errors],
    ["share of errors of judged callers", judged.length === 0 ? 0 : errors / judged.length, promises.errorRatio],
  ];
  return bounds
    .filter(([, value, bound]) => bound !== undefined && value > bound)
    .map(([what, value, bound]) => `${shown(value)} ${what}; allowed are ${bound}`);
}

/** The longest time between two good answers in which a judged command went wrong. */
function longestOutageMs(seen: Facts, { breaches }: SteadyTimeline, armedMs: number): number {
  const judged = judgedSince(seen, armedMs);
  const good = judged.filter(({ error }) => error === undefined).map(({ endedMs }) => endedMs);
  const last = judged.reduce((latest, { endedMs }) => Math.max(latest, endedMs), armedMs);
  const answers = [armedMs, ...good.sort((a, b) => a - b), last];
  let longest = 0;
  for (const [place, atMs] of answers.entries()) {
    const beforeMs = answers[place - 1];
    if (beforeMs === undefined || atMs - beforeMs <= longest) continue;
    if (breaches.some(({ fromMs, toMs }) => fromMs < atMs && toMs > beforeMs)) longest = atMs - beforeMs;
  }
  return longest;
}

function judgedSince({ records, sources }: Facts, sinceMs: number): Facts["records"] {
  return records.filter(({ source, sentMs }) => sentMs >= sinceMs && sources.get(source)?.isJudged === true);
}

function totalsMark(seen: Facts, { armedMs, nowMs }: AskedAt): StageMark {
  const judged = judgedSince(seen, armedMs);
  const errors = judged.filter(({ error }) => error !== undefined);
  const kinds = [...new Set(errors.map(({ error }) => error as string))].slice(0, 5);
  const why = kinds.length === 0 ? "" : ` (${kinds.join(", ")})`;
  const text = `${judged.length} judged commands ended, ${errors.length} of them with an error${why}`;
  return { atMs: nowMs, kind: "totals", text };
}

function markOf(detection: Detection): StageMark {
  return { atMs: detection.atMs, kind: "detected", text: sentenceOf(detection) };
}

function sentenceOf({ kind, sentence }: Detection): string {
  return `${kind}: ${sentence}`;
}

function byTime(marks: readonly StageMark[]): StageMark[] {
  return [...marks].sort((a, b) => a.atMs - b.atMs);
}

function shown(value: number): string {
  return String(Math.round(value * 1_000) / 1_000);
}
