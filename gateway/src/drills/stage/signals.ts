/**
 * The live numbers of a stage, for stop conditions and for people: totals since it was steady, and
 * figures of a window that ends now. Every number is finite, so that any JSON reader takes it.
 */
import type { Observations } from "./observations.ts";
import type { SteadySettings } from "./settings.ts";
import { isAcknowledged, SteadyTimeline } from "./steady-timeline.ts";

/** Numbers by name. `docs/guide/drill-stage.md` says what each means. */
export interface StageSignals {
  readonly [name: string]: number;
}

export interface SignalsAt {
  readonly nowMs: number;
  readonly windowMs: number;
  /** When the stage became steady: totals begin here. */
  readonly armedMs: number;
}

/** The load reports many times a second; silent for longer, it proves nothing. */
export const LOAD_GAP_MS = 1_000;

export function stageSignals(seen: Observations, steady: SteadySettings, at: SignalsAt): StageSignals {
  const { nowMs, windowMs, armedMs } = at;
  const fromMs = nowMs - windowMs;
  const timeline = new SteadyTimeline(seen, steady, nowMs);
  const window = timeline.at(fromMs, nowMs);
  const total = timeline.at(armedMs, nowMs);
  const ended = seen.records.filter(({ endedMs, source }) => endedMs >= fromMs && seen.sources.get(source)?.isJudged);
  const errors = ended.filter((record) => record.error !== undefined);
  const times = ended.filter(isAcknowledged).map(({ sentMs, endedMs }) => endedMs - sentMs);
  const sample = seen.samples.at(-1);
  const isFresh = sample !== undefined && nowMs - sample.atMs <= steady.statusGapMs;
  return {
    steady: window.met && loadGapMs(seen, nowMs) <= LOAD_GAP_MS ? 1 : 0,
    acked_loss: total.ackedLoss,
    doubled: total.doubled,
    unavailable_ms: unavailableMs(seen, nowMs),
    error_ratio: ratio(errors.length, ended.length),
    goodput_ratio: window.goodRatio,
    bad_commands: total.bad,
    commands_per_second: (ended.length / windowMs) * 1_000,
    open_commands: seen.open.size,
    latency_p50_ms: quantile(times, 0.5),
    latency_p99_ms: quantile(times, 0.99),
    extra_ratio: ratio(window.extraAttempts, window.firstAttempts),
    healthy_stations: isFresh ? sample.eligible.length : 0,
    gateway_up: isFresh ? 1 : 0,
    epoch: sample?.epoch ?? 0,
    promotions: seen.promotions.filter((promotedMs) => promotedMs >= armedMs).length,
    detections: seen.detections.filter(({ atMs }) => atMs >= armedMs).length,
    waiting: sample?.waiting ?? 0,
    load_gap_ms: loadGapMs(seen, nowMs),
    forgotten: seen.forgotten,
  };
}

/** How long the load has not reported. */
export function loadGapMs({ loadReportedMs }: Observations, nowMs: number): number {
  return loadReportedMs === undefined ? Number.MAX_SAFE_INTEGER : Math.max(0, nowMs - loadReportedMs);
}

/**
 * For how long now no judged command has been answered well although one was sent: from the oldest
 * one that was sent after the last good answer and has waited for longer than it may. 0: available.
 */
function unavailableMs({ records, open, sources }: Observations, nowMs: number): number {
  const isJudged = (source: string): boolean => sources.get(source)?.isJudged === true;
  let lastGoodMs = Number.NEGATIVE_INFINITY;
  for (let place = records.length - 1; place >= 0; place--) {
    const record = records[place] as Observations["records"][number];
    if (!isJudged(record.source) || record.error !== undefined) continue;
    lastGoodMs = record.endedMs;
    break;
  }
  let sinceMs = nowMs;
  for (let place = records.length - 1; place >= 0; place--) {
    const { endedMs, sentMs, source, error } = records[place] as Observations["records"][number];
    if (endedMs < lastGoodMs) break;
    if (isJudged(source) && error !== undefined && sentMs > lastGoodMs) sinceMs = Math.min(sinceMs, sentMs);
  }
  for (const { sentMs, source } of open.values()) {
    const withinMs = sources.get(source)?.answerWithinMs ?? 0;
    if (isJudged(source) && sentMs > lastGoodMs && nowMs - sentMs > withinMs) sinceMs = Math.min(sinceMs, sentMs);
  }
  return Math.round(nowMs - sinceMs);
}

function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}

/** The value below which `share` of the values are; 0 if there are none. */
function quantile(values: readonly number[], share: number): number {
  const ascending = [...values].sort((a, b) => a - b);
  return ascending[Math.min(ascending.length - 1, Math.floor(ascending.length * share))] ?? 0;
}
