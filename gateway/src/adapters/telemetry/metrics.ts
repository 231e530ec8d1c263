/**
 * The metrics for Prometheus. States are read from the groups on each request; only values that
 * cannot be read later (events, commands) are counted as they happen. Labels contain names from the
 * configuration and words from fixed lists, so the configuration bounds the number of series. The
 * series themselves are listed in `metric-series.ts`. Reading and writing them is cut into slices:
 * the values of one page are a fraction of a second apart if there are many groups.
 */
import type { DetectionQualityStatus } from "ground-station-failover/core";
import { type Counter, collectDefaultMetrics, type Metric, type MetricObject, Registry } from "prom-client";
import type { AsyncStatus } from "../../fleet/async/command-queue.ts";
import type { Group, GroupStatus } from "../../fleet/group.ts";
import { HeldMemory, type HeldMemoryStatus } from "../../fleet/held-memory.ts";
import type { RecordStoreStatus } from "../../fleet/record-store.ts";
import type { ListenerFigures } from "../callers/http-proxy.ts";
import { Slices } from "../process/slices.ts";
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
   * Also read once at the start, for the names of the groups and stations whose counters start at
   * 0.
   */
  readonly groups: ReadonlyMap<string, Pick<Group, "status" | "quality">>;
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
    this.#async = new AsyncSeries(registers);
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
    for (const [group, { status }] of this.#options.groups) {
      const names = status.stations.map(({ name }) => name);
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
    // A group that has left goes on until its commands are over; its series are gone for good.
    if (!this.#options.groups.has(group)) return;
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
    if (!this.#options.groups.has(group)) return;
    this.#commands.ended.inc({ group, outcome: outcomeLabel(outcome) });
    this.#commands.seconds.observe({ group }, elapsedMs / 1_000);
  }

  /** All metrics, in Prometheus' text format. Not twice at the same time. */
  async text(): Promise<string> {
    const slices = new Slices();
    const { groups, heartbeats, lookups, lostLogLines, listeners, asyncCommands } = this.#options;
    this.#resetRead();
    this.#kept.logLines.inc(lostLogLines?.() ?? 0);
    const figures = listeners?.() ?? {};
    // The map itself, so that a group that leaves meanwhile gets no series again.
    for (const [name, group] of groups) {
      if (slices.isOver) await slices.next();
      if (!groups.has(name)) continue;
      this.#readGroup(name, group.status);
      for (const [station, quality] of Object.entries(group.quality()))
        this.#readQuality({ group: name, station }, quality);
      const ofListener = figures[name];
      if (ofListener !== undefined) this.#readListener(name, ofListener);
      const commands = asyncCommands?.().get(name);
      if (commands !== undefined) this.#async.read(name, commands.status);
    }
    readCounts(this.#kept.heartbeats, heartbeats());
    readCounts(this.#kept.lookups, lookups?.() ?? {});
    this.#readMemory();
    if (this.#options.state !== undefined) this.#state?.read(this.#options.state());
    this.#certificates.read(this.#options.certificates?.() ?? []);
    return this.#written(slices);
  }

  /** Counters whose values are read from elsewhere. */
  #resetRead(): void {
    const { attempts, calls, logLines, unserved, tooSlow, refusedRoom } = this.#kept;
    for (const counter of [attempts, calls, logLines, unserved, tooSlow, refusedRoom]) counter.reset();
    this.#ledger.reset();
    this.#async.reset();
  }

  /** As `Registry.metrics` writes it, in pieces: each is a registry of its own with some series. */
  async #written(slices: Slices): Promise<string> {
    const pieces: string[] = [];
    const page = new Registry();
    for (const { name } of this.#registry.getMetricsAsArray()) {
      const metric = this.#registry.getSingleMetric(name) as unknown as Written;
      const read = await (metric.getForPromString?.() ?? metric.get());
      for (let from = 0; from === 0 || from < read.values.length; from += SERIES_AT_ONCE) {
        const part = { ...read, values: read.values.slice(from, from + SERIES_AT_ONCE) };
        page.registerMetric({ name, get: async () => part } as unknown as Metric);
        const lines = await page.getSingleMetricAsString(name);
        page.removeSingleMetric(name);
        pieces.push(from === 0 ? lines : withoutHead(lines));
        if (slices.isOver) await slices.next();
      }
      pieces.push("");
    }
    // Ten megabytes for a thousand groups: a slice of its own.
    await slices.next();
    return pieces.join("\n");
  }

  #readListener(group: string, { connections, unserved, tooSlow }: ListenerFigures): void {
    this.#callers.connections.set({ group }, connections.open);
    this.#callers.maxConnections.set({ group }, connections.max);
    for (const [reason, count] of Object.entries(unserved)) this.#kept.unserved.inc({ group, reason }, count);
    for (const [part, count] of Object.entries(tooSlow)) this.#kept.tooSlow.inc({ group, part }, count);
  }

  #readMemory(): void {
    const { memory = noMemory } = this.#options;
    const { held, maxBytes, refused } = memory();
    this.#callers.maxMemory.set(maxBytes);
    for (const [kind, bytes] of Object.entries(held)) this.#callers.memory.set({ kind }, bytes);
    for (const [reason, count] of Object.entries(refused)) this.#kept.refusedRoom.inc({ reason }, count);
  }

  #readGroup(group: string, status: GroupStatus): void {
    const gauges = this.#groups;
    gauges.epoch.set({ group }, status.epoch);
    gauges.waiting.set({ group }, status.waiting);
    gauges.parked.set({ group }, status.parked);
    gauges.overloaded.set({ group }, status.overloaded ? 1 : 0);
    if (status.patienceMs === undefined) gauges.patience.remove({ group });
    else gauges.patience.set({ group }, status.patienceMs / 1_000);
    if (status.ledger !== undefined) this.#ledger.read(group, status.ledger);
    for (const [how, count] of Object.entries(status.ended)) this.#kept.calls.inc({ group, how }, count);
    for (const [why, count] of Object.entries(status.attempts)) this.#kept.attempts.inc({ group, why }, count);
    for (const station of status.stations) this.#readStation({ group, station: station.name }, station);
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

/** Series that are written at once: a millisecond's work. */
const SERIES_AT_ONCE = 500;

/** A metric of `prom-client`, whose histograms have a shorter form for writing. */
interface Written {
  get(): Promise<ReadMetric>;
  getForPromString?(): Promise<ReadMetric>;
}

type ReadMetric = MetricObject & { readonly values: readonly object[] };

/** Without the lines of help and type, which are the first two. */
function withoutHead(lines: string): string {
  return lines.slice(lines.indexOf("\n", lines.indexOf("\n") + 1) + 1);
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
