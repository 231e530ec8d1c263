/**
 * Translates a group's settings into options of the library: of its detector, of its failover, and
 * of the watch that logs missing heartbeats. A group asks for them when it is made and again when
 * its settings change, so that both follow from the same lines.
 */
import type {
  Clock,
  FailoverOptions,
  Lease,
  ObserverHealth,
  PhiAccrualDetector,
  PhiAccrualOptions,
  Random,
  SuspicionWatchOptions,
} from "ground-station-failover";
import { clientOptionsOf, keyStatusOptions, type LinkedStation, signOfLifeMs } from "./group-calls.ts";
import type { GroupSettings } from "./settings.ts";
import { healthPage } from "./uplink.ts";

/** What a group's failover needs besides settings; the same for as long as the group lives. */
export interface GroupFailoverParts {
  readonly detector: PhiAccrualDetector;
  readonly clock: Clock;
  readonly random: Random;
  readonly observer: ObserverHealth;
  /** More that is known about a station's heartbeats, to be added to the evidence. */
  readonly heartbeatNote: (station: string) => string | undefined;
  readonly initialEpoch?: number;
  readonly lease?: Lease;
}

export function detectorOptions({ detector, heartbeat }: GroupSettings): PhiAccrualOptions {
  const { model, windowSize, minDeviationMs, ceilingMs } = detector;
  return {
    model,
    ...(windowSize === undefined ? {} : { windowSize }),
    expectedIntervalMs: heartbeat.intervalMs,
    minDeviationMs,
    ceilingMs,
  };
}

export function logWatchOptions(
  { detector, heartbeat }: GroupSettings,
  source: PhiAccrualDetector,
): SuspicionWatchOptions {
  return { detector: source, threshold: detector.logThreshold, maxAbstentionMs: signOfLifeMs(heartbeat) };
}

/** `stations`: those of the settings, in their order. */
export function failoverOptions(
  settings: GroupSettings,
  stations: readonly LinkedStation[],
  { observer, ...parts }: GroupFailoverParts,
): FailoverOptions<LinkedStation> {
  const [primary, backup, ...backups] = stations as [LinkedStation, LinkedStation, ...LinkedStation[]];
  const { commands, probePath } = settings;
  return {
    primary,
    backup,
    backups,
    ...parts,
    supervisor: {
      ...settings.supervisor,
      declareThreshold: settings.detector.threshold,
      maxAbstentionMs: signOfLifeMs(settings.heartbeat),
      observer,
    },
    commandPath: settings.commandPath,
    failback: settings.failback,
    ...(probePath === undefined
      ? {}
      : {
          probe: (station: LinkedStation, signal: AbortSignal) => station.uplink.probe(healthPage(probePath), signal),
        }),
    ...keyStatusOptions(commands.keyStatus),
    ambiguousKeyed: commands.ambiguousKeyed,
    deadlineMs: commands.deadlineMs,
    maxWaitMs: commands.maxWaitMs,
    maxWaiting: commands.maxWaiting,
    ramp: ({ settings: { capacityPerSecond, burst } }) => ({
      capacityPerSecond,
      burst,
      ...(commands.maxWorking === undefined ? {} : { maxWorking: commands.maxWorking }),
    }),
    client: clientOptionsOf(settings),
  };
}
