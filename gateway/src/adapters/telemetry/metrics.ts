/**
 * The metrics for Prometheus. States are read from the groups on each request; only values that
 * cannot be read later (events, commands) are counted as they happen. Labels contain names from the
 * configuration and words from fixed lists, so the configuration bounds the number of series. The
 * series themselves are listed in `metric-series.ts`.
 */
import type { DetectionQualityStatus } from "ground-station-failover/core";
import { type Counter, collectDefaultMetrics, Registry } from "prom-client";
import type { AsyncStatus } from "../../fleet/async/command-queue.ts";
import type { GroupStatus } from "../../fleet/group.ts";
import { HeldMemory, type HeldMemoryStatus } from "../../fleet/held-memory.ts";
import type { RecordStoreStatus } from "../../fleet/record-store.ts";
import type { ListenerFigures } from "../callers/http-proxy.ts";
import type { UsedCertificate } from "../tls/expiry-watch.ts";
import { AsyncSeries } from "./async-series.ts";
import { CertificateGauge } from "./certificate-gauge.ts";
import type { GroupEvent } from "./event-sentence.ts";
import { LedgerSeries } from "./ledger-series.ts";
import {
  BREAKER_STATES,
  CallerGauges,
  CommandSeries,
  EventCounters,
  GroupGauges,
  KeptCounters,
  outcomeLabel,
  QualityGauges,
  STANDINGS,
  StationGauges,
  type StationLabels,
  shortageLabel,
} from "./metric-series.ts";
import { StateGauges } from "./state-series.ts";

export interface MetricsOptions {
  /**
   * Also called once at the start, for the names of the groups and stations whose counters start at
   * 0.
   */
  readonly statusOf: () => Readonly<Record<string, GroupStatus>>;
  /** How well silence has been judged, by group and station. */
  readonly qualityOf: () => Readonly<Record<string, Readonly<Record<string, DetectionQualityStatus>>>>;
  /** Heartbeats by result, counted since the start. */
  readonly heartbeats: () => Readonly<Record<string, number>>;
  /** Result of the newest probe of a station. Default: no station is probed. */
  readonly probeOf?: (group: string, station: string) => { readonly isWell: boolean } | undefined;
  /** True if two processes send heartbeats as this station. Default: never. */
  readonly isInConflict?: (group: string, station: string) => boolean;
  /** Lookups of names by result, counted since the start. Default: none. */
  readonly lookups?: () => Readonly<Record<string, number>>;
  /** Number of log lines lost since the start. Default: none. */
  readonly lostLogLines?: () => number;
  /** Counters of each group's listener. Default: no listeners. */
  readonly listeners?: () => Readonly<Record<string, ListenerFigures>>;
  /** Asynchronous commands, by group. Default: none. */
  readonly asyncCommands?: () => ReadonlyMap<string, { readonly status: AsyncStatus }>;
  /** Memory held for callers. Default: none. */
  readonly memory?: () => HeldMemoryStatus;
  /** The durable state. Default: none is kept. */
  readonly state?: (() => RecordStoreStatus) | undefined;
  /** Certificates in use. Default: none. */
  readonly certificates?: () => readonly UsedCertificate[];
}

export class GatewayMetrics {
  readonly #registry: Registry = new Registry();
  readonly #options: MetricsOptions;
  readonly #stations: StationGauges;
  readonly #quality: QualityGauges;
  readonly #groups: GroupGauges;
  readonly #events: EventCounters;
  readonly #commands: CommandSeries;
  readonly #kept: KeptCounters;
  readonly #callers: CallerGauges;
  readonly #ledger: LedgerSeries;
  readonly #state: StateGauges | undefined;
  readonly #async: AsyncSeries;
  readonly #certificates: CertificateGauge;
  #begun: ReadonlySet<string> = new Set();

  constructor(options: MetricsOptions) {
    this.#options = options;
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
    this.#stations = new StationGauges(registers);
    this.#quality = new QualityGauges(registers);
    this.#groups = new GroupGauges(registers);
    this.#events = new EventCounters(registers);
    this.#commands = new CommandSeries(registers);
    this.#kept = new KeptCounters(registers);
    this.#callers = new CallerGauges(registers);
    this.#ledger = new LedgerSeries(registers);
    this.#state = options.state && new StateGauges(registers);
    this.#async = new AsyncSeries(registers, () =>
      [...(options.asyncCommands?.() ?? [])].map(([group, { status }]) => [group, status]),
    );
    this.#certificates = new CertificateGauge(registers);
    this.#begin();
  }

  /**
   * The groups have changed: counters of new groups and stations start at 0, and no series of those
   * that are gone remains.
   */
  async follow(): Promise<void> {
    const now = this.#begin();
    const isGone = ({ group, station }: Partial<StationLabels>): boolean =>
      group !== undefined && now.get(group)?.has(station ?? ANY) !== true;
    for (const { name } of this.#registry.getMetricsAsArray()) {
      const metric = this.#registry.getSingleMetric(name) as Counter;
      const { values } = await metric.get();
      for (const { labels } of values) {
        // The bound of a histogram's bucket is no label of its series.
        const { le: _bound, ...own } = labels as Partial<StationLabels> & { readonly le?: unknown };
        if (isGone(own)) metric.remove(own);
      }
    }
  }

  /** The groups, each with its stations; counters of those that are new start at 0. */
  #begin(): ReadonlyMap<string, ReadonlySet<string>> {
    const now = new Map<string, ReadonlySet<string>>();
    for (const [group, { stations }] of Object.entries(this.#options.statusOf())) {
      const names = stations.map(({ name }) => name);
      this.#events.begin(group, names);
      if (!this.#begun.has(group)) this.#commands.begin(group);
      now.set(group, new Set([...names, ANY]));
    }
    this.#begun = new Set(now.keys());
    return now;
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  noteEvent(event: GroupEvent): void {
    const { group } = event;
    const counters = this.#events;
    switch (event.type) {
      case "declaration":
        return counters.declarations.inc({ group, station: event.node, to: event.to });
      case "promoted":
        return counters.promotions.inc({ group, station: event.station, cause: event.cause });
      case "breaker":
        return counters.transitions.inc({ group, station: event.station, to: event.transition.to });
      case "abstention":
        return counters.abstentions.inc({ group, reason: event.reason });
      case "no-eligible-station":
        return counters.kept.inc({ group });
      case "doubted":
        return counters.doubted.inc({ group, station: event.station });
      case "capacity-learned":
        return counters.capacityLearned.inc({ group, station: event.station });
      case "name-conflict":
        return counters.nameConflicts.inc({ group, station: event.station });
      case "overload":
        return counters.overload.inc({ group });
      case "epoch-refused":
        return counters.epochsRefused.inc({ group });
      case "streams-cut":
        return counters.streamsCut.inc({ group, station: event.station, reason: event.reason }, event.streams);
      case "local-shortage":
        return counters.localShortage.inc({ group, code: shortageLabel(event.code) });
    }
  }

  /**
   * Notes that a command ended. `outcome` is the class of its reply (`2xx`), `error-body`, or the
   * code of the error that its caller got.
   */
  noteCommand(group: string, outcome: string, elapsedMs: number): void {
    this.#commands.ended.inc({ group, outcome: outcomeLabel(outcome) });
    this.#commands.seconds.observe({ group }, elapsedMs / 1_000);
  }

  /** All metrics, in Prometheus' text format. */
  text(): Promise<string> {
    const { statusOf, qualityOf, heartbeats, lookups, lostLogLines } = this.#options;
    const { attempts, calls, logLines } = this.#kept;
    logLines.reset();
    logLines.inc(lostLogLines?.() ?? 0);
    calls.reset();
    attempts.reset();
    this.#ledger.reset();
    for (const [group, status] of Object.entries(statusOf())) {
      this.#readGroup(group, status);
      if (status.ledger !== undefined) this.#ledger.read(group, status.ledger);
      for (const [how, count] of Object.entries(status.ended)) calls.inc({ group, how }, count);
      for (const [why, count] of Object.entries(status.attempts)) attempts.inc({ group, why }, count);
      for (const station of status.stations) this.#readStation({ group, station: station.name }, station);
    }
    for (const [group, stations] of Object.entries(qualityOf()))
      for (const [station, quality] of Object.entries(stations)) this.#readQuality({ group, station }, quality);
    readCounts(this.#kept.heartbeats, heartbeats());
    readCounts(this.#kept.lookups, lookups?.() ?? {});
    this.#readCallers();
    if (this.#options.state !== undefined) this.#state?.read(this.#options.state());
    this.#async.read();
    this.#certificates.read(this.#options.certificates?.() ?? []);
    return this.#registry.metrics();
  }

  #readCallers(): void {
    const { unserved, tooSlow, refusedRoom } = this.#kept;
    const { memory = noMemory, listeners } = this.#options;
    for (const counter of [unserved, tooSlow, refusedRoom]) counter.reset();
    for (const [group, figures] of Object.entries(listeners?.() ?? {})) {
      this.#callers.connections.set({ group }, figures.connections.open);
      this.#callers.maxConnections.set({ group }, figures.connections.max);
      for (const [reason, count] of Object.entries(figures.unserved)) unserved.inc({ group, reason }, count);
      for (const [part, count] of Object.entries(figures.tooSlow)) tooSlow.inc({ group, part }, count);
    }
    const { held, maxBytes, refused } = memory();
    this.#callers.maxMemory.set(maxBytes);
    for (const [kind, bytes] of Object.entries(held)) this.#callers.memory.set({ kind }, bytes);
    for (const [reason, count] of Object.entries(refused)) refusedRoom.inc({ reason }, count);
  }

  #readGroup(group: string, { epoch, waiting, parked, overloaded, patienceMs }: GroupStatus): void {
    const gauges = this.#groups;
    gauges.epoch.set({ group }, epoch);
    gauges.waiting.set({ group }, waiting);
    gauges.parked.set({ group }, parked);
    gauges.overloaded.set({ group }, overloaded ? 1 : 0);
    if (patienceMs === undefined) gauges.patience.remove({ group });
    else gauges.patience.set({ group }, patienceMs / 1_000);
  }

  /** An unknown value has no series, so that a zero is not taken for a measurement. */
  #readQuality(at: StationLabels, quality: DetectionQualityStatus): void {
    const { mean, deviation, gap, falsePositives, lastDetection } = this.#quality;
    const { meanMs, deviationMs, p50Ms, p99Ms, p999Ms, lastDetectionMs } = quality;
    if (meanMs !== undefined) mean.set(at, meanMs / 1_000);
    if (deviationMs !== undefined) deviation.set(at, deviationMs / 1_000);
    for (const [quantile, ms] of Object.entries({ "0.5": p50Ms, "0.99": p99Ms, "0.999": p999Ms }))
      if (ms !== undefined) gap.set({ ...at, quantile }, ms / 1_000);
    falsePositives.set(at, quality.falsePositivesPerDay);
    if (lastDetectionMs !== undefined) lastDetection.set(at, lastDetectionMs / 1_000);
  }

  #readStation(
    at: StationLabels,
    { breaker, budget, ramp, usualAnswerMs, overdueAfterMs, ...status }: GroupStatus["stations"][number],
  ) {
    const gauges = this.#stations;
    const probe = this.#options.probeOf?.(at.group, at.station);
    if (probe !== undefined) gauges.probeWell.set(at, probe.isWell ? 1 : 0);
    gauges.nameConflict.set(at, this.#options.isInConflict?.(at.group, at.station) === true ? 1 : 0);
    gauges.level.set(at, status.level);
    gauges.active.set(at, status.active ? 1 : 0);
    gauges.eligible.set(at, status.assessment.eligible ? 1 : 0);
    gauges.doubted.set(at, status.doubted ? 1 : 0);
    gauges.inFlight.set(at, status.inFlight);
    gauges.streams.set(at, status.streams);
    if (usualAnswerMs > 0) gauges.usualAnswer.set(at, usualAnswerMs / 1_000);
    if (overdueAfterMs < Number.POSITIVE_INFINITY) gauges.overdueAfter.set(at, overdueAfterMs / 1_000);
    gauges.ramping.set(at, ramp.ramping ? 1 : 0);
    gauges.rampLimit.set(at, ramp.limit);
    gauges.rampRate.set(at, ramp.ratePerSecond);
    for (const liveness of STANDINGS) gauges.liveness.set({ ...at, liveness }, status.liveness === liveness ? 1 : 0);
    if (breaker !== undefined) {
      for (const state of BREAKER_STATES) gauges.breaker.set({ ...at, state }, breaker.state === state ? 1 : 0);
      gauges.failureRate.set(at, breaker.failureRate);
    }
    if (budget === undefined) return;
    gauges.budgetUsed.set(at, budget.sent + budget.pending);
    gauges.budgetAllowed.set(at, budget.allowed);
    gauges.budgetRefused.set(at, budget.refused);
  }
}

/** In place of a station, for series of a group. */
const ANY = "";

function noMemory(): HeldMemoryStatus {
  return new HeldMemory().status;
}

/** Replaces the values of `counter` by the current counts. */
function readCounts(counter: Counter<"result">, counts: Readonly<Record<string, number>>): void {
  counter.reset();
  for (const [result, count] of Object.entries(counts)) counter.inc({ result }, count);
}
