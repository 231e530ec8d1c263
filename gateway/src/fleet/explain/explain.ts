/**
 * Explains a group to the operator on call: the last switch, circuits that opened, the present, and
 * the requests that were refused or moved; or one request by its id. It reads what is remembered
 * and changes nothing.
 */
import type { StationStatus } from "ground-station-failover";
import type { CallHistory, CallRecord } from "../call-history.ts";
import { factsOf, fieldsOfEvidence, stepOf } from "./event-step.ts";
import { type Chapter, type ExplainedStep, type Explanation, lasted, type NextStep, step } from "./explanation.ts";
import type { GroupStory } from "./group-story.ts";
import { endedWith, requestChapter } from "./request-chapter.ts";
import { type Present, switchChapter } from "./switch-chapter.ts";

/** Requests that are listed, and those with one id that are told. */
const MAX_LISTED = 10;
const MAX_SAME_ID = 3;
/** The newest so many are counted by their outcome. */
const COUNTED = 1_000;

export interface Explained {
  readonly group: string;
  readonly story: GroupStory;
  readonly calls: CallHistory;
  readonly present: Present;
}

/** Explains the group, or the request `requestId` of it. */
export function explain({ group, story, calls, present }: Explained, requestId?: string): Explanation {
  const { status, unixMs } = present;
  const about = { group, unixMs, active: status.active, epoch: status.epoch, request: requestId };
  if (requestId === undefined) {
    const chapters = [
      switchChapter(group, story.lastSwitch, present),
      ...breakerChapters(story, present),
      nowChapter(present),
      requestsChapter(group, calls),
    ];
    return { ...about, found: true, chapters };
  }
  const found = calls.find(group, requestId, MAX_SAME_ID);
  if (found.length === 0) return { ...about, found: false, chapters: [forgottenChapter(group, requestId, calls)] };
  return { ...about, found: true, chapters: found.map((call) => requestChapter(call, story.recent, present.settings)) };
}

function breakerChapters(story: GroupStory, present: Present): Chapter[] {
  return present.status.stations.flatMap((station) => {
    const trip = story.trips.get(station.name);
    const state = station.breaker?.state ?? "closed";
    if (trip === undefined && state === "closed") return [];
    const steps: ExplainedStep[] = [
      ...(trip === undefined ? [] : [stepOf(trip, present.settings)]),
      step(circuitNow(station), { unixMs: present.unixMs }),
    ];
    return [
      {
        ...{ kind: "breaker", title: `The circuit of ${station.name}: ${state}`, steps },
        next: probeOf(station, present),
        numbers: { station: station.name, state, ...figuresOf(station) },
      },
    ];
  });
}

function circuitNow({ name, breaker }: StationStatus): string {
  if (breaker === undefined) return `${name} has no circuit`;
  const { state, calls, failures, rule } = breaker;
  const because = rule === "" ? "" : `: ${rule}`;
  return `circuit of ${name} is ${state} now${because}; ${failures} of ${calls} commands failed in its window`;
}

function figuresOf({ breaker }: StationStatus): Record<string, number> {
  return breaker === undefined ? {} : { calls: breaker.calls, failures: breaker.failures };
}

function probeOf({ name, breaker }: StationStatus, { nowMs, unixMs }: Present): readonly NextStep[] {
  const atMs = breaker?.nextProbeAtMs;
  if (atMs === undefined) return [];
  const inMs = Math.max(0, atMs - nowMs);
  const sentence = inMs === 0 ? `a probe of ${name} may go now` : `the next probe of ${name} may go in ${lasted(inMs)}`;
  return [{ sentence, unixMs: unixMs + inMs }];
}

function nowChapter(present: Present): Chapter {
  const { status } = present;
  const { active, epoch, waiting, parked, overloaded, stations } = status;
  const steps = stations.map((station) => stationStep(station, present));
  const waits = waiting + parked;
  const load = overloaded ? "less than half of what ends is answered well (overload)" : "the load is answered";
  const next = stations.flatMap((station) => {
    const { maintenance, name } = station;
    if (maintenance === undefined) return [];
    const leftMs = maintenance.untilMs - present.nowMs;
    return [{ sentence: `maintenance of ${name} ends by itself`, unixMs: present.unixMs + leftMs }];
  });
  return {
    ...{
      kind: "now",
      title: `Now: ${active} serves under epoch ${epoch}; ${waits} commands wait; ${load}`,
      steps,
      next,
    },
    numbers: { active, epoch, waiting, parked, overloaded },
  };
}

function stationStep(station: StationStatus, { unixMs, settings }: Present): ExplainedStep {
  const { name, active, liveness, level, assessment, doubted, inFlight } = station;
  const may = assessment.eligible ? "may serve" : "may not serve";
  const phi = typeof level === "number" && level < 1e6 ? String(Math.round(level * 100) / 100) : "beyond measure";
  const sentence =
    `${name}${active ? " serves, and" : ""} ${may}: ${liveness}, suspicion ${phi}, ${inFlight} commands out` +
    (doubted ? "; new commands avoid it for the moment" : "");
  const of = fieldsOfEvidence(assessment.evidence);
  return step(sentence, { unixMs, because: factsOf(assessment.evidence), settings: settings.of(...of) });
}

function requestsChapter(group: string, calls: CallHistory): Chapter {
  const { kept, forgotten } = calls.figures(group);
  const newest = calls.newest(group, COUNTED);
  const counts = new Map<string, number>();
  for (const { outcome } of newest) counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
  const steps = newest.slice(0, MAX_LISTED).map((call) => step(inOneLine(call), { unixMs: call.at }));
  const counted = [...counts].map(([outcome, count]) => `${count} × ${outcome}`).join(", ");
  const title =
    kept === 0
      ? "Requests: none was refused, failed, moved or kept waiting since the start"
      : `Requests that were refused, failed, moved or kept waiting: ${counted}`;
  const next =
    kept === 0 ? [] : [{ sentence: `gsf explain ${group} ID tells what happened to one of them`, unixMs: undefined }];
  return { kind: "requests", title, steps, next, numbers: { kept, forgotten, ...Object.fromEntries(counts) } };
}

function inOneLine(call: CallRecord): string {
  const { requestId, method, path, attempts, described } = call;
  const stations = [...new Set(described.map(({ station }) => station))].join(" → ");
  const way = stations === "" ? "not sent" : `${attempts} ${attempts === 1 ? "attempt" : "attempts"}, ${stations}`;
  return `${requestId}: ${method} ${path}: ${endedWith(call)} (${way})`;
}

function forgottenChapter(group: string, requestId: string, calls: CallHistory): Chapter {
  const { kept, forgotten, oldestAt } = calls.figures(group);
  const steps = [
    step(`nothing is remembered of ${requestId} in ${group}`),
    step(
      "a request that went to its station at once and was answered below 500 is not remembered: there is nothing to explain",
    ),
    step(
      `${kept} requests are remembered, ${forgotten} older ones are forgotten` +
        (kept === 0 ? "; a restart forgets all" : "; the oldest that is remembered came then"),
      { unixMs: oldestAt },
    ),
  ];
  const next = [
    {
      sentence: "the access log has a line for each request that failed, moved, waited or was slow",
      unixMs: undefined,
    },
  ];
  const numbers = { requestId, kept, forgotten };
  return { kind: "request", title: `Request ${requestId}: not remembered`, steps, next, numbers };
}
