/**
 * What a gateway is told to do, after parsing: every default filled in, every number checked,
 * durations in milliseconds. `config.ts` makes this from a YAML file; a test or a simulation writes
 * it down directly.
 */

import type { BreakerOptions, CommandPathOptions, PhiAccrualOptions, SupervisorOptions } from "ground-station-failover";
import type { Complete } from "ground-station-failover/core";
import type { HealthPage } from "./uplink.ts";

/** A station of a group: where its commands go, and what it can take. */
export interface StationSettings {
  /** Unique within the group. */
  readonly name: string;
  /** Base address of the service, for example `http://10.0.0.5:9001`. */
  readonly url: string;
  /** Most commands that may be offered to it in any second; `Infinity` where it declares none. */
  readonly capacityPerSecond: number;
  /**
   * So many more may be offered at once after a rest. Default: a twentieth of a second's commands,
   * within the capacity.
   */
  readonly burst?: number | undefined;
  /**
   * Where it is asked for heartbeats that are pulled. Default: `heartbeat.path` at its own address.
   */
  readonly healthPage?: HealthPage;
}

/** How a group learns that its stations are alive. */
export type HeartbeatSettings =
  | {
      /** Pushed: signed datagrams from `gsf station`. */
      readonly kind: "udp";
      readonly intervalMs: number;
    }
  | {
      /** Pulled: an HTTP request to each station; an expected answer is a heartbeat. */
      readonly kind: "http";
      readonly intervalMs: number;
      /** Asked for at a station without a `healthPage`; undefined where each has one. */
      readonly path: string | undefined;
      /** How long an answer is waited for; may be longer than the interval. */
      readonly timeoutMs: number;
    };

export interface GroupSettings {
  readonly name: string;
  /** Where callers connect. */
  readonly listen: ListenSettings;
  /**
   * Addresses and ranges (CIDR) of proxies in front, whose word about the caller counts. Default:
   * none.
   */
  readonly trustedProxies?: readonly string[] | undefined;
  /** In order of priority, the primary first; at least two. */
  readonly stations: readonly StationSettings[];
  readonly heartbeat: HeartbeatSettings;
  readonly detector: {
    /** How the spacing of heartbeats is learned. */
    readonly model: NonNullable<PhiAccrualOptions["model"]>;
    /**
     * How many gaps of each station are remembered. Default: the library's; the adaptive model
     * keeps no window.
     */
    readonly windowSize?: number;
    /** Suspicion level at which silence is declared. */
    readonly threshold: number;
    /** Least deviation that is assumed of the heartbeats' spacing. */
    readonly minDeviationMs: number;
    /** Suspicion level from which on missing heartbeats are told of. */
    readonly logThreshold: number;
    /** Silence that is always declared. */
    readonly ceilingMs: number;
  };
  readonly supervisor: Pick<
    SupervisorOptions,
    "suspectThreshold" | "clearThreshold" | "sustainMs" | "minDwellMs" | "gracePeriodMs"
  >;
  readonly commands: {
    /** One attempt at one station. */
    readonly timeoutMs: number;
    /** A command in all, waits and re-sends included, where the caller sets no deadline. */
    readonly deadlineMs: number;
    /** How long it may wait for somebody eligible. */
    readonly maxWaitMs: number;
    readonly maxWaiting: number;
    /** At one station at once. */
    readonly maxConcurrent: number;
    /** … of those that are not known to take long; undefined where the number above is for all. */
    readonly maxWorking?: number;
    /** What to do with keyed commands that a lost station had in hand. */
    readonly ambiguousKeyed: "resend" | "report";
    /** True: an answer 2xx whose JSON body reports an error is a failure. */
    readonly errorBody: boolean;
    /** How the instant goes along at which a command is worth nothing any more. */
    readonly deadlineHeader: DeadlineHeader;
    /**
     * How long an idle connection to a station is kept. Default: as long as the station says, or 4
     * s where it says nothing.
     */
    readonly keepAliveMs?: number | undefined;
    /** How a station is asked what became of a key; undefined where it cannot be. */
    readonly keyStatus: KeyStatusSettings | undefined;
  };
  readonly retry: {
    readonly maxAttempts: number;
    readonly baseMs: number;
    readonly budgetRatio: number;
    readonly budgetWindowMs: number;
  };
  readonly breaker: Complete<
    Pick<BreakerOptions, "failureRateThreshold" | "minimumVolume" | "windowMs" | "openDurationMs">
  >;
  readonly commandPath: Complete<CommandPathOptions>;
  readonly failback: { readonly mode: "manual" | "automatic"; readonly holdDownMs: number };
  /**
   * Where a replaced station's command path is tried before failback counts it as healthy;
   * undefined for heartbeats only.
   */
  readonly probePath: string | undefined;
  readonly limits: BodyLimits;
}

/** A deadline on the wall clock, beside the time left: a process that slept can read it too. */
export interface DeadlineHeader {
  /** Name of the field, as it is sent. */
  readonly name: string;
  /** Milliseconds or seconds since 1970, or a date and time of RFC 3339. */
  readonly format: "epoch-ms" | "epoch-s" | "rfc3339";
}

/**
 * How a station is asked what became of a command; the fields are places in its JSON answer, with
 * dots between names.
 */
export interface KeyStatusSettings {
  /** `{key}` stands for the key. */
  readonly path: string;
  /** DELETE cancels the command if it was not executed: cancel or learn. */
  readonly method: "DELETE" | "GET";
  readonly executed: string;
  /** The answer that the command got. */
  readonly answer: string;
  readonly cancelled: string;
  readonly inFlight: string;
  readonly timeoutMs: number;
  /** True: what a GET says is not executed and not in flight will not arrive later either. */
  readonly trustGet: boolean;
}

export interface BodyLimits {
  /** A larger request is refused with 413. */
  readonly requestBytes: number;
  /**
   * A request body up to this is kept, so that it can be sent again; a larger one is streamed once.
   */
  readonly replayBytes: number;
  /**
   * A reply body up to this is read whole before it is passed on, so that it can be judged and
   * re-done.
   */
  readonly replyBytes: number;
}

export interface ListenSettings {
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
}

/**
 * What signs heartbeats. All secrets of a list are valid, so that one can replace another. Never
 * logged.
 */
export interface HeartbeatSecrets {
  /** Of stations that have none of their own. */
  readonly shared: readonly Uint8Array[];
  /** Of the others, by `group/station`; the shared ones are not valid for them. */
  readonly own: ReadonlyMap<string, readonly Uint8Array[]>;
}

/** What callers may take of this process: all together, and those of one address. */
export interface CallerBounds {
  /** Most bytes held for them; undefined for a part of the memory that this process may have. */
  readonly maxMemoryBytes: number | undefined;
  /**
   * Most connections of each group's listener; undefined for as many as there are descriptors for.
   */
  readonly maxConnections: number | undefined;
  /** The part of each of these that one address may have while no other has any. */
  readonly addressRatio: number;
  /** Least rate at which a request's body must come in the long run; 0: only pauses count. */
  readonly minUploadBytesPerSecond: number;
  /** How long a body may stand still. */
  readonly maxUploadPauseMs: number;
}

export interface GatewaySettings {
  readonly groups: readonly GroupSettings[];
  /** Where status, switchover, events and metrics are served. */
  readonly control: ListenSettings;
  /** Where signed heartbeats arrive; undefined where no group is pushed to. */
  readonly heartbeats: { readonly listen: ListenSettings; readonly secrets: HeartbeatSecrets } | undefined;
  /** What callers may take of this process. */
  readonly callers: CallerBounds;
  /**
   * How long a graceful stop goes on accepting commands, so that balancers can see that it stops.
   */
  readonly drainDelayMs: number;
  /**
   * How long a graceful stop waits for commands in flight, and a replaced station may go on with
   * replies that it streams.
   */
  readonly drainMs: number;
}
