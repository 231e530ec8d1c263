/**
 * Compares each breaker of a gateway with one built here only from the attempts at its station and
 * how they ended. A breaker makes only legal moves, each with a cause. It is open if enough failed,
 * and closed if not. After the pause it lets one probe pass at a time, and during the pause none.
 * An attempt counts for the period of the breaker in which it began. The gateway reports
 * transitions with the instants at which they were due, which may be earlier than the report (ADR
 * 0003). A command that one station failed and another served counts against the first when it is
 * served (`breaker-evidence.ts`). A station that is heard again after it was declared down begins
 * with a closed circuit, and with a new period.
 *
 * Commands may go to a station although its circuit is open if no other station can take them. That
 * is so if no station is eligible (`no-eligible-station`), or if every other station of the group
 * is down, has a circuit that is not closed, or is ineligible by its gateway's own account. That
 * account counts if something known from outside may support it (`surely-fit.ts`). The check does
 * not know which of these commands is the probe. Their outcomes can only end the pause, if as many
 * have ended as a closed circuit needs for a judgement, and few of them failed. A probe that is out
 * at a station that is declared down has failed.
 *
 * A failure is not compared if the command is not sent on in the same instant and no other attempt
 * of it is out. Such a failure may count if several sources have them, and never if it is one
 * caller that repeats itself. If it may have counted, and another station serves the command after
 * all, that may count or not: once, now or then. A lost attempt may count or not if its kind of
 * command was never answered: the loss may be its own fault, while others are served. The pause has
 * an end, too: from the instant at which the written duration is over, the status must say that a
 * probe may pass. It is one file because each move and each end of an attempt is judged by the same
 * period.
 */
import type { GatewayEvent } from "../../../gateway/src/compose.ts";
import type { Fleet } from "../../fleet/fleet.ts";
import type { Attempt, Command, FleetObserver } from "../../fleet/observer.ts";
import { endOf, isTimedOut } from "../calls/attempt-ends.ts";
import type { Failure } from "../calls/failed-commands.ts";
import { FailedCommands } from "../calls/failed-commands.ts";
import type { DocumentedGroup } from "../documented.ts";
import { documentedGroups, sourceOf } from "../documented.ts";
import { SurelyFit } from "../failover/surely-fit.ts";
import { PerStation } from "../per-station.ts";
import type { StatusLook } from "../status-round.ts";
import { livingGateway, lookAround } from "../status-round.ts";
import type { Verdict } from "./breaker-evidence.ts";
import { Evidence, unsure, verdictOn } from "./breaker-evidence.ts";

type State = "closed" | "open" | "half-open";
type Transition = (GatewayEvent & { type: "breaker" })["transition"];

const LEGAL: ReadonlySet<string> = new Set(["closed open", "open half-open", "half-open open", "half-open closed"]);
/** Not for an operator to set (docs/guide/guarding-a-call.md). */
const PROBES = 1;
/** The gateway reports a decision within this time. */
const TOLD_WITHIN_MS = 50;
/** The period of an attempt whose end says nothing. */
const UNCOUNTED = -1;
const ROUNDING_MS = 1e-6;
/**
 * Another source that failed within this time failed lately (`core/failover/evidence/evidence.ts`).
 */
const LATELY_MS = 10_000;

export function breaker(fleet: Fleet): FleetObserver {
  const groups = documentedGroups(fleet);
  const watches = new PerStation(
    (group, station) => new Watch(fleet, `${group}/${station}`, groups.get(group) as DocumentedGroup),
  );
  const surelyFit = new SurelyFit(fleet);
  const failed = new FailedCommands();
  /** Groups and sources with at least one command that a station has served. */
  const known: Set<string> = new Set();
  let running = 1;
  /** Groups whose latest report is that no station is eligible. */
  const kept: Set<string> = new Set();
  const hasNobodyElse = ({ group, station }: Attempt): boolean => {
    const { stations = [] } = groups.get(group) ?? {};
    const others = stations.filter(({ name }) => name !== station && watches.of(group, name).isInService);
    if (kept.has(group) || others.length === 0) return true;
    const status = livingGateway(fleet)?.gateway.groups.get(group)?.status;
    const isFit = ({ name }: { readonly name: string }): boolean => {
      const one = status?.stations.find((each) => each.name === name);
      return one === undefined || surelyFit.isFit(group, one);
    };
    return !others.some(isFit);
  };
  return {
    gatewayStarted(process) {
      surelyFit.hears.gatewayStarted(process);
      running = process.incarnation;
      kept.clear();
      watches.clear();
      failed.clear();
      known.clear();
    },
    commandArrived({ command }) {
      failed.arrived(command);
    },
    commandAnswered({ command, incarnation }) {
      if (incarnation === running) failed.answered(command);
    },
    attemptBegan(attempt) {
      surelyFit.hears.attemptBegan(attempt);
      const { command, group, station } = attempt;
      const watch = watches.of(group, station);
      for (const [one, failure] of failed.began(attempt))
        if (watches.of(group, one).sentOn(command)) failure.mayHaveCounted = false;
      watch.began(attempt, !watch.isClosed && hasNobodyElse(attempt));
    },
    attemptEnded(attempt) {
      surelyFit.hears.attemptEnded(attempt);
      const { group, station, incarnation, command } = attempt;
      const isKnown = known.has(`${group} ${sourceOf(command)}`);
      const failure = watches.of(group, station).ended(attempt, failed.ended(attempt), isKnown);
      if (incarnation !== running) return;
      const end = endOf(attempt, groups.get(group) as DocumentedGroup);
      if (end === "served") known.add(`${group} ${sourceOf(command)}`);
      if (end === "failed") failed.failed(attempt, failure);
      else if (end === "served")
        for (const [one, verdict, period] of failed.served(attempt)) watches.of(group, one).compared(verdict, period);
      else if (end !== "refused") failed.outdated(attempt);
    },
    gatewayEvent(event, incarnation) {
      surelyFit.hears.gatewayEvent(event, incarnation);
      if (event.type === "no-eligible-station") {
        kept.add(event.group);
        for (const { name } of groups.get(event.group)?.stations ?? []) watches.of(event.group, name).nobodyElse();
      } else if (event.type === "promoted") kept.delete(event.group);
      if (event.type === "breaker") watches.of(event.group, event.station).moved(event.transition);
      else if (event.type === "declaration") watches.of(event.group, event.node).declared(event);
      else if (event.type === "abstention" && event.reason === "observer-stall")
        for (const { name } of groups.get(event.group)?.stations ?? [])
          watches.of(event.group, name).distrustUntilMs = event.untilMs;
    },
    tick() {
      for (const watch of watches.all) watch.missed();
      const look = lookAround(fleet);
      if (look === undefined) return;
      for (const station of look.status.stations) watches.of(look.group, station.name).looked(look);
      const isFit = look.status.stations.some((station) => station.active && surelyFit.isFit(look.group, station));
      if (isFit) kept.delete(look.group);
    },
  };
}

/** One breaker, seen from outside. */
class Watch {
  readonly #fleet: Fleet;
  readonly #name: string;
  readonly #settings: DocumentedGroup;
  readonly #evidence: Evidence;
  /** The attempts that are out, and the period in which each began. */
  readonly #out: Map<Attempt, number> = new Map();
  #state: State = "closed";
  /**
   * Attempts sent in the instant in which the circuit closed: before or after that, and counted or
   * not.
   */
  readonly #sentAtClose: WeakSet<Attempt> = new WeakSet();
  /** Counts transitions. */
  #period = 0;
  #openedMs = Number.NEGATIVE_INFINITY;
  #openUntilMs = Number.NEGATIVE_INFINITY;
  /**
   * Attempts that were sent past the open circuit since it opened, and have ended: served, or not.
   */
  #servedPast = 0;
  #lostPast = 0;
  /** Until when the gateway distrusts itself: attempts lost until then may count or not. */
  distrustUntilMs: number = Number.NEGATIVE_INFINITY;
  #isDown = false;
  /** The station has just been heard again after it was down. */
  #isBack = false;
  /** When a command of each source was last answered with a failure here. */
  readonly #failedAtMs: Map<string, number> = new Map();
  /** Commands that failed here in this instant and may be sent on in it. */
  readonly #unsettled: Map<Command, { readonly atMs: number; readonly localMs: number }> = new Map();
  /** While half-open: how many probes that are over succeeded. */
  #probesSucceeded = 0;
  #probesFailed = 0;
  /**
   * The last period in which commands were let through because no other station could take them.
   */
  #uncountedIn = UNCOUNTED;
  /** The circuit should have opened at this instant, for this reason. */
  #due: { readonly atMs: number; readonly why: string } | undefined = undefined;

  /** An attempt was sent through a circuit that was not closed, as far as has been reported. */
  #early: { readonly atMs: number; readonly localMs: number; readonly detail: string } | undefined = undefined;

  constructor(fleet: Fleet, name: string, settings: DocumentedGroup) {
    this.#fleet = fleet;
    this.#name = name;
    this.#settings = settings;
    this.#evidence = new Evidence(settings);
  }

  get isClosed(): boolean {
    return this.#state === "closed";
  }

  /** Whether its circuit is closed and it is not declared down. */
  get isInService(): boolean {
    return this.#state === "closed" && !this.#isDown;
  }

  /**
   * `nobodyElse`: the gateway has reported that no station is eligible, or no other station of the
   * group is in service.
   */
  began(attempt: Attempt, nobodyElse: boolean): void {
    this.missed();
    // The station has been heard again: the report that its circuit is closed comes next.
    if (this.#isBack && this.#state !== "closed") return void this.#out.set(attempt, this.#period + 1);
    const earlyMs = this.#state === "open" ? this.#openUntilMs - attempt.localMs : 0;
    // Its pause is over, and the report of its transition comes next.
    const period = this.#state === "open" ? this.#period + 1 : this.#period;
    if (nobodyElse && this.#state !== "closed" && (earlyMs > ROUNDING_MS || this.#wantedOf(period) >= PROBES)) {
      this.#out.set(attempt, UNCOUNTED);
      this.#uncountedIn = period;
      return;
    }
    if (earlyMs > ROUNDING_MS)
      this.#letThrough(`${attempt.command.id} is sent ${earlyMs} ms before the open circuit's next probe`);
    const before = this.#state === "closed" ? 0 : this.#wantedOf(period);
    if (before >= PROBES)
      this.#letThrough(`${attempt.command.id} is sent to a half-open circuit with ${before} probe(s) out`);
    this.#out.set(attempt, period);
  }

  /**
   * A violation, unless the gateway reports in this same instant that the circuit has closed, or
   * shortly after it that no station is eligible: transitions and decisions are reported after
   * their consequences.
   */
  #letThrough(detail: string): void {
    this.#early ??= { ...this.#now(), detail };
  }

  /**
   * `isElsewhere`: another attempt of its command is out. `isKnown`: a command of its source has
   * been served.
   */
  ended(attempt: Attempt, isElsewhere: boolean, isKnown: boolean): Failure {
    this.#settle();
    const period = this.#out.get(attempt) ?? UNCOUNTED;
    this.#out.delete(attempt);
    const hasFailed = endOf(attempt, this.#settings) === "failed";
    const mayHaveCounted = hasFailed && this.#isOneOfSeveral(attempt) && !isElsewhere;
    const failure = { period, mayHaveCounted };
    if (this.#state === "open" && attempt.localMs >= this.#openedMs - ROUNDING_MS) {
      if (endOf(attempt, this.#settings) === "served") this.#servedPast++;
      else this.#lostPast++;
    }
    if (period !== this.#period) return failure;
    if (hasFailed && this.#state !== "half-open") {
      if (mayHaveCounted) this.#unsettled.set(attempt.command, this.#now());
      return failure;
    }
    const verdict = this.#verdictOn(attempt, isKnown);
    if (verdict === undefined) return failure;
    if (this.#state === "half-open") this.#probed(verdict);
    this.#add(verdict);
    return failure;
  }

  /**
   * `command` was sent to another station. Returns whether that was in the instant in which it
   * failed here, so that it is compared.
   */
  sentOn(command: Command): boolean {
    this.#settle();
    return this.#unsettled.delete(command);
  }

  /** Commands that were not sent on in the instant in which they failed may have counted. */
  #settle(untilMs: number = this.#fleet.world.nowMs): void {
    for (const [command, { atMs, localMs }] of this.#unsettled) {
      if (atMs >= untilMs) return;
      this.#unsettled.delete(command);
      this.#add("doubtful", localMs);
    }
  }

  nobodyElse(): void {
    this.#early = undefined;
  }

  /** A command that was sent in that period and failed here was served by another station. */
  compared(verdict: "failure" | "doubtful", period: number): void {
    this.#settle();
    if (period === this.#period) this.#add(verdict);
  }

  /** Whether another source has failed here lately, too. */
  #isOneOfSeveral({ command }: Attempt): boolean {
    const nowMs = this.#localMs();
    const mine = sourceOf(command);
    const isLate = (atMs: number): boolean => nowMs - atMs <= LATELY_MS;
    const others = [...this.#failedAtMs].some(([source, atMs]) => source !== mine && isLate(atMs));
    this.#failedAtMs.set(mine, nowMs);
    return others;
  }

  declared({ from, to, atMs }: GatewayEvent & { type: "declaration" }): void {
    this.#isDown = to === "down";
    if (from !== "down" || to !== "alive") return;
    this.#isBack = true;
    this.#unsettled.clear();
    this.#evidence.clear();
    // If it is not closed, the report that it closes comes next.
    if (this.#state !== "closed") return;
    this.#period++;
    this.#keepFrom(atMs);
  }

  /**
   * Attempts that were sent at `atMs` or later, before the report of a new period, belong to the
   * new period.
   */
  #keepFrom(atMs: number): void {
    for (const attempt of this.#out.keys())
      if (attempt.localMs >= atMs - ROUNDING_MS) this.#out.set(attempt, this.#period);
  }

  moved({ from, to, atMs }: Transition): void {
    this.#settle(Number.POSITIVE_INFINITY);
    const isReset = this.#isBack && to === "closed";
    if (from !== this.#state || !(isReset || LEGAL.has(`${from} ${to}`)))
      this.#violate("breaker-transitions-are-legal", `from ${from} to ${to}; it was ${this.#state}`);
    const wrong = this.#unjustified(from, to, atMs);
    this.#isBack = false;
    if (wrong !== undefined) this.#violate(...wrong);
    this.#state = to;
    this.#period++;
    this.#due = undefined;
    this.#probesSucceeded = this.#probesFailed = 0;
    if (to === "open") {
      this.#openedMs = atMs;
      this.#openUntilMs = atMs + this.#settings.breaker.openDurationMs;
      this.#servedPast = this.#lostPast = 0;
    }
    // An attempt that was sent in the instant in which the pause ended early is the probe, or was
    // sent because no other station could take it.
    if (to === "half-open" && atMs < this.#openUntilMs - ROUNDING_MS) {
      this.#keepFrom(atMs);
      this.#uncountedIn = this.#period;
    }
    if (to !== "closed") return;
    this.#evidence.clear();
    if (this.#early !== undefined && atMs <= this.#early.localMs + ROUNDING_MS) this.#early = undefined;
    this.#keepFrom(atMs);
    for (const [attempt, period] of this.#out) if (period === this.#period) this.#sentAtClose.add(attempt);
  }

  /**
   * Called when time has passed, or another event has happened, since the circuit should have
   * opened.
   */
  missed(): void {
    this.#settle();
    const early = this.#early;
    if (early !== undefined && this.#fleet.world.nowMs > early.atMs + TOLD_WITHIN_MS) {
      this.#early = undefined;
      this.#violate("breaker-probes-are-bounded", early.detail);
    }
    const due = this.#due;
    if (due === undefined || this.#fleet.world.nowMs <= due.atMs) return;
    this.#due = undefined;
    this.#violate("breaker-trips-when-due", `closed, although ${due.why}`);
  }

  /**
   * Checks two things: the counts in the status come from ends since the circuit closed, and a
   * probe slot that no probe holds is free.
   */
  looked({ status, process }: StatusLook): void {
    this.#settle(Number.POSITIVE_INFINITY);
    const breaker = status.stations.find(({ name }) => this.#name.endsWith(`/${name}`))?.breaker;
    const ended = this.#evidence.ended(this.#localMs());
    if (breaker?.state === "closed" && this.#state === "closed" && breaker.calls > ended)
      this.#violate(
        "breaker-counts-its-own",
        `it counts ${breaker.calls} calls, and ${ended} have ended since it closed`,
      );
    this.#pauseEnds(breaker?.state, process.nowMs());
    if (breaker?.state !== "half-open" || this.#state !== "half-open") return;
    this.#probesAreLeased(breaker.nextProbeAtMs ?? 0);
    if (this.#wantedOf(this.#period) > 0) return;
    const waitMs = (breaker.nextProbeAtMs ?? 0) - process.nowMs();
    if (waitMs > ROUNDING_MS)
      this.#violate("breaker-probes-return", `half-open, no probe is out, and the next may pass only in ${waitMs} ms`);
  }

  /** By the written duration, and by the transition that was reported. */
  #pauseEnds(state: string | undefined, nowMs: number): void {
    const lateMs = nowMs - this.#openUntilMs;
    if (state !== "open" || this.#state !== "open" || lateMs <= ROUNDING_MS) return;
    this.#violate("breaker-pause-ends", `still open ${lateMs} ms after its open duration is over`);
  }

  /** A probe that is out holds its slot for at least as long as the circuit stays open. */
  #probesAreLeased(nextProbeAtMs: number): void {
    if (this.#uncountedIn === this.#period) return;
    for (const [{ signal, localMs, command }, period] of this.#out) {
      if (period !== this.#period || signal.aborted) continue;
      const leftMs = localMs + this.#settings.breaker.openDurationMs - nextProbeAtMs;
      if (leftMs > ROUNDING_MS)
        this.#violate(
          "breaker-probes-are-bounded",
          `${command.id} is out as a probe, and the next may pass ${leftMs} ms before its lease ends`,
        );
    }
  }

  #unjustified(from: State, to: State, atMs: number): [invariant: string, detail: string] | undefined {
    if (from === "open" && to === "half-open" && atMs < this.#openUntilMs - ROUNDING_MS && !this.#hasServedPast)
      return [
        "breaker-probes-are-bounded",
        `half-open ${this.#openUntilMs - atMs} ms before its open duration is over`,
      ];
    if (from === "half-open" && to === "closed" && this.#probesSucceeded === 0 && !this.#isBack)
      return ["breaker-transitions-are-legal", "closed, and no probe succeeded"];
    const nothingFailed = this.#probesFailed === 0 && this.#pending().length === 0 && !this.#isLeaseOver(atMs);
    if (from === "half-open" && to === "open" && nothingFailed && !this.#isDown)
      return ["breaker-transitions-are-legal", "open again, and no probe failed"];
    if (from !== "closed" || to !== "open") return undefined;
    const detail = this.#evidence.unjustified(this.#pending(), this.#localMs());
    return detail === undefined ? undefined : ["breaker-trips-on-evidence", `open, although ${detail}`];
  }

  /**
   * Whether enough attempts were served past the open circuit to end its pause. Some of those that
   * failed may not have counted.
   */
  get #hasServedPast(): boolean {
    const { minimumVolume, failureRateThreshold } = this.#settings.breaker;
    const lost = Math.max(0, minimumVolume - this.#servedPast);
    return lost <= this.#lostPast && lost < failureRateThreshold * minimumVolume;
  }

  /** A probe that has not reported by the end of its lease counts as failed. */
  #isLeaseOver(atMs: number): boolean {
    const sentByMs = atMs - this.#settings.breaker.openDurationMs + ROUNDING_MS;
    return [...this.#out].some(([{ localMs }, period]) => period === this.#period && localMs <= sentByMs);
  }

  #probed(verdict: Verdict): void {
    if (verdict === "success") this.#probesSucceeded++;
    else this.#probesFailed++;
  }

  #add(verdict: Verdict, localMs: number = this.#localMs()): void {
    if (this.#state !== "closed") return;
    this.#evidence.add(verdict, localMs);
    // A success need not be judged: it can only open a circuit that older successes no longer hold
    // closed.
    const why = verdict === "failure" ? this.#evidence.due : undefined;
    if (why !== undefined) this.#due ??= { atMs: this.#fleet.world.nowMs, why };
  }

  /** Attempts whose time is up in this same step: they are booked before they end. */
  #pending(): Verdict[] {
    const pending: Verdict[] = [];
    for (const [attempt, period] of this.#out)
      if (period === this.#period && isTimedOut(attempt, this.#settings)) pending.push("failure");
    return pending;
  }

  #verdictOn(attempt: Attempt, isKnown: boolean): Verdict | undefined {
    const verdict = verdictOn(attempt, this.#settings, this.#state === "half-open");
    if (verdict !== undefined && this.#sentAtClose.has(attempt)) return unsure(verdict);
    if (verdict !== "failure" || this.#state !== "closed") return verdict;
    const mayBeItsOwn = !isKnown && endOf(attempt, this.#settings) === "lost";
    return mayBeItsOwn || this.#localMs() < this.distrustUntilMs ? "doubtful" : verdict;
  }

  /** How many attempts of `period` are out and have a waiting caller. */
  #wantedOf(period: number): number {
    let wanted = 0;
    for (const [{ signal }, began] of this.#out) if (began === period && !signal.aborted) wanted++;
    return wanted;
  }

  #now(): { readonly atMs: number; readonly localMs: number } {
    return { atMs: this.#fleet.world.nowMs, localMs: this.#localMs() };
  }

  #localMs(): number {
    return this.#fleet.gateway?.nowMs() ?? livingGateway(this.#fleet)?.nowMs() ?? this.#fleet.world.nowMs;
  }

  #violate(invariant: string, detail: string): void {
    this.#fleet.world.violate(invariant, `${this.#name}: ${detail}`);
  }
}
