/**
 * What a failover refuses for callers without types: unknown option names, and values of the wrong
 * kind. Numbers are checked where they are used; stations and contradictory words are checked in
 * `create-stations.ts`.
 */

import { SUPERVISOR_NAMES } from "../../core/detection/supervisor-options.ts";
import type { AdmissionOptions } from "../../core/failover/admission/admission.ts";
import type { CommandPathOptions } from "../../core/failover/evidence/evidence.ts";
import {
  checkFunction,
  checkMethods,
  checkNames,
  checkObject,
  type Names,
  optionsOf,
  refusal,
} from "../../core/options.ts";
import { checkDetector } from "../detection/supervisor.ts";
import { CLIENT_NAMES } from "../guard/client.ts";
import { checkClock } from "../time/clock.ts";
import type { FailoverOptions, Lease, NamedStation, RampOptions, StationClientOptions } from "./options.ts";

/** The failover's name in errors. */
export const PART = "PrimaryBackupFailover";

const NAMES: Names<FailoverOptions<NamedStation>> = {
  primary: true,
  backup: true,
  backups: true,
  detector: true,
  supervisor: true,
  client: true,
  ramp: true,
  commandPath: true,
  failback: true,
  cooldownMs: true,
  probe: true,
  probeIntervalMs: true,
  keyStatus: true,
  keyStatusTimeoutMs: true,
  ambiguousKeyed: true,
  deadlineMs: true,
  maxWaitMs: true,
  maxWaiting: true,
  heartbeatNote: true,
  initialEpoch: true,
  initialActive: true,
  lease: true,
  clock: true,
  random: true,
};
const COMMAND_PATH_NAMES: Names<CommandPathOptions> = {
  failingForMs: true,
  minFailures: true,
  refusalsToDeclare: true,
  unansweredAfterMs: true,
};
const FAILBACK_NAMES: Names<NonNullable<FailoverOptions<NamedStation>["failback"]>> = {
  mode: true,
  holdDownMs: true,
  flapWindowMs: true,
  maxHoldDownMs: true,
  canaryWaitMs: true,
};
const RAMP_NAMES: Names<Omit<AdmissionOptions, "maxConcurrent">> = {
  capacityPerSecond: true,
  burst: true,
  initialConcurrent: true,
  maxWorking: true,
};
const { name: _name, clock: _clock, random: _random, ...STATION_CLIENT_NAMES } = CLIENT_NAMES;
const SUPERVISION_NAMES: Names<NonNullable<FailoverOptions<NamedStation>["supervisor"]>> = {
  ...SUPERVISOR_NAMES,
  stallToleranceMs: true,
  maxAbstentionMs: true,
  observer: true,
};
const LEASE_NAMES: Names<Lease> = { validUntilMs: true, marginMs: true };

/**
 * Throws `ConfigurationError` if `options` is no object, or has an unknown name or a value of the
 * wrong kind.
 */
export function checkFailoverOptions<S extends NamedStation>(options: FailoverOptions<S>): void {
  checkNames(PART, options, NAMES);
  checkObject(PART, options.primary, "primary");
  if (options.backup !== undefined) checkObject(PART, options.backup, "backup");
  if (options.backups !== undefined) checkBackups(options.backups);
  checkDetector(PART, options.detector);
  checkClock(PART, options.clock);
  checkMethods(
    PART,
    "random",
    options.random,
    ["next", "fork"],
    "a Random, which has next and fork: seededRandom(seed)",
  );
  for (const name of ["probe", "keyStatus", "heartbeatNote"] as const) checkFunction(PART, name, options[name]);
  const { supervisor, client, ramp, commandPath, failback, lease } = options;
  if (supervisor !== undefined) checkNames(PART, supervisor, SUPERVISION_NAMES, "supervisor");
  if (typeof client !== "function" && client !== undefined) checkedClient(client);
  if (typeof ramp !== "function" && ramp !== undefined) checkedRamp(ramp);
  if (commandPath !== undefined) checkNames(PART, commandPath, COMMAND_PATH_NAMES, "commandPath");
  if (failback !== undefined) checkNames(PART, failback, FAILBACK_NAMES, "failback");
  if (lease !== undefined) checkLease(lease);
}

/** The load options of a station; throws `ConfigurationError` if they are invalid. */
export function checkedRamp(ramp: RampOptions): RampOptions {
  checkNames(PART, ramp, RAMP_NAMES, "ramp");
  return optionsOf(PART, ramp, "ramp");
}

/**
 * How a station is called; throws `ConfigurationError` if it is invalid, or sets what the failover
 * sets itself.
 */
export function checkedClient(client: StationClientOptions): StationClientOptions {
  const options = optionsOf(PART, client, "client");
  checkNames(`${PART} client`, options, STATION_CLIENT_NAMES);
  return options;
}

function checkBackups(backups: unknown): void {
  if (!Array.isArray(backups)) throw refusal(PART, "backups", backups, "an array of stations");
  for (const [place, backup] of backups.entries()) checkObject(PART, backup, `backups[${place}]`);
}

function checkLease(lease: Lease): void {
  checkObject(PART, lease, "lease");
  // The lease may be an instance of its holder's own class, with other fields.
  if (Object.getPrototypeOf(lease) === Object.prototype) checkNames(PART, lease, LEASE_NAMES, "lease");
  checkMethods(PART, "lease", lease, ["validUntilMs"], "a Lease, which has validUntilMs");
}
