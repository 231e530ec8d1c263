/**
 * Checks which station is active, and why. For every station this file keeps what its gateway can
 * know (`known-station.ts`), and judges each promotion against that (`promotions.ts`). Between
 * promotions it judges the current status:
 * - `fit-is-promoted`: an active station must not stay active while another is eligible, if it is
 *   ineligible by the gateway's own account, declared down, out of service, has an open circuit, or
 *   its calls have failed by our account. The other station may be eligible by the gateway's
 *   account or by ours. The active one may stay while a probe of its half-open circuit is out and
 *   nothing else counts against it.
 * - `maintenance-is-kept`: a station that was taken out of service stays out until the time is
 *   over, and not longer.
 * - `prefers-whom-it-should`: failback returns to the primary, or to the station of the last manual
 *   switchover.
 * - `failback-comes`: automatic failback does not wait longer than the hold-down of a station that
 *   is proven well. The hold-down is the written one, doubled with each reported failure. The proof
 *   is what happened, not what the gateway says of itself.
 * - `abstention-is-kept`: while a gateway distrusts itself, it replaces no station for failing.
 */
import type { FailoverStatus } from "ground-station-failover";
import type { GatewayEvent } from "../../../gateway/src/compose.ts";
import type { Fleet } from "../../fleet/fleet.ts";
import type { Command, FleetObserver } from "../../fleet/observer.ts";
import { endOf } from "../calls/attempt-ends.ts";
import { UsualAnswers } from "../calls/usual-answers.ts";
import { knowsBeats } from "../detection/detector.ts";
import type { DocumentedGroup } from "../documented.ts";
import { documentedGroups } from "../documented.ts";
import { faultTimelineOf } from "../fault-timeline.ts";
import type { StatusLook } from "../status-round.ts";
import { livingGateway, lookAround } from "../status-round.ts";
import { holdDownMs } from "./hold-down.ts";
import { KnownStation } from "./known-station.ts";
import type { Promoted } from "./promotions.ts";
import { heardSince, wrongs } from "./promotions.ts";

/** What is due by a timer happens within this time. */
const LATE_MS = 100;
/**
 * The conditions of a failback are checked once in 250 ms, and what is due may wait for as long as
 * the gateway distrusts itself.
 */
const BACK_MS = 4_000;
/** Two instants on one axis differ by rounding. */
const ROUNDING_MS = 0.001;

/** A group under one gateway process. */
class Known {
  readonly settings: DocumentedGroup;
  readonly beatsKnown: boolean;
  readonly stations: ReadonlyMap<string, KnownStation>;
  preferred: string;
  active: string;
  /** How many sendings of each command are at the gateway. */
  readonly visits: Map<Command, number> = new Map();
  /** Until when the gateway distrusts itself. */
  distrustUntilMs: number = Number.NEGATIVE_INFINITY;
  /** Since when failback has been possible in every round; undefined while it is not. */
  backSinceMs: number | undefined = undefined;
  /** Whether a station is being tried out before it becomes active. */
  isHandingOver = false;
  /**
   * When each station was replaced, or a failback to it was given up: each time may double its
   * hold-down.
   */
  readonly #failedAtMs: Map<string, number[]> = new Map();
  /** Counts promotions, handovers and abstentions. */
  changes = 0;

  constructor(settings: DocumentedGroup, beatsKnown: boolean) {
    this.settings = settings;
    this.beatsKnown = beatsKnown;
    const usual = new UsualAnswers();
    this.stations = new Map(settings.stations.map(({ name }) => [name, new KnownStation(settings, usual)]));
    this.preferred = settings.stations[0]?.name ?? "";
    this.active = this.preferred;
  }

  lookAtIdle(nowMs: number): void {
    for (const [name, known] of this.stations) if (name !== this.active) known.lookAtIdle(nowMs);
  }

  of(station: string): KnownStation {
    return this.stations.get(station) as KnownStation;
  }

  perhapsFailed(station: string, nowMs: number): void {
    this.#failedAtMs.set(station, [...(this.#failedAtMs.get(station) ?? []), nowMs]);
  }

  /**
   * How long failback waits for the preferred station at most, once that station is proven well.
   */
  longestHoldDownMs(nowMs: number): number {
    return holdDownMs(this.settings, this.#failedAtMs.get(this.preferred) ?? [], nowMs);
  }

  /** Whether a failback lacks nothing but the hold-down. */
  mayGoBack(nowMs: number): boolean {
    const { settings, active, preferred, isHandingOver } = this;
    if (settings.failback.mode !== "automatic" || active === preferred || isHandingOver) return false;
    const to = this.of(preferred);
    // If stations are probed, the last evidence must be that of a probe.
    const isProven = !settings.probes || (!to.unproven && to.lastProbe !== "ill");
    return isProven && to.surelyFit(nowMs) && this.of(active).surelyFit(nowMs);
  }
}

export function decisions(fleet: Fleet): FleetObserver {
  const { world } = fleet;
  const settingsOf = documentedGroups(fleet);
  let groups: Map<string, Known> = new Map();
  const begin = (): void => {
    groups = new Map(
      [...settingsOf].map(([name, settings]) => [name, new Known(settings, knowsBeats(fleet, settings))]),
    );
  };
  begin();
  const of = (group: string): Known => groups.get(group) as Known;
  const visitsOf = (command: Command): number => of(command.group).visits.get(command) ?? 0;
  const localMs = (): number => fleet.gateway?.nowMs() ?? world.nowMs;
  return {
    gatewayStarted: begin,
    beatCounted: (group, station) => {
      of(group).of(station).lastBeatMs = localMs();
    },
    probed(group, station, well) {
      const known = of(group);
      known.of(station).probed(well);
      // The station loses its proof and the hold-down begins anew, even if the next probe succeeds
      // before the next round.
      if (!well && station === known.preferred) known.backSinceMs = undefined;
    },
    commandArrived: ({ command }) => void of(command.group).visits.set(command, visitsOf(command) + 1),
    commandAnswered({ command }) {
      const { visits } = of(command.group);
      const left = visitsOf(command) - 1;
      if (left > 0) visits.set(command, left);
      else visits.delete(command);
      // If its source has sent it twice, the other sending goes on.
      if (left > 0) return;
      for (const known of of(command.group).stations.values()) known.tally.over(command);
    },
    attemptBegan: (attempt) => of(attempt.group).of(attempt.station).tally.began(attempt),
    attemptEnded(attempt) {
      const group = of(attempt.group);
      const { tally } = group.of(attempt.station);
      // Checked before the end, too: an answer ends a silence for which a station may have been set
      // aside a moment ago.
      group.lookAtIdle(localMs());
      tally.ended(attempt, localMs() >= group.distrustUntilMs, !disturbed(fleet), localMs());
      group.lookAtIdle(localMs());
      if (endOf(attempt, group.settings) !== "served") return;
      for (const known of group.stations.values())
        if (known.tally !== tally) known.tally.servedElsewhere(attempt, localMs());
      group.lookAtIdle(localMs());
    },
    operated({ group, station, action, forMs = 0 }) {
      if (action !== "maintenance") return;
      const { restsUntilMs } = of(group).of(station);
      if (Math.abs(restsUntilMs - localMs() - forMs) > ROUNDING_MS)
        world.violate(
          "maintenance-is-kept",
          `${group}/${station} was taken out of service for ${forMs} ms, and is until ${restsUntilMs}; it is ${localMs()}`,
        );
    },
    gatewayEvent: (event) => noted(fleet, of(event.group), event, localMs()),
    tick() {
      for (const group of groups.values()) group.lookAtIdle(localMs());
      const look = lookAround(fleet);
      for (const group of groups.values()) lookAtFailback(fleet, group, localMs());
      if (look === undefined || disturbed(fleet)) return;
      const group = of(look.group);
      for (const wrong of misfits(look, group)) world.violate(...wrong);
      if (!isDue(look, group)) return;
      const { changes } = group;
      world.at(world.nowMs + LATE_MS, () => stillDue(fleet, look, group, changes));
    },
  };
}

function noted(fleet: Fleet, group: Known, event: GatewayEvent, nowMs: number): void {
  // A condition that is shorter than the time between two rounds still makes a station prove itself
  // anew.
  const { type } = event;
  if (type === "maintenance" || type === "declaration" || type === "breaker") group.backSinceMs = undefined;
  if (event.type === "abstention" && event.reason === "observer-stall") {
    group.distrustUntilMs = event.untilMs;
    group.backSinceMs = undefined;
    group.changes++;
  } else if (event.type === "breaker") group.of(event.station).circuitMoved(event.transition.to, event.transition.atMs);
  else if (event.type === "maintenance")
    group.of(event.station).restsUntilMs = event.reason === undefined ? Number.NEGATIVE_INFINITY : event.untilMs;
  else if (event.type === "declaration") group.of(event.node).declared(event.to, nowMs);
  else if (event.type === "handover-begun") {
    group.changes++;
    group.isHandingOver = true;
    if (event.cause === "failback") group.of(event.station).triedOut(nowMs);
  } else if (event.type === "handover-ended") {
    group.changes++;
    group.isHandingOver = false;
    group.perhapsFailed(event.station, nowMs);
    group.of(event.station).failbackEnded(nowMs);
  } else if (event.type === "promoted") promoted(fleet, group, event, nowMs);
}

function promoted(fleet: Fleet, group: Known, event: Promoted, nowMs: number): void {
  const { stations, beatsKnown, settings } = group;
  group.lookAtIdle(nowMs);
  group.active = event.station;
  for (const [invariant, detail] of wrongs(event, { stations, beatsKnown, probes: settings.probes, nowMs })) {
    const speaksAgainst = whoseCircuit(invariant, event, group);
    if (speaksAgainst.length === 0) fleet.world.violate(invariant, detail);
    // An open circuit may be reported right after the promotion that follows from it.
    else
      fleet.world.at(fleet.world.nowMs, () => {
        if (!speaksAgainst.some((name) => group.of(name).opened(nowMs))) fleet.world.violate(invariant, detail);
      });
  }
  if (event.cause === "failure" && nowMs < group.distrustUntilMs)
    fleet.world.violate(
      "abstention-is-kept",
      `${event.group}: ${event.from} is replaced for failing; its gateway abstains until ${group.distrustUntilMs}`,
    );
  group.changes++;
  group.backSinceMs = undefined;
  group.isHandingOver = false;
  group.perhapsFailed(event.from, nowMs);
  if (event.cause === "switchover") group.preferred = event.station;
  const forCalls = event.evidence.some(
    ({ kind, verdict, detail }) =>
      (kind === "calls" || kind === "breaker") &&
      verdict === "ineligible" &&
      detail.startsWith(`${event.from}: `) &&
      !detail.includes("not promoted again for"),
  );
  group.of(event.from).replaced(event.cause, forCalls, nowMs);
  group.of(event.station).becameActive(nowMs);
}

/**
 * The stations whose circuit would excuse the violation, if it had just opened: the station that
 * was replaced, or those that were passed over.
 */
function whoseCircuit(invariant: string, { from, station, evidence }: Promoted, { stations }: Known): string[] {
  if (invariant === "promotes-on-evidence") {
    return evidence.some(({ kind, verdict }) => kind === "breaker" && verdict === "ineligible") ? [from] : [];
  }
  if (invariant !== "promotes-the-first-fit") return [];
  const names = [...stations.keys()];
  return names.slice(0, names.indexOf(station)).filter((name) => name !== from);
}

/** What a status reports that cannot be true. */
function* misfits({ group, status, process }: StatusLook, known: Known): Iterable<[string, string]> {
  const nowMs = process.nowMs();
  if (status.preferred !== known.preferred)
    yield [
      "prefers-whom-it-should",
      `${group}: failback would return to ${status.preferred}, not to ${known.preferred}`,
    ];
  for (const { name, maintenance } of status.stations) {
    const { restsUntilMs } = known.of(name);
    const rests = maintenance !== undefined;
    if (rests ? nowMs > restsUntilMs + LATE_MS : nowMs < restsUntilMs - LATE_MS)
      yield [
        "maintenance-is-kept",
        `${group}/${name} is ${rests ? "" : "not "}out of service at ${nowMs}; on request it is until ${restsUntilMs}`,
      ];
  }
}

/** Whether a failback comes once it lacks nothing. */
function lookAtFailback(fleet: Fleet, group: Known, nowMs: number): void {
  const heldMs = nowMs - (group.backSinceMs ?? nowMs);
  group.backSinceMs = !disturbed(fleet) && group.mayGoBack(nowMs) ? (group.backSinceMs ?? nowMs) : undefined;
  const longestMs = group.longestHoldDownMs(nowMs);
  if (group.backSinceMs === undefined || heldMs <= longestMs + BACK_MS) return;
  group.backSinceMs = undefined;
  fleet.world.violate(
    "failback-comes",
    `${group.settings.name}: ${group.preferred} has been well for ${heldMs} ms, its hold-down is ${longestMs} at most`,
  );
}

/** Whether another station should be active, for a gateway that may decide. */
function isDue({ status, process }: StatusLook, known: Known): boolean {
  const nowMs = process.nowMs();
  if (status.handover !== undefined || nowMs < known.distrustUntilMs) return false;
  const active = status.stations.find((station) => station.active);
  if (active === undefined) return false;
  const isUnfit = !active.assessment.eligible && !isProbed(active);
  const toLeave = known.of(active.name);
  if (!isUnfit && !toLeave.surelyGivenUp(nowMs) && toLeave.tally.mustFail(nowMs) === undefined) return false;
  return status.stations.some(
    ({ name, active: itself, liveness, assessment }) =>
      !itself &&
      ((liveness === "alive" && assessment.eligible && assessment.confirmed) || surelyReplaces(name, known, nowMs)),
  );
}

/**
 * Whether `name` may surely be made active, and has been heard since the active station fell
 * silent, if that one is silent.
 */
function surelyReplaces(name: string, known: Known, nowMs: number): boolean {
  const [from, to] = [known.of(known.active), known.of(name)];
  const isConfirmed = from.silentSinceMs === undefined || (known.beatsKnown && heardSince(to, from));
  return to.surelyFit(nowMs) && isConfirmed;
}

/**
 * Whether a probe of its circuit is out, and nothing else counts against the station. `breaker.ts`
 * judges how long the probe may be out.
 */
function isProbed({ breaker, assessment }: FailoverStatus["stations"][number]): boolean {
  const others = assessment.evidence.filter(({ kind, verdict }) => verdict === "ineligible" && kind !== "breaker");
  return breaker?.state === "half-open" && others.length === 0;
}

function stillDue(fleet: Fleet, { group, process, status }: StatusLook, known: Known, changes: number): void {
  if (livingGateway(fleet) !== process || disturbed(fleet) || known.changes !== changes) return;
  const now = process.gateway.groups.get(group)?.status;
  if (now === undefined || !isDue({ group, process, status: now }, known)) return;
  const why = now.stations
    .filter(({ active }) => active)
    .flatMap(({ assessment }) => assessment.evidence.filter(({ verdict }) => verdict === "ineligible"))
    .map(({ detail }) => detail);
  const ours = known.of(now.active).tally.mustFail(process.nowMs()) ?? "down, out of service, or its circuit open";
  fleet.world.violate(
    "fit-is-promoted",
    `${group}: ${status.active} stays active (${why.join("; ") || ours}), and another station is eligible`,
  );
}

function disturbed(fleet: Fleet): boolean {
  const { nowMs } = fleet.world;
  return livingGateway(fleet) === undefined || faultTimelineOf(fleet).disturbsGatewayLately(nowMs);
}
