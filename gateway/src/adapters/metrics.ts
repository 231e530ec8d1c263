/**
 * What Prometheus is told. States are read off the groups when somebody asks; only what cannot be read later (events,
 * commands) is counted as it happens. Labels hold names from the configuration and words from fixed lists, so the number
 * of series is bounded by the configuration; nothing that a caller sends becomes a label.
 */
import type { DetectionQualityStatus, FailoverStatus, StationStatus } from "ground-station-failover";
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { GroupEvent } from "./event-sentence.ts";

export interface MetricsOptions {
  readonly statusOf: () => Readonly<Record<string, FailoverStatus>>;
  /** How well silence has been judged, by group and station. */
  readonly qualityOf: () => Readonly<Record<string, Readonly<Record<string, DetectionQualityStatus>>>>;
  /** Heartbeats by what became of them, counted since the start. */
  readonly heartbeats: () => Readonly<Record<string, number>>;
  /** What the newest probe of a station came to. Default: nobody is probed. */
  readonly probeOf?: (group: string, station: string) => { readonly isWell: boolean } | undefined;
  /** Lookups of names by how they ended, counted since the start. Default: none are made. */
  readonly lookups?: () => Readonly<Record<string, number>>;
  /** Callers' connections that were not served, by group and why. Default: all are. */
  readonly unserved?: () => Readonly<Record<string, Readonly<Record<string, number>>>>;
}

const STANDINGS = ["unknown", "alive", "suspected", "down"] as const;
const BREAKER_STATES = ["closed", "open", "half-open"] as const;
/** From a local service's answer to the default deadline of a command. */
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30];

export class GatewayMetrics {
  readonly #registry: Registry = new Registry();
  readonly #options: MetricsOptions;
  readonly #gauges: ReturnType<typeof stationGauges>;
  readonly #quality: ReturnType<typeof qualityGauges>;
  readonly #groupGauges: ReturnType<typeof groupGauges>;
  readonly #counters: ReturnType<typeof eventCounters>;
  readonly #commands: ReturnType<typeof commandMetrics>;
  readonly #heartbeats: Counter<"result">;
  readonly #lookups: Counter<"result">;
  readonly #unserved: Counter<"group" | "reason">;

  constructor(options: MetricsOptions) {
    this.#options = options;
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
    this.#gauges = stationGauges(registers);
    this.#quality = qualityGauges(registers);
    this.#groupGauges = groupGauges(registers);
    this.#counters = eventCounters(registers);
    this.#commands = commandMetrics(registers);
    this.#heartbeats = new Counter({
      name: "gsf_heartbeats_total",
      help: "Heartbeat datagrams by what became of them.",
      labelNames: ["result"],
      registers,
    });
    this.#lookups = new Counter({
      name: "gsf_name_lookups_total",
      help: "Lookups of stations' names by how they ended; outdated: connections to an address whose last lookup failed.",
      labelNames: ["result"],
      registers,
    });
    this.#unserved = new Counter({
      name: "gsf_connections_unserved_total",
      help: "Callers' connections that were closed unserved: refused (too many) or failed (the system gave none).",
      labelNames: ["group", "reason"],
      registers,
    });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  noteEvent(event: GroupEvent): void {
    const { group } = event;
    const { declarations, promotions, transitions, abstentions, kept } = this.#counters;
    if (event.type === "declaration") declarations.inc({ group, station: event.node, to: event.to });
    else if (event.type === "promoted") promotions.inc({ group, station: event.station, cause: event.cause });
    else if (event.type === "breaker") transitions.inc({ group, station: event.station, to: event.transition.to });
    else if (event.type === "abstention") abstentions.inc({ group });
    else if (event.type === "kept") kept.inc({ group });
  }

  /** A command ended: `outcome` is the class of its reply (`2xx`), `error-body`, or the code of the error that its caller got. */
  noteCommand(group: string, outcome: string, elapsedMs: number): void {
    this.#commands.ended.inc({ group, outcome });
    this.#commands.seconds.observe({ group }, elapsedMs / 1_000);
  }

  /** Everything, in Prometheus' text format. */
  text(): Promise<string> {
    for (const [group, status] of Object.entries(this.#options.statusOf())) {
      this.#groupGauges.epoch.set({ group }, status.epoch);
      this.#groupGauges.waiting.set({ group }, status.waiting);
      this.#groupGauges.parked.set({ group }, status.parked);
      for (const station of status.stations) this.#readStation(group, station);
    }
    for (const [group, stations] of Object.entries(this.#options.qualityOf()))
      for (const [station, quality] of Object.entries(stations)) this.#readQuality({ group, station }, quality);
    this.#heartbeats.reset();
    for (const [result, count] of Object.entries(this.#options.heartbeats())) this.#heartbeats.inc({ result }, count);
    this.#readCounts();
    return this.#registry.metrics();
  }

  /** Counts that others keep. */
  #readCounts(): void {
    const { lookups, unserved } = this.#options;
    this.#lookups.reset();
    for (const [result, count] of Object.entries(lookups?.() ?? {})) this.#lookups.inc({ result }, count);
    this.#unserved.reset();
    for (const [group, counts] of Object.entries(unserved?.() ?? {}))
      for (const [reason, count] of Object.entries(counts)) this.#unserved.inc({ group, reason }, count);
  }

  /** What is not known has no series, so that nobody takes a zero for a measurement. */
  #readQuality(at: { group: string; station: string }, quality: DetectionQualityStatus): void {
    const { mean, deviation, gap, falsePositives, lastDetection } = this.#quality;
    const { meanMs, deviationMs, p50Ms, p99Ms, p999Ms, lastDetectionMs } = quality;
    if (meanMs !== undefined) mean.set(at, meanMs / 1_000);
    if (deviationMs !== undefined) deviation.set(at, deviationMs / 1_000);
    for (const [quantile, ms] of Object.entries({ "0.5": p50Ms, "0.99": p99Ms, "0.999": p999Ms }))
      if (ms !== undefined) gap.set({ ...at, quantile }, ms / 1_000);
    falsePositives.set(at, quality.falsePositivesPerDay);
    if (lastDetectionMs !== undefined) lastDetection.set(at, lastDetectionMs / 1_000);
  }

  #readStation(group: string, { name: station, breaker, budget, ramp, ...status }: StationStatus): void {
    const gauges = this.#gauges;
    const at = { group, station };
    const probe = this.#options.probeOf?.(group, station);
    if (probe !== undefined) gauges.probeWell.set(at, probe.isWell ? 1 : 0);
    gauges.level.set(at, status.level);
    gauges.active.set(at, status.active ? 1 : 0);
    gauges.fit.set(at, status.assessment.fit ? 1 : 0);
    gauges.inFlight.set(at, status.inFlight);
    gauges.ramping.set(at, ramp.ramping ? 1 : 0);
    gauges.rampLimit.set(at, ramp.limit);
    for (const standing of STANDINGS) gauges.standing.set({ ...at, standing }, status.standing === standing ? 1 : 0);
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

type Registers = Registry[];
type StationGauge<More extends string = never> = Gauge<"group" | "station" | More>;

function stationGauges(registers: Registers): {
  readonly [Name in
    | "level"
    | "active"
    | "fit"
    | "inFlight"
    | "ramping"
    | "rampLimit"
    | "failureRate"
    | "budgetUsed"
    | "budgetAllowed"
    | "budgetRefused"
    | "probeWell"]: StationGauge;
} & { readonly standing: StationGauge<"standing">; readonly breaker: StationGauge<"state"> } {
  const gauge = (name: string, help: string): StationGauge =>
    new Gauge({ name: `gsf_station_${name}`, help, labelNames: ["group", "station"], registers });
  return {
    level: gauge(
      "suspicion_level",
      "Suspicion, as the group's model counts it; 1.8e308 past the ceiling, +Inf if never heard.",
    ),
    active: gauge("active", "1 for the station that serves now."),
    fit: gauge("fit", "1 for a station that may be active."),
    inFlight: gauge("commands_in_flight", "Commands that are out at it."),
    ramping: gauge("ramping", "1 while it is being given load gradually after a promotion."),
    rampLimit: gauge("ramp_limit", "Commands that may be in flight; +Inf where the ramp does not limit."),
    failureRate: gauge("breaker_failure_ratio", "Share of failed commands in the breaker's window."),
    budgetUsed: gauge("retry_budget_used", "Extra attempts in the budget's window, waiting ones included."),
    budgetAllowed: gauge("retry_budget_allowed", "Extra attempts that the window allows."),
    budgetRefused: gauge("retry_budget_refused", "Extra attempts refused since the start."),
    probeWell: gauge("probe_well", "1 while the newest probe of its health page was answered as expected."),
    standing: new Gauge({
      name: "gsf_station_standing",
      help: "1 for what is held of it: unknown, alive, suspected or down.",
      labelNames: ["group", "station", "standing"],
      registers,
    }),
    breaker: new Gauge({
      name: "gsf_station_breaker_state",
      help: "1 for the state of its circuit breaker.",
      labelNames: ["group", "station", "state"],
      registers,
    }),
  };
}

function qualityGauges(registers: Registers): {
  readonly [Name in "mean" | "deviation" | "falsePositives" | "lastDetection"]: StationGauge;
} & { readonly gap: StationGauge<"quantile"> } {
  const gauge = (name: string, help: string): StationGauge =>
    new Gauge({ name: `gsf_station_${name}`, help, labelNames: ["group", "station"], registers });
  return {
    mean: gauge("heartbeat_interval_mean_seconds", "Mean of the gaps between its heartbeats, declared ones left out."),
    deviation: gauge("heartbeat_interval_deviation_seconds", "Deviation of the gaps between its heartbeats."),
    falsePositives: gauge(
      "false_positives_per_day",
      "Times in the last 24 hours that it was declared down and heard again within 10 s without a restart.",
    ),
    lastDetection: gauge("last_detection_seconds", "Silence after which it was last declared down."),
    gap: new Gauge({
      name: "gsf_station_heartbeat_gap_seconds",
      help: "Quantiles of the gaps between its heartbeats, declared ones left out; at most 5 % too long.",
      labelNames: ["group", "station", "quantile"],
      registers,
    }),
  };
}

function groupGauges(registers: Registers): { readonly [Name in "epoch" | "waiting" | "parked"]: Gauge<"group"> } {
  const gauge = (name: string, help: string): Gauge<"group"> =>
    new Gauge({ name: `gsf_group_${name}`, help, labelNames: ["group"], registers });
  return {
    epoch: gauge("epoch", "Raised by every promotion."),
    waiting: gauge("commands_waiting", "Commands that wait for somebody fit."),
    parked: gauge("commands_parked", "Commands that wait for a retry, or for a station to say what became of them."),
  };
}

function eventCounters(registers: Registers): {
  readonly declarations: Counter<"group" | "station" | "to">;
  readonly promotions: Counter<"group" | "station" | "cause">;
  readonly transitions: Counter<"group" | "station" | "to">;
  readonly abstentions: Counter<"group">;
  readonly kept: Counter<"group">;
} {
  const counter = <Label extends string>(name: string, help: string, ...labelNames: Label[]): Counter<Label> =>
    new Counter({ name: `gsf_${name}_total`, help, labelNames, registers });
  return {
    declarations: counter("declarations", "What was declared of a station.", "group", "station", "to"),
    promotions: counter("promotions", "Stations made active.", "group", "station", "cause"),
    transitions: counter("breaker_transitions", "Circuits that changed state.", "group", "station", "to"),
    abstentions: counter("abstentions", "Times that this process distrusted itself.", "group"),
    kept: counter("nobody_fit", "Times that the least bad station was kept.", "group"),
  };
}

function commandMetrics(registers: Registers): {
  readonly ended: Counter<"group" | "outcome">;
  readonly seconds: Histogram<"group">;
} {
  return {
    ended: new Counter({
      name: "gsf_commands_total",
      help: "Commands by class of reply (2xx), error-body for a 2xx that reports an error, or code of the error the caller got.",
      labelNames: ["group", "outcome"],
      registers,
    }),
    seconds: new Histogram({
      name: "gsf_command_duration_seconds",
      help: "From a command's arrival until its reply can be passed on.",
      labelNames: ["group"],
      buckets: SECONDS,
      registers,
    }),
  };
}
