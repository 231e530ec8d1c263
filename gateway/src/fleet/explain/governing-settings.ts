/**
 * Which settings govern what an explanation tells, and what they are: the field as it is written in
 * a configuration file, the value in force, and the line where it is written. Knows the names of
 * the fields, but neither the file nor its defaults: these are passed in.
 */
import type { GatewaySettings, GroupSettings } from "../settings.ts";
import type { GoverningSetting } from "./explanation.ts";

/** What is known of the file that the settings come from. */
export interface WrittenPlaces {
  readonly file: string;
  /** The line of a field such as `groups[0].detector.threshold`; undefined if it is not written. */
  lineOf(field: string): number | undefined;
  /** The default of a field in words; undefined if it has none. */
  defaultOf(field: string): string | undefined;
}

/** A field of a group that can be named. */
type GroupField =
  | "heartbeat.interval"
  | "detector.logThreshold"
  | "detector.suspectThreshold"
  | "detector.threshold"
  | "detector.clearThreshold"
  | "detector.sustain"
  | "detector.ceiling"
  | "detector.minDwell"
  | "detector.gracePeriod"
  | "commands.timeout"
  | "commands.deadline"
  | "commands.maxWait"
  | "commands.maxWaiting"
  | "commands.maxConcurrent"
  | "commands.ambiguousKeyed"
  | "retry.maxAttempts"
  | "retry.budgetRatio"
  | "breaker.failureRateThreshold"
  | "breaker.minimumVolume"
  | "breaker.window"
  | "breaker.openDuration"
  | "commandPath.failingFor"
  | "commandPath.minFailures"
  | "commandPath.refusalsToDeclare"
  | "commandPath.unansweredAfter"
  | "failback.mode"
  | "failback.holdDown"
  | "limits.request";

/** A field of the whole gateway that can be named. */
type GatewayField = "callers.maxMemory" | "callers.addressRatio" | "callers.minUploadRate" | "callers.maxUploadPause";

export type GoverningField = GroupField | GatewayField;

/** Fields of a group, as they are written, and how their values are. */
const FIELDS: Readonly<Record<GroupField, (settings: GroupSettings) => string>> = {
  "heartbeat.interval": ({ heartbeat }) => ms(heartbeat.intervalMs),
  "detector.logThreshold": ({ detector }) => String(detector.logThreshold),
  "detector.suspectThreshold": ({ supervisor }) => String(supervisor.suspectThreshold),
  "detector.threshold": ({ detector }) => String(detector.threshold),
  "detector.clearThreshold": ({ supervisor }) => String(supervisor.clearThreshold),
  "detector.sustain": ({ supervisor }) => ms(supervisor.sustainMs),
  "detector.ceiling": ({ detector }) => ms(detector.ceilingMs),
  "detector.minDwell": ({ supervisor }) => ms(supervisor.minDwellMs),
  "detector.gracePeriod": ({ supervisor }) => ms(supervisor.gracePeriodMs),
  "commands.timeout": ({ commands }) => ms(commands.timeoutMs),
  "commands.deadline": ({ commands }) => ms(commands.deadlineMs),
  "commands.maxWait": ({ commands }) => ms(commands.maxWaitMs),
  "commands.maxWaiting": ({ commands }) => String(commands.maxWaiting),
  "commands.maxConcurrent": ({ commands }) => String(commands.maxWorking ?? commands.maxConcurrent),
  "commands.ambiguousKeyed": ({ commands }) => commands.ambiguousKeyed,
  "retry.maxAttempts": ({ retry }) => String(retry.maxAttempts),
  "retry.budgetRatio": ({ retry }) => String(retry.budgetRatio),
  "breaker.failureRateThreshold": ({ breaker }) => String(breaker.failureRateThreshold),
  "breaker.minimumVolume": ({ breaker }) => String(breaker.minimumVolume),
  "breaker.window": ({ breaker }) => ms(breaker.windowMs),
  "breaker.openDuration": ({ breaker }) => ms(breaker.openDurationMs),
  "commandPath.failingFor": ({ commandPath }) => ms(commandPath.failingForMs),
  "commandPath.minFailures": ({ commandPath }) => String(commandPath.minFailures),
  "commandPath.refusalsToDeclare": ({ commandPath }) => String(commandPath.refusalsToDeclare),
  "commandPath.unansweredAfter": ({ commandPath }) => ms(commandPath.unansweredAfterMs),
  "failback.mode": ({ failback }) => failback.mode,
  "failback.holdDown": ({ failback }) => ms(failback.holdDownMs),
  "limits.request": ({ limits }) => `${limits.requestBytes}`,
};

/** Fields of the whole gateway. */
const GATEWAY_FIELDS: Readonly<Record<GatewayField, (settings: GatewaySettings) => string>> = {
  "callers.maxMemory": ({ callers }) => String(callers.maxMemoryBytes ?? "set by the machine"),
  "callers.addressRatio": ({ callers }) => String(callers.addressRatio),
  "callers.minUploadRate": ({ callers }) => String(callers.minUploadBytesPerSecond),
  "callers.maxUploadPause": ({ callers }) => ms(callers.maxUploadPauseMs),
};

/**
 * All fields that explanations name, as patterns without indexes: `groups[].detector.threshold`.
 */
export const GOVERNING_FIELDS: readonly string[] = [
  ...Object.keys(FIELDS).map((name) => `groups[].${name}`),
  ...Object.keys(GATEWAY_FIELDS),
  "groups[].stations[].capacityPerSecond",
];

export class GoverningSettings {
  readonly #settings: GatewaySettings;
  readonly #group: GroupSettings;
  readonly #place: number;
  readonly #written: WrittenPlaces | undefined;

  constructor(settings: GatewaySettings, group: GroupSettings, written: WrittenPlaces | undefined) {
    this.#settings = settings;
    this.#group = group;
    this.#place = settings.groups.findIndex(({ name }) => name === group.name);
    this.#written = written;
  }

  of(...fields: readonly GoverningField[]): readonly GoverningSetting[] {
    return fields.map((name) => {
      if (isOfGateway(name)) return this.#found(name, GATEWAY_FIELDS[name](this.#settings));
      return this.#found(`groups[${this.#place}].${name}`, FIELDS[name](this.#group));
    });
  }

  /** The declared capacity of a station; empty if it has none. */
  capacityOf(station: string): readonly GoverningSetting[] {
    const place = this.#group.stations.findIndex(({ name }) => name === station);
    const declared = this.#group.stations[place]?.capacityPerSecond ?? Number.POSITIVE_INFINITY;
    const shown = declared < Number.POSITIVE_INFINITY ? String(declared) : "not declared";
    return place < 0 ? [] : [this.#found(`groups[${this.#place}].stations[${place}].capacityPerSecond`, shown)];
  }

  #found(field: string, value: string): GoverningSetting {
    const line = this.#written?.lineOf(field);
    return {
      field,
      value,
      file: line === undefined ? undefined : this.#written?.file,
      line,
      default: this.#written?.defaultOf(field),
    };
  }
}

function isOfGateway(name: GoverningField): name is GatewayField {
  return name in GATEWAY_FIELDS;
}

function ms(amount: number | undefined): string {
  if (amount === undefined) return "set by the library";
  return amount >= 1_000 && amount % 100 === 0 ? `${amount / 1_000}s` : `${Math.round(amount * 1_000) / 1_000}ms`;
}
