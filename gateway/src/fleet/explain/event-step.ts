/**
 * A step of an explanation from an event of a group: its sentence, the facts behind it, and the
 * settings by which it was decided.
 */
import type { Evidence } from "ground-station-failover";
import type { GroupEvent } from "../group-events.ts";
import { type ExplainedStep, step } from "./explanation.ts";
import type { GoverningField, GoverningSettings } from "./governing-settings.ts";
import type { ToldEvent } from "./group-story.ts";

export function stepOf({ sentence, unixMs, event, id }: ToldEvent, settings: GoverningSettings): ExplainedStep {
  const of = settings.of(...fieldsOf(event));
  const capacity = event.type === "capacity-learned" ? settings.capacityOf(event.station) : [];
  const all = "evidence" in event ? event.evidence : [];
  const against = all.filter(({ verdict }) => verdict === "ineligible");
  // What speaks for the other station is part of a promotion; elsewhere it only takes room.
  const because = factsOf(event.type === "promoted" ? all : against);
  return step(sentence, { unixMs, because, event: { id, ...event }, settings: [...of, ...capacity] });
}

/** The facts, a sentence each. */
export function factsOf(evidence: readonly Evidence[]): readonly string[] {
  return evidence.map(({ kind, verdict, detail }) => `${kind} (${verdict}): ${detail}`);
}

/** The settings by which evidence of these kinds is judged. */
export function fieldsOfEvidence(evidence: readonly Evidence[]): readonly GoverningField[] {
  const against = evidence.filter(({ verdict }) => verdict === "ineligible");
  return [...new Set(against.flatMap(({ kind }) => OF_EVIDENCE[kind]))];
}

const OF_BREAKER: readonly GoverningField[] = [
  "breaker.failureRateThreshold",
  "breaker.minimumVolume",
  "breaker.window",
  "breaker.openDuration",
];
const OF_CALLS: readonly GoverningField[] = [
  "commandPath.refusalsToDeclare",
  "commandPath.minFailures",
  "commandPath.failingFor",
  "commandPath.unansweredAfter",
];
const OF_SILENCE: readonly GoverningField[] = ["detector.threshold", "detector.sustain", "detector.ceiling"];

const OF_EVIDENCE: Readonly<Record<Evidence["kind"], readonly GoverningField[]>> = {
  heartbeats: OF_SILENCE,
  calls: OF_CALLS,
  breaker: OF_BREAKER,
  probe: [],
  "own-stall": [],
  maintenance: [],
  operator: [],
};

const OF_LIVENESS: Readonly<Record<string, readonly GoverningField[]>> = {
  down: OF_SILENCE,
  suspected: ["detector.suspectThreshold"],
  alive: ["detector.clearThreshold", "detector.minDwell"],
};

function fieldsOf(event: GroupEvent): readonly GoverningField[] {
  switch (event.type) {
    case "declaration":
      return event.rule.startsWith("never heard") ? ["detector.gracePeriod"] : (OF_LIVENESS[event.to] ?? []);
    case "heartbeats-missing":
    case "heartbeats-back":
      return ["detector.logThreshold"];
    case "probe":
      return ["heartbeat.interval"];
    case "promoted":
    case "no-eligible-station":
      return fieldsOfEvidence(event.evidence);
    case "breaker":
      return OF_BREAKER;
    case "doubted":
      return OF_CALLS;
    case "handover-begun":
      return event.cause === "failback" ? ["failback.mode", "failback.holdDown"] : [];
    case "retry-refused":
      return ["retry.budgetRatio"];
    case "memory-used-up":
      return ["callers.maxMemory", "callers.addressRatio"];
    case "overload":
      return ["commands.maxConcurrent"];
    default:
      return [];
  }
}
