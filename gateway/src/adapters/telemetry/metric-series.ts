/**
 * The Prometheus series: names, labels and help texts. A counter starts at 0 for every group and
 * station of the configuration and every fixed label value: a series that first appears with 1
 * shows no increase, so the first event would be missed. A value that has not been measured has no
 * series. No text from a caller becomes a label.
 */

import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import { STREAM_ENDS } from "../../fleet/group-events.ts";
import { ENDING_CODES } from "../../fleet/problem.ts";

export type StationLabels = { readonly group: string; readonly station: string };
type Registers = Registry[];
type StationGauge<More extends string = never> = Gauge<"group" | "station" | More>;

export const STANDINGS = ["unknown", "alive", "suspected", "down"] as const;
export const BREAKER_STATES = ["closed", "open", "half-open"] as const;
/** The liveness states that can be declared for a station. */
const DECLARED = ["alive", "suspected", "down"] as const;
const PROMOTION_CAUSES = ["failure", "failback", "switchover", "maintenance", "slowness"] as const;
const ABSTENTION_REASONS = ["observer-stall", "observer-isolated", "own-shortage", "detector-error"] as const;
/** Error codes of resources that a machine can run out of; any other code is counted as `other`. */
const SHORTAGE_CODES: ReadonlySet<string> = new Set([
  ...["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM", "EADDRNOTAVAIL"],
  ...["EAI_AGAIN", "EAI_FAIL", "EAI_MEMORY", "ENOTFOUND", "ESERVFAIL", "ETIMEOUT"],
]);
const OTHER_CODE = "other";
/**
 * Outcomes of commands: the class of the reply, or the code of the caller's error; any other is
 * counted as `other`.
 */
const OUTCOMES: ReadonlySet<string> = new Set([
  ...["1xx", "2xx", "3xx", "4xx", "5xx", "error-body"],
  ...ENDING_CODES,
  OTHER_CODE,
]);
/** Buckets from a local service's answer time to the default deadline of a command, in seconds. */
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30];

/** The label value under which a shortage is counted. */
export function shortageLabel(code: string): string {
  return SHORTAGE_CODES.has(code) ? code : OTHER_CODE;
}

/** The label value under which the outcome of a command is counted. */
export function outcomeLabel(outcome: string): string {
  return OUTCOMES.has(outcome) ? outcome : OTHER_CODE;
}

export class StationGauges {
  readonly level: StationGauge;
  readonly active: StationGauge;
  readonly eligible: StationGauge;
  readonly doubted: StationGauge;
  readonly inFlight: StationGauge;
  readonly streams: StationGauge;
  readonly usualAnswer: StationGauge;
  readonly overdueAfter: StationGauge;
  readonly ramping: StationGauge;
  readonly rampLimit: StationGauge;
  readonly rampRate: StationGauge;
  readonly failureRate: StationGauge;
  readonly budgetUsed: StationGauge;
  readonly budgetAllowed: StationGauge;
  readonly budgetRefused: StationGauge;
  readonly probeWell: StationGauge;
  readonly nameConflict: StationGauge;
  readonly liveness: StationGauge<"liveness">;
  readonly breaker: StationGauge<"state">;

  constructor(registers: Registers) {
    const gauge = stationGauge(registers);
    this.level = gauge(
      "suspicion_level",
      "Suspicion, as the group's model counts it; 1.8e308 past the ceiling, +Inf if never heard.",
    );
    this.active = gauge("active", "1 for the station that serves now.");
    this.eligible = gauge("eligible", "1 for a station that may be active.");
    this.doubted = gauge("doubted", "1 while new commands avoid it where another station can take them.");
    this.inFlight = gauge(
      "commands_in_flight",
      "Commands that are out at it, those whose replies it streams included.",
    );
    this.streams = gauge("streams_open", "Replies that it is streaming.");
    this.usualAnswer = gauge("usual_answer_seconds", "How long it usually takes to answer, smoothed.");
    this.overdueAfter = gauge("overdue_after_seconds", "An attempt that is out for longer is overdue.");
    this.ramping = gauge("ramping", "1 while the commands in flight at it are limited by what it is known to take.");
    this.rampLimit = gauge("ramp_limit", "Commands that may be in flight at it; +Inf for no limit.");
    this.rampRate = gauge("ramp_rate_per_second", "Commands a second that it is given at most; +Inf for no limit.");
    this.failureRate = gauge("breaker_failure_ratio", "Share of failed commands in the breaker's window.");
    this.budgetUsed = gauge("retry_budget_used", "Extra attempts in the budget's window, waiting ones included.");
    this.budgetAllowed = gauge("retry_budget_allowed", "Extra attempts that the window allows.");
    this.budgetRefused = gauge("retry_budget_refused", "Extra attempts refused since the start.");
    this.probeWell = gauge("probe_well", "1 while the newest probe of its health page was answered as expected.");
    this.nameConflict = gauge(
      "name_conflict",
      "1 while two processes send heartbeats as it, which prove no life then.",
    );
    this.liveness = gauge("liveness", "1 for its liveness: unknown, alive, suspected or down.", "liveness");
    this.breaker = gauge("breaker_state", "1 for the state of its circuit breaker.", "state");
  }
}

export class QualityGauges {
  readonly mean: StationGauge;
  readonly deviation: StationGauge;
  readonly falsePositives: StationGauge;
  readonly lastDetection: StationGauge;
  readonly gap: StationGauge<"quantile">;

  constructor(registers: Registers) {
    const gauge = stationGauge(registers);
    this.mean = gauge(
      "heartbeat_interval_mean_seconds",
      "Mean of the gaps between its heartbeats, declared ones left out.",
    );
    this.deviation = gauge("heartbeat_interval_deviation_seconds", "Deviation of the gaps between its heartbeats.");
    this.falsePositives = gauge(
      "false_positives_per_day",
      "Times in the last 24 hours that it was declared down and heard again within 10 s without a restart.",
    );
    this.lastDetection = gauge("last_detection_seconds", "Silence after which it was last declared down.");
    this.gap = gauge(
      "heartbeat_gap_seconds",
      "Quantiles of the gaps between its heartbeats, declared ones left out; at most 5 % too long.",
      "quantile",
    );
  }
}

export class GroupGauges {
  readonly epoch: Gauge<"group">;
  readonly waiting: Gauge<"group">;
  readonly parked: Gauge<"group">;
  readonly overloaded: Gauge<"group">;
  readonly patience: Gauge<"group">;

  constructor(registers: Registers) {
    const gauge = (name: string, help: string): Gauge<"group"> =>
      new Gauge({ name: `gsf_group_${name}`, help, labelNames: ["group"], registers });
    this.epoch = gauge("epoch", "Raised by every promotion.");
    this.waiting = gauge("commands_waiting", "Commands that wait for a station to take them.");
    this.parked = gauge("commands_parked", "Commands that wait for a retry, or for a station's word on their key.");
    this.overloaded = gauge("overloaded", "1 while less than half of the commands that end are answered well.");
    this.patience = gauge(
      "caller_patience_seconds",
      "How long callers wait, learned from those who hung up; none while it is unknown.",
    );
  }
}

export class EventCounters {
  readonly declarations: Counter<"group" | "station" | "to">;
  readonly promotions: Counter<"group" | "station" | "cause">;
  readonly transitions: Counter<"group" | "station" | "to">;
  readonly doubted: Counter<"group" | "station">;
  readonly capacityLearned: Counter<"group" | "station">;
  readonly nameConflicts: Counter<"group" | "station">;
  readonly abstentions: Counter<"group" | "reason">;
  readonly kept: Counter<"group">;
  readonly overload: Counter<"group">;
  readonly localShortage: Counter<"group" | "code">;
  readonly streamsCut: Counter<"group" | "station" | "reason">;
  readonly epochsRefused: Counter<"group">;

  constructor(registers: Registers) {
    const counter = <Label extends string>(name: string, help: string, ...labelNames: Label[]): Counter<Label> =>
      new Counter({ name: `gsf_${name}_total`, help, labelNames, registers });
    this.declarations = counter("declarations", "What was declared of a station.", "group", "station", "to");
    this.promotions = counter("promotions", "Stations made active.", "group", "station", "cause");
    this.transitions = counter("breaker_transitions", "Circuits that changed state.", "group", "station", "to");
    this.doubted = counter("doubted", "Times that new commands began to avoid the active station.", "group", "station");
    this.capacityLearned = counter(
      "capacity_learned",
      "Events that said that a station is given less; at most one in 10 s.",
      "group",
      "station",
    );
    this.nameConflicts = counter(
      "name_conflicts",
      "Times that two processes began to send heartbeats as one station.",
      "group",
      "station",
    );
    this.abstentions = counter("abstentions", "Times that this process distrusted itself.", "group", "reason");
    this.kept = counter("nobody_fit", "Times that the least bad station was kept.", "group");
    this.overload = counter(
      "overload",
      "Events of less than half of what ends being answered well: when it begins, and every 10 s until it is over.",
      "group",
    );
    this.localShortage = counter(
      "local_shortage",
      "Events of commands that could not be sent for want of a resource of this machine; at most one in 10 s.",
      "group",
      "code",
    );
    this.streamsCut = counter(
      "streams_cut",
      "Replies that were still streaming when their station was declared down, or some time after it was replaced.",
      "group",
      "station",
      "reason",
    );
    this.epochsRefused = counter(
      "epochs_refused",
      "Events of epochs that stations say they have seen and that cannot be; at most one in 10 s.",
      "group",
    );
  }

  /** Starts every counter of `group` at 0. */
  begin(group: string, stations: readonly string[]): void {
    this.kept.inc({ group }, 0);
    this.overload.inc({ group }, 0);
    this.epochsRefused.inc({ group }, 0);
    for (const reason of ABSTENTION_REASONS) this.abstentions.inc({ group, reason }, 0);
    for (const code of [...SHORTAGE_CODES, OTHER_CODE]) this.localShortage.inc({ group, code }, 0);
    for (const station of stations) {
      const at = { group, station };
      for (const to of DECLARED) this.declarations.inc({ ...at, to }, 0);
      for (const cause of PROMOTION_CAUSES) this.promotions.inc({ ...at, cause }, 0);
      for (const to of BREAKER_STATES) this.transitions.inc({ ...at, to }, 0);
      for (const reason of STREAM_ENDS) this.streamsCut.inc({ ...at, reason }, 0);
      this.doubted.inc(at, 0);
      this.capacityLearned.inc(at, 0);
      this.nameConflicts.inc(at, 0);
    }
  }
}

export class CommandSeries {
  readonly ended: Counter<"group" | "outcome">;
  readonly seconds: Histogram<"group">;

  constructor(registers: Registers) {
    this.ended = new Counter({
      name: "gsf_commands_total",
      help: "Commands by class of reply (2xx), error-body for a 2xx that reports an error, or code of the error the caller got.",
      labelNames: ["group", "outcome"],
      registers,
    });
    this.seconds = new Histogram({
      name: "gsf_command_duration_seconds",
      help: "From a command's arrival until its reply can be passed on.",
      labelNames: ["group"],
      buckets: SECONDS,
      registers,
    });
  }

  /** Starts both series of `group` at 0. */
  begin(group: string): void {
    for (const outcome of OUTCOMES) this.ended.inc({ group, outcome }, 0);
    this.seconds.zero({ group });
  }
}

/** Counters that are kept elsewhere and are read on each request for metrics. */
export class KeptCounters {
  readonly calls: Counter<"group" | "how">;
  readonly attempts: Counter<"group" | "why">;
  readonly heartbeats: Counter<"result">;
  readonly lookups: Counter<"result">;
  readonly unserved: Counter<"group" | "reason">;
  readonly tooSlow: Counter<"group" | "part">;
  readonly refusedRoom: Counter<"reason">;
  readonly logLines: Counter;

  constructor(registers: Registers) {
    const counter = <Label extends string>(name: string, help: string, ...labelNames: Label[]): Counter<Label> =>
      new Counter({ name: `gsf_${name}_total`, help, labelNames, registers });
    this.calls = counter(
      "commands_ended",
      "Commands by how they ended for their callers: answered, failed, refused early, expired or hungUp.",
      "group",
      "how",
    );
    this.attempts = counter(
      "attempts",
      "Attempts at stations by why they were made: first, retry (the same station), elsewhere (moved to another), hedge.",
      "group",
      "why",
    );
    this.heartbeats = counter("heartbeats", "Heartbeat datagrams by what became of them.", "result");
    this.lookups = counter(
      "name_lookups",
      "Lookups of stations' names by how they ended; outdated: connections to an address whose last lookup failed.",
      "result",
    );
    this.unserved = counter(
      "connections_unserved",
      "Callers' connections that were closed unserved: refused (too many), caller (too many of one address) or failed (the system gave none).",
      "group",
      "reason",
    );
    this.tooSlow = counter(
      "requests_too_slow",
      "Requests that were refused because their head or their body came too slowly.",
      "group",
      "part",
    );
    this.refusedRoom = counter(
      "memory_refused",
      "Times that memory was refused to callers, by why: total (all is taken), caller (its address has its share), too-large.",
      "reason",
    );
    this.logLines = counter("log_lines_lost", "Lines of the log that nobody read, or that could not be written.");
  }
}

/** What callers use of this process. */
export class CallerGauges {
  readonly memory: Gauge<"kind">;
  readonly maxMemory: Gauge;
  readonly connections: Gauge<"group">;
  readonly maxConnections: Gauge<"group">;

  constructor(registers: Registers) {
    this.memory = new Gauge({
      name: "gsf_memory_held_bytes",
      help: "Bytes held for callers: requests, replies, events, recordings, control.",
      labelNames: ["kind"],
      registers,
    });
    this.maxMemory = new Gauge({
      name: "gsf_memory_max_bytes",
      help: "Bytes that may be held for callers at once.",
      registers,
    });
    this.connections = new Gauge({
      name: "gsf_group_connections",
      help: "Connections of callers that are open.",
      labelNames: ["group"],
      registers,
    });
    this.maxConnections = new Gauge({
      name: "gsf_group_connections_max",
      help: "Connections of callers that may be open at once; +Inf for no bound.",
      labelNames: ["group"],
      registers,
    });
  }
}

function stationGauge(registers: Registers) {
  return <More extends string = never>(name: string, help: string, ...more: More[]): StationGauge<More> =>
    new Gauge({ name: `gsf_station_${name}`, help, labelNames: ["group", "station", ...more], registers });
}
