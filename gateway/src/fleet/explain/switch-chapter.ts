/**
 * Explains the last switch of a group: the last sign of life, the signs against the old station
 * with their levels and thresholds, the declaration, the promotion with its evidence, and what
 * followed. Only events that speak of the stations concerned are told.
 */
import type { GroupStatus } from "../group.ts";
import type { GroupEvent } from "../group-events.ts";
import { stepOf } from "./event-step.ts";
import { type Chapter, type ExplainedStep, lasted, type NextStep, step } from "./explanation.ts";
import type { GoverningSettings } from "./governing-settings.ts";
import type { SwitchStory, ToldEvent } from "./group-story.ts";

/** Signs that are older than this have nothing to do with the switch, in ms. */
const MAX_SIGN_AGE_MS = 600_000;
/** Events after the switch that are told. */
const MAX_AFTER = 6;
const WORTH_TELLING_AFTER: ReadonlySet<string> = new Set([
  ...["capacity-learned", "overload", "overload-ended", "streams-cut", "breaker", "no-eligible-station"],
  ...["handover-begun", "handover-ended", "doubted", "trusted"],
]);

/** What an explanation needs to know of the present. */
export interface Present {
  readonly status: GroupStatus;
  /** On the clock of the status, and the time of day at the same moment. */
  readonly nowMs: number;
  readonly unixMs: number;
  readonly settings: GoverningSettings;
}

export function switchChapter(group: string, story: SwitchStory | undefined, present: Present): Chapter {
  if (story === undefined) {
    const { active, epoch } = present.status;
    const sentence = `no switch is remembered: ${active} serves under epoch ${epoch}`;
    return { kind: "switch", title: "The last switch", steps: [step(sentence)], next: [], numbers: { known: false } };
  }
  const { promoted } = story;
  const { from, station, epoch, cause, waiting, inFlight } = promoted.event;
  const all = signsOf(story);
  const lastHeard = lastHeardOf(all, promoted);
  const signs = all.filter(({ event, unixMs }) => event.type !== "abstention" || unixMs >= (lastHeard ?? unixMs));
  const steps: ExplainedStep[] = [
    ...(lastHeard === undefined ? [] : [step(`${from} was heard for the last time`, { unixMs: lastHeard })]),
    ...signs.map((told) => stepOf(told, present.settings)),
    stepOf(promoted, present.settings),
    ...afterwards(story, present),
    ...rampSteps(station, present),
  ];
  const began = lastHeard ?? signs[0]?.unixMs;
  const tookMs = cause === "failure" && began !== undefined ? promoted.unixMs - began : null;
  const title =
    `The last switch: ${from} → ${station}, cause ${cause}, epoch ${epoch}` +
    (tookMs === null ? "" : `, ${lasted(tookMs)} after the first sign`);
  const numbers = { known: true, from, to: station, epoch, cause, tookMs, waiting, inFlight, unixMs: promoted.unixMs };
  const ordered = steps.toSorted((one, other) => (one.unixMs ?? 0) - (other.unixMs ?? 0));
  return { kind: "switch", title, steps: ordered, next: nextOf(group, story, present), numbers };
}

/** Events about the old station since it was last well. */
function signsOf({ before, promoted }: SwitchStory): readonly ToldEvent[] {
  const { from, station } = promoted.event;
  const about = before.filter(
    ({ event, unixMs }) => speaksOf(event, from, station) && promoted.unixMs - unixMs <= MAX_SIGN_AGE_MS,
  );
  const wellAgain = about.findLastIndex(({ event }) => isWell(event, from));
  return about.slice(wellAgain + 1);
}

function speaksOf(event: GroupEvent, from: string, to: string): boolean {
  if (event.type === "abstention") return true;
  if (event.type === "declaration") return event.node === from || (event.node === to && event.to !== "alive");
  if (event.type === "handover-begun") return event.station === to;
  return "station" in event && event.station === from;
}

function isWell(event: GroupEvent, station: string): boolean {
  switch (event.type) {
    case "declaration":
      return event.node === station && event.to === "alive";
    case "trusted":
      return event.station === station;
    default:
      return false;
  }
}

function lastHeardOf(signs: readonly ToldEvent[], promoted: ToldEvent): number | undefined {
  for (const { event, unixMs } of [...signs, promoted].toReversed()) {
    if (event.type !== "declaration" || event.to !== "down") continue;
    if (typeof event.silentForMs === "number") return unixMs - event.silentForMs;
  }
  return undefined;
}

function afterwards({ after, promoted }: SwitchStory, { settings }: Present): readonly ExplainedStep[] {
  const { station, from } = promoted.event;
  return after
    .filter(({ event }) =>
      event.type === "declaration"
        ? event.to === "down" && (event.node === from || event.node === station)
        : WORTH_TELLING_AFTER.has(event.type) &&
          (!("station" in event) || event.station === station || event.station === from),
    )
    .slice(0, MAX_AFTER)
    .map((told) => stepOf(told, settings));
}

/** How much the new station is given, as long as that is limited. */
function rampSteps(station: string, { status, unixMs, settings }: Present): readonly ExplainedStep[] {
  const found = status.stations.find(({ name }) => name === station);
  if (found === undefined || !found.active) return [];
  const { ramping, limit, ratePerSecond } = found.ramp;
  const pace = ratePerSecond < Number.POSITIVE_INFINITY ? `, ${rounded(ratePerSecond)} a second` : "";
  const sentence = ramping
    ? `${station} is given ${rounded(limit)} commands at once${pace}, and more as it answers them`
    : `${station} is given all commands: the ramp after its promotion is over`;
  return [step(sentence, { unixMs, settings: settings.capacityOf(station) })];
}

function rounded(limit: number): string {
  return limit < Number.POSITIVE_INFINITY ? String(Math.round(limit * 10) / 10) : "any number of";
}

function nextOf(group: string, { promoted }: SwitchStory, { status, settings }: Present): readonly NextStep[] {
  const { preferred, active } = status;
  if (active !== promoted.event.station) return [];
  if (preferred === active) return [{ sentence: `${active} is the station that serves by design`, unixMs: undefined }];
  const [mode] = settings.of("failback.mode");
  const station = status.stations.find(({ name }) => name === preferred);
  const against = station?.assessment.evidence.filter(({ verdict }) => verdict === "ineligible") ?? [];
  const isReady = station?.assessment.eligible === true;
  const state = isReady
    ? `${preferred} may serve`
    : `${preferred} may not serve yet: ${against.map(({ detail }) => detail).join("; ")}`;
  const way =
    mode?.value === "automatic"
      ? `it becomes active again once it has been proven healthy for ${lasted(station?.holdDownMs ?? 0)} without a break`
      : `it becomes active again only by order: gsf switchover ${group} --to ${preferred} --reason "…"`;
  const where = mode === undefined ? "" : ` (${mode.field}: ${mode.value})`;
  return [{ sentence: `${state}; ${way}${where}`, unixMs: undefined }];
}
