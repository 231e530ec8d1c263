/**
 * Splits a run into stretches in which no fault of the plan begins or ends for a group, and says
 * which stations are well in each. After every beginning and end of a fault the system has a grace
 * period; from then until the next change it must serve.
 */
import type { Fleet } from "../fleet/fleet.ts";
import { GATEWAY, stationNode } from "../fleet/plan.ts";
import { quietFromMs } from "../fleet/source-node.ts";
import { documentedGroups } from "./documented.ts";
import type { Span } from "./fault-timeline.ts";
import { faultTimelineOf, nodesOf, overlaps } from "./fault-timeline.ts";

export interface Stretch {
  readonly group: string;
  /** When the last change before it happened: a fault began or ended. */
  readonly fromMs: number;
  /** When the next change happens, or the sources stop sending. */
  readonly untilMs: number;
  /** Stations that no fault strikes in it. */
  readonly well: readonly string[];
  /** Why this stretch cannot be judged; undefined if it can. */
  readonly spoiled: string | undefined;
  /**
   * The longest time that all stations were struck together by the faults that have just ended;
   * mostly 0.
   */
  readonly outageMs: number;
}

/** The stretches of `group`, in order. */
export function stretchesOf(fleet: Fleet, group: string): Stretch[] {
  const spans = faultTimelineOf(fleet).of(group);
  const endMs = quietFromMs(fleet);
  const instants = spans.flatMap(({ fromMs, untilMs }) => [fromMs, untilMs]).filter((ms) => ms > 0 && ms < endMs);
  const changes = [0, ...new Set(instants.toSorted((left, right) => left - right)), endMs];
  return changes.slice(1).map((untilMs, place) => {
    const fromMs = changes[place] as number;
    const during = spans.filter((span) => span.fromMs < untilMs && span.untilMs > fromMs);
    const before = spans.filter((span) => span.untilMs === fromMs);
    return {
      group,
      fromMs,
      untilMs,
      well: wellOf(fleet, group, during),
      spoiled: spoilerOf(fleet, group, during),
      outageMs: wellOf(fleet, group, before).length > 0 ? 0 : Math.max(0, ...before.map(lengthMs)),
    };
  });
}

/** Stations of `group` that none of these faults strikes. */
function wellOf(fleet: Fleet, group: string, spans: readonly Span[]): string[] {
  const stations = documentedGroups(fleet).get(group)?.stations ?? [];
  return stations
    .map(({ name }) => name)
    .filter((name) => !spans.some(({ fault }) => nodesOf(fault).includes(stationNode(group, name))));
}

/** Stations of `group` that no fault strikes between two instants. */
export function wellBetween(fleet: Fleet, group: string, fromMs: number, untilMs: number): string[] {
  const spans = faultTimelineOf(fleet).of(group);
  return wellOf(
    fleet,
    group,
    spans.filter((span) => overlaps([span], fromMs, untilMs)),
  );
}

function spoilerOf(fleet: Fleet, group: string, during: readonly Span[]): string | undefined {
  const stations = documentedGroups(fleet).get(group)?.stations ?? [];
  const nodes = stations.map(({ name }) => stationNode(group, name));
  for (const { fault } of during) {
    if (fault.kind === "shortage") return "our own machine is short of something";
    if (fault.kind === "operator") return "an operator is at work";
    if (fault.kind === "surge") continue;
    const named = nodesOf(fault);
    if (named.includes(GATEWAY) && !named.some((node) => nodes.includes(node))) return "the gateway is struck";
    if (!named.some((node) => nodes.includes(node))) return "lines to callers or spacecraft are struck";
  }
  return undefined;
}

function lengthMs({ fromMs, untilMs }: Span): number {
  return untilMs - fromMs;
}
