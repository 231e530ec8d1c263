/**
 * Explains what happened to one request: when it came, how long it waited, which stations it was
 * sent to and what came back, what its caller was told, and what the group went through meanwhile.
 */
import type { CallRecord } from "../call-history.ts";
import { type AttemptRecord, NO_ANSWER } from "../command-trace.ts";
import { stepOf } from "./event-step.ts";
import { type Chapter, type ExplainedStep, lasted, type NextStep, step } from "./explanation.ts";
import type { GoverningField, GoverningSettings } from "./governing-settings.ts";
import type { ToldEvent } from "./group-story.ts";

/** Events of the group from this long before the request came are told with it, in ms. */
const CONTEXT_MS = 5_000;
const MAX_CONTEXT = 8;
/** A shorter stall of the gateway itself is usual on a busy machine, in ms. */
const LONG_STALL_MS = 200;
/** Attempts that are told one by one. */
const MAX_ATTEMPTS = 5;
/** Waiting for less is not worth a step, in ms. */
const WORTH_TELLING_MS = 100;
const IN_CONTEXT: ReadonlySet<string> = new Set([
  ...["declaration", "promoted", "no-eligible-station", "breaker", "doubted", "overload", "abstention"],
  ...["local-shortage", "memory-used-up", "maintenance", "handover-begun", "retry-refused", "capacity-learned"],
  ...["spillover-begun", "spillover-ended"],
]);

/** The settings that decide about an outcome. */
const FIELDS: Readonly<Record<string, readonly GoverningField[]>> = {
  NO_ELIGIBLE_STATION: ["commands.maxWait", "commands.maxWaiting"],
  OVERLOADED: ["commands.maxConcurrent", "commands.maxWait"],
  DEADLINE_EXCEEDED: ["commands.deadline"],
  ATTEMPT_TIMEOUT: ["commands.timeout"],
  AMBIGUOUS_OUTCOME: ["commands.ambiguousKeyed"],
  MEMORY_USED_UP: ["callers.maxMemory", "callers.addressRatio"],
  REQUEST_TOO_LARGE: ["limits.request"],
  REQUEST_TOO_SLOW: ["callers.minUploadRate", "callers.maxUploadPause"],
};

/** What the codes mean that have no sentence of the gateway. */
const SENTENCES: Readonly<Record<string, string>> = {
  CALL_ABORTED: "its caller hung up before the answer was sent",
  REPLY_CUT: "the station's reply broke off, and the caller's connection was cut so that it is not taken for whole",
};

export function requestChapter(call: CallRecord, recent: readonly ToldEvent[], settings: GoverningSettings): Chapter {
  const timed = (ms: number): number => call.at + (ms - call.startedMs);
  const what = call.method === "" ? "data that is no request" : `${call.method} ${call.path}`;
  const steps: ExplainedStep[] = [
    step(`${what} came from ${call.caller}`, { unixMs: call.at }),
    ...waitSteps(call, timed, settings),
    ...attemptSteps(call, timed, settings),
    ...contextOf(call, recent, timed).map((told) => stepOf(told, settings)),
    endStep(call, timed, settings),
  ].toSorted((one, other) => (one.unixMs ?? 0) - (other.unixMs ?? 0));
  const { status, outcome, attempts } = call;
  const tookMs = call.endedMs - call.startedMs;
  const title = `Request ${call.requestId}: ${endedWith(call)} after ${lasted(tookMs)}`;
  const waitedMs = call.firstSentMs === undefined ? null : call.firstSentMs - call.startedMs;
  const numbers = { requestId: call.requestId, status: status ?? null, outcome, attempts, tookMs, waitedMs };
  return { kind: "request", title, steps, next: nextOf(call, timed), numbers };
}

/** `answered 200`, or `502 AMBIGUOUS_OUTCOME`. */
export function endedWith({ status, outcome }: CallRecord): string {
  if (/^\dxx$/.test(outcome)) return `answered ${status}`;
  return status === undefined ? `no answer, ${outcome},` : `${status} ${outcome}`;
}

function waitSteps(
  { firstSentMs, startedMs, attempts }: CallRecord,
  timed: (ms: number) => number,
  settings: GoverningSettings,
): readonly ExplainedStep[] {
  if (firstSentMs === undefined || firstSentMs - startedMs < WORTH_TELLING_MS || attempts === 0) return [];
  const waited = `it was sent after ${lasted(firstSentMs - startedMs)}: its body was read, or it waited for a station`;
  return [step(waited, { unixMs: timed(firstSentMs), settings: settings.of("commands.maxWait") })];
}

/** The first attempts and the last one in full; those between are counted by what came back. */
function attemptSteps(
  call: CallRecord,
  timed: (ms: number) => number,
  settings: GoverningSettings,
): readonly ExplainedStep[] {
  const { described, attempts } = call;
  const all = described.map((attempt, place) => attemptStep(call, attempt, place, timed, settings));
  if (all.length <= MAX_ATTEMPTS) return all;
  const [from, to] = [MAX_ATTEMPTS - 1, described.length - 1];
  const counts = new Map<string, number>();
  for (const { station, result } of described.slice(from, to)) {
    const what = `${station}: ${result === undefined ? "no answer" : shownResult(result)}`;
    counts.set(what, (counts.get(what) ?? 0) + 1);
  }
  const counted = [...counts].map(([what, count]) => `${count} × ${what}`).join(", ");
  const between = step(`attempts ${from + 1} to ${to}: ${counted}`, { unixMs: timed(described[from]?.startedMs ?? 0) });
  const more = attempts - described.length;
  const rest = step(`${more} more attempts, which are not described`, { unixMs: timed(call.endedMs) });
  return [...all.slice(0, from), between, ...all.slice(to), ...(more > 0 ? [rest] : [])];
}

function attemptStep(
  call: CallRecord,
  { station, epoch, startedMs, endedMs, result }: AttemptRecord,
  place: number,
  timed: (ms: number) => number,
  settings: GoverningSettings,
): ExplainedStep {
  const before = call.described[place - 1];
  const took = endedMs === undefined ? "" : ` within ${lasted(endedMs - startedMs)}`;
  const ended = result === undefined ? "it gave no answer that was waited for" : `${shownResult(result)}${took}`;
  const number = call.attempts === 1 ? "" : `attempt ${place + 1} of ${call.attempts}: `;
  return step(`${number}sent to ${station} under epoch ${epoch}: ${ended}`, {
    unixMs: timed(startedMs),
    because: before === undefined ? [] : [movedBecause(before, station, epoch)],
    settings: before?.station === station ? settings.of("retry.maxAttempts", "retry.budgetRatio") : [],
  });
}

function movedBecause(before: AttemptRecord, station: string, epoch: number): string {
  const where = station === before.station ? `sent to ${station} again` : `moved to ${station}`;
  if (before.result !== undefined && before.result !== NO_ANSWER)
    return `${where}, because of ${before.station}: ${shownResult(before.result)}`;
  if (epoch !== before.epoch) return `${where}, because ${station} was made active (epoch ${epoch}) while it was out`;
  return `${where}, because ${before.station} had not answered for longer than is usual`;
}

function shownResult(result: string): string {
  return /^\d{3}$/.test(result) ? `answered ${result}` : result;
}

function endStep(call: CallRecord, timed: (ms: number) => number, settings: GoverningSettings): ExplainedStep {
  const { outcome, detail, cause, status, timeLeftMs } = call;
  const isOwnDeadline = outcome === "DEADLINE_EXCEEDED" && timeLeftMs !== undefined;
  const because = [
    ...(isOwnDeadline ? [`its sender gave it ${lasted(timeLeftMs)}`] : []),
    ...(cause === undefined ? [] : [cause]),
  ];
  const told = status === undefined ? "its caller got no answer" : `its caller got ${status}`;
  const why = detail ?? SENTENCES[outcome] ?? "the station's reply, unchanged";
  const code = detail === undefined ? "" : ` ${outcome}`;
  return step(`${told}${code}: ${why}`, {
    unixMs: timed(call.endedMs),
    because,
    settings: isOwnDeadline ? [] : settings.of(...(FIELDS[outcome] ?? [])),
  });
}

function contextOf(
  { startedMs, endedMs }: CallRecord,
  recent: readonly ToldEvent[],
  timed: (ms: number) => number,
): readonly ToldEvent[] {
  const [from, to] = [timed(startedMs) - CONTEXT_MS, timed(endedMs)];
  return recent
    .filter(({ unixMs, event }) => unixMs >= from && unixMs <= to && IN_CONTEXT.has(event.type))
    .filter(({ event, unixMs }) => {
      if (event.type === "abstention") return unixMs >= timed(startedMs) && event.untilMs - event.atMs >= LONG_STALL_MS;
      return event.type !== "declaration" || event.to !== "alive";
    })
    .slice(-MAX_CONTEXT);
}

function nextOf(call: CallRecord, timed: (ms: number) => number): readonly NextStep[] {
  const next: NextStep[] = [];
  if (call.isOutcomeUnknown) {
    const sentence =
      "it may have been executed: send it again only under the same Idempotency-Key, or ask the service what became of it";
    next.push({ sentence, unixMs: undefined });
  } else if (call.detail !== undefined && (call.status ?? 0) >= 500) {
    next.push({ sentence: "nothing was executed: it is safe to send it again", unixMs: undefined });
  }
  if (call.retryAfterMs !== undefined) {
    const sentence = `its caller was told to come back after ${lasted(call.retryAfterMs)}`;
    next.push({ sentence, unixMs: timed(call.endedMs) + call.retryAfterMs });
  }
  return next;
}
