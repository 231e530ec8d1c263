/**
 * What must be so before a drill begins. All that is not so is told at once, because a person who
 * mends one reason after the other loses an hour. What is not known counts as not so.
 */
import { jsonpath } from "json-p3";
import type { Plan } from "../run/hooks.ts";
import { type Breach, breachesOf, outageBreach, type ResolvedInjection } from "./blast-radius.ts";
import { signalsIn } from "./condition.ts";
import { isInHours, shownOnWall } from "./hours.ts";
import { incidentState, textAt } from "./incident.ts";
import { reasonOf } from "./inverse.ts";
import { leverState } from "./lever.ts";
import { missingPass } from "./lower-environment.ts";
import { staffing } from "./on-call.ts";
import { isRunning } from "./process-identity.ts";
import { type ContactPass, passesInFile, passWithin } from "./protected-passes.ts";
import type { GuardrailSettings, NameSource } from "./settings.ts";
import { journalsIn, readJournal, removeJournal } from "./undo-journal.ts";

const ANSWER_WITHIN_MS = 3_000;
const MAX_BYTES = 2 ** 22;
const MAX_STATIONS = 1_000;

/** What a plan breaks before it begins. Empty: nothing. `wallMs`: ms since 1970. */
export async function brokenPreconditions(plan: Plan, settings: GuardrailSettings, wallMs: number): Promise<Breach[]> {
  const injections = resolved(plan);
  const healthy = await healthyStations(settings.stations);
  return [
    ...leverBreach(plan.store),
    ...leftovers(plan),
    ...environmentBreach(plan, settings, wallMs),
    ...hoursBreach(plan, settings, wallMs),
    ...(await onCallBreach(plan, settings, wallMs, plan.tell)),
    ...(await incidentBreach(settings)),
    ...passBreach(settings, wallMs, longestMs(plan, settings)),
    ...breachesOf(settings.blastRadius, injections),
    ...[outageBreach(settings.blastRadius, injections, healthy)].filter((one) => one !== undefined),
    ...expiryBreaches(plan, settings),
    ...sourceBreaches(plan, settings),
  ];
}

/** What the injections of a plan hit. */
export function resolved(plan: Plan): ResolvedInjection[] {
  return plan.injections.map(({ activity, prepared }) => ({ activity, targets: prepared.targets }));
}

/** The lever, if it is engaged. */
export function leverBreach(store: string): Breach[] {
  const { isEngaged, by, at, reason } = leverState(store);
  if (!isEngaged) return [];
  const who = by === undefined ? reason : `halted by ${by} at ${at ?? "?"}${reason === "" ? "" : `: ${reason}`}`;
  return [{ rule: "lever", observed: `${who}; release it with: gsf chaos release --by NAME` }];
}

/** Faults that an earlier run left. */
function leftovers({ store, isDry }: Plan): Breach[] {
  const rule = "leftover";
  try {
    return journalsIn(store).flatMap((path) => {
      const record = readJournal(path);
      if (record === undefined || (record.runner !== undefined && isRunning(record.runner))) return [];
      if (record.open.length === 0 && record.unreadableLines.length === 0 && record.runner !== undefined) {
        // It died before its first fault, or behind its last one.
        if (!isDry) removeJournal(path);
        return [];
      }
      return [
        { rule, observed: `run ${record.runId} left ${record.open.length} faults; lift them with: gsf chaos recover` },
      ];
    });
  } catch (error) {
    return [{ rule, observed: reasonOf(error) }];
  }
}

function environmentBreach(plan: Plan, settings: GuardrailSettings, wallMs: number): Breach[] {
  const { environments, requirePassedIn, passedMaxAgeMs } = settings;
  const place = environments.indexOf(plan.environment);
  if (place === -1) {
    const observed = `${JSON.stringify(plan.environment)} is not in environments (${environments.join(", ")})`;
    return [{ rule: "environment", observed }];
  }
  const lower = requirePassedIn === "previous" ? environments[place - 1] : requirePassedIn;
  if (lower === undefined || lower === "none") return [];
  // The lowest environment, and the required one itself, need no run before.
  if (environments.indexOf(lower) >= place) return [];
  const { store, specHash } = plan;
  const missing = missingPass(store, { specHash, environment: lower, maxAgeMs: passedMaxAgeMs, wallMs });
  return missing === undefined ? [] : [{ rule: "lower-environment", observed: missing }];
}

function isLowest({ environment }: Plan, { environments }: GuardrailSettings): boolean {
  return environment === environments[0];
}

function hoursBreach(plan: Plan, settings: GuardrailSettings, wallMs: number): Breach[] {
  const { businessHours } = settings;
  const rule = "business-hours";
  if (businessHours === "any") return [];
  if (businessHours === undefined)
    return isLowest(plan, settings) ? [] : [{ rule, observed: `${plan.environment} needs businessHours (or "any")` }];
  const end = new Date(wallMs + longestMs(plan, settings));
  const outside = [new Date(wallMs), end].find((at) => !isInHours(businessHours, at));
  if (outside === undefined) return [];
  const { days, from, to, timezone } = businessHours;
  const what = outside === end ? "the drill could last until" : "it is";
  return [
    { rule, observed: `${what} ${shownOnWall(timezone, outside)}; allowed are ${days.join(", ")} ${from} to ${to}` },
  ];
}

async function onCallBreach(
  plan: Plan,
  settings: GuardrailSettings,
  wallMs: number,
  tell: Plan["tell"],
): Promise<Breach[]> {
  const { onCall } = settings;
  const rule = "on-call";
  if (onCall === "none") return [];
  if (onCall === undefined)
    return isLowest(plan, settings) ? [] : [{ rule, observed: `${plan.environment} needs onCall (or "none")` }];
  const found = await staffing(onCall, wallMs);
  if (!found.isStaffed) return [{ rule, observed: found.observed }];
  tell(`on call: ${found.who}`);
  return [];
}

async function incidentBreach({ incident }: GuardrailSettings): Promise<Breach[]> {
  if (incident === undefined) return [];
  const state = await incidentState(incident);
  return state.kind === "none" ? [] : [{ rule: "incident", observed: state.observed }];
}

function passBreach(settings: GuardrailSettings, wallMs: number, longest: number): Breach[] {
  const passes = allPasses(settings);
  if (typeof passes === "string") return [{ rule: "protected-pass", observed: passes }];
  const pass = passWithin(passes, wallMs, wallMs + longest, settings.passMarginMs);
  if (pass === undefined) return [];
  return [
    { rule: "protected-pass", observed: `${pass.name} is from ${pass.from} to ${pass.to}, with a margin before it` },
  ];
}

/** The passes of the settings and of their file, or why those are not known. */
export function allPasses(settings: GuardrailSettings): readonly ContactPass[] | string {
  const { protectedPasses, protectedPassesFile } = settings;
  if (protectedPassesFile === undefined) return protectedPasses;
  const more = passesInFile(protectedPassesFile);
  return typeof more === "string" ? more : [...protectedPasses, ...more];
}

/** For how long the baseline and the faults can last. */
function longestMs({ injections }: Plan, { baselineMs }: GuardrailSettings): number {
  return baselineMs + Math.max(0, ...injections.map(({ prepared }) => prepared.expiresAfterMs));
}

/** Injections that may stay too long. */
export function expiryBreaches({ injections }: Pick<Plan, "injections">, settings: GuardrailSettings): Breach[] {
  const { maxDurationMs } = settings;
  return injections
    .filter(({ prepared: { expiresAfterMs } }) => !(expiresAfterMs > 0 && expiresAfterMs <= maxDurationMs))
    .map(({ activity, prepared }) => {
      const observed = `"${activity}" would last up to ${prepared.expiresAfterMs} ms; allowed are 1 to ${maxDurationMs}`;
      return { rule: "expires-after", observed };
    });
}

/** Stop conditions that nobody could evaluate. */
function sourceBreaches({ signalsUrl }: Plan, { stop, signals }: GuardrailSettings): Breach[] {
  if (signalsUrl !== undefined) return [];
  return stop.flatMap(({ text, condition }) =>
    signalsIn(condition)
      .filter((name) => !Object.hasOwn(signals, name))
      .map((name) => ({ rule: "stop", observed: `"${text}": signal ${name} has no source in signals` })),
  );
}

/** The names of the healthy stations, or why they are not known. */
async function healthyStations(source: NameSource | undefined): Promise<readonly string[] | string> {
  if (source === undefined) return "set stations";
  try {
    const text = await textAt(source.url, ANSWER_WITHIN_MS, MAX_BYTES);
    const found = jsonpath.query(source.jsonpath, JSON.parse(text) as never).values();
    const names = found.filter((one): one is string => typeof one === "string").slice(0, MAX_STATIONS);
    return names.length === found.length ? names : `${source.url}: ${source.jsonpath} finds something else than names`;
  } catch (error) {
    return reasonOf(error);
  }
}
