/**
 * Settings of a gateway after parsing: every default is filled in, every number is checked,
 * durations are in milliseconds. `config.ts` makes them from a YAML file; a test or a simulation
 * writes them directly.
 */

import type { BreakerOptions, CommandPathOptions, PhiAccrualOptions, SupervisorOptions } from "ground-station-failover";
import type { Complete } from "ground-station-failover/core";
import type { HealthPage } from "./uplink.ts";

/** A station of a group: its address and its capacity. */
export interface StationSettings {
  /** Unique within the group. */
  readonly name: string;
  /** Base address of the service, for example `http://10.0.0.5:9001`. */
  readonly url: string;
  /** Most commands that may be sent to it in any second; `Infinity` if it declares no capacity. */
  readonly capacityPerSecond: number;
  /**
   * Additional commands that may be sent at once after a rest. Default: a twentieth of a second's
   * commands, within the capacity.
   */
  readonly burst?: number | undefined;
  /**
   * Page that is requested for pulled heartbeats. Default: `heartbeat.path` at the station's own
   * address.
   */
  readonly healthPage?: HealthPage;
  /** For an `https` address. Default: the authorities that Node knows, and no certificate. */
  readonly tls?: StationTlsSettings | undefined;
}

/** Oldest version of TLS that is accepted. */
type MinTlsVersion = "TLSv1.2" | "TLSv1.3";

/** Files of a certificate and its private key, as written in the configuration. */
export interface CertificateFiles {
  readonly certificate: string;
  readonly key: string;
}

/** TLS of a listener. The files' contents are kept apart from settings, because they are secret. */
export interface ListenerTlsSettings extends CertificateFiles {
  /** Certificates for other names. */
  readonly sni: readonly CertificateFiles[];
  /** File with the authorities of callers' certificates; undefined: callers need none. */
  readonly clientCa?: string | undefined;
  readonly minVersion: MinTlsVersion;
  /** Field in which a station is told the subject of the caller's certificate. Default: none. */
  readonly subjectHeader?: string | undefined;
  /** True: callers may choose HTTP/2. Default: false. */
  readonly http2?: boolean;
}

/** TLS to a station. */
export interface StationTlsSettings {
  /** What the gateway shows to the station: both files, or neither. */
  readonly certificate?: string | undefined;
  readonly key?: string | undefined;
  /** File with the authorities of the station's certificate; undefined: those that Node knows. */
  readonly ca?: string | undefined;
  /** Name that the certificate must have; undefined: that of the address. */
  readonly servername?: string | undefined;
  readonly minVersion: MinTlsVersion;
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
      /**
       * Path that is requested at a station without a `healthPage`; undefined if every station has
       * one.
       */
      readonly path: string | undefined;
      /** How long the gateway waits for an answer; may be longer than the interval. */
      readonly timeoutMs: number;
    };

export interface GroupSettings {
  readonly name: string;
  /** Where callers connect. */
  readonly listen: ListenSettings;
  /**
   * Addresses and ranges (CIDR) of proxies in front of the gateway whose statement about the caller
   * is trusted. Default: none.
   */
  readonly trustedProxies?: readonly string[] | undefined;
  /**
   * Addresses and ranges of balancers that begin each connection with a PROXY header. Default:
   * none.
   */
  readonly proxyProtocol?: { readonly trust: readonly string[] } | undefined;
  /** Default: callers speak HTTP without TLS. */
  readonly tls?: ListenerTlsSettings | undefined;
  /** In order of priority, the primary first; at least two. */
  readonly stations: readonly StationSettings[];
  readonly heartbeat: HeartbeatSettings;
  readonly detector: {
    /** How the detector learns the spacing of heartbeats. */
    readonly model: NonNullable<PhiAccrualOptions["model"]>;
    /**
     * Number of gaps remembered for each station. Default: the library's; the adaptive model keeps
     * no window.
     */
    readonly windowSize?: number;
    /** Suspicion level at which a silent station is declared down. */
    readonly threshold: number;
    /** Least standard deviation assumed for the spacing of heartbeats. */
    readonly minDeviationMs: number;
    /** Suspicion level from which missing heartbeats are logged. */
    readonly logThreshold: number;
    /** A station that is silent for this long is always declared down. */
    readonly ceilingMs: number;
  };
  readonly supervisor: Pick<
    SupervisorOptions,
    "suspectThreshold" | "clearThreshold" | "sustainMs" | "minDwellMs" | "gracePeriodMs"
  >;
  readonly commands: {
    /** Longest time for one attempt at one station. */
    readonly timeoutMs: number;
    /**
     * Longest time for a whole command, including waits and re-sends, if the caller sets no
     * deadline.
     */
    readonly deadlineMs: number;
    /** Longest time that a command waits for an eligible station. */
    readonly maxWaitMs: number;
    readonly maxWaiting: number;
    /** Most commands in flight at one station. */
    readonly maxConcurrent: number;
    /**
     * The same limit for commands that are not known to take long; undefined if `maxConcurrent`
     * covers all.
     */
    readonly maxWorking?: number;
    /** What to do with keyed commands in flight at a station that was lost. */
    readonly ambiguousKeyed: "resend" | "report";
    /** True: a 2xx answer whose JSON body reports an error counts as a failure. */
    readonly errorBody: boolean;
    /** How the command's deadline is sent to the station. */
    readonly deadlineHeader: DeadlineHeader;
    /**
     * How long an idle connection to a station is kept. Default: as long as the station says, or 4
     * s if it does not say.
     */
    readonly keepAliveMs?: number | undefined;
    /** How a station is asked about the outcome of a key; undefined if it cannot be asked. */
    readonly keyStatus: KeyStatusSettings | undefined;
    /** What is kept of answered idempotency keys. Default: nothing. */
    readonly idempotency?: IdempotencySettings | undefined;
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
   * Path at which a replaced station's command path is probed before failback counts the station as
   * healthy; undefined: failback relies on heartbeats only.
   */
  readonly probePath: string | undefined;
  readonly limits: BodyLimits;
  /** Undefined: `Prefer: respond-async` is passed on to the station as it is. Default. */
  readonly asyncCommands?: AsyncSettings | undefined;
}

/** Bounds of a group's asynchronous commands. */
export interface AsyncSettings {
  /** Commands that have been accepted and have not ended. */
  readonly maxQueued: number;
  /** Ended commands whose results are kept. */
  readonly maxResults: number;
  /** Bytes of all requests and results that are kept. */
  readonly maxBytes: number;
  readonly keepResultMs: number;
  /** How long after its acceptance a command may still be sent, if its caller does not say. */
  readonly expireAfterMs: number;
  /** Commands that are on their way at once; emergencies have as many places of their own. */
  readonly maxInFlight: number;
}

/**
 * A deadline on the wall clock, sent in addition to the time left. A process that slept can still
 * read it correctly.
 */
export interface DeadlineHeader {
  /** Name of the field, as it is sent. */
  readonly name: string;
  /** Milliseconds or seconds since 1970, or a date and time of RFC 3339. */
  readonly format: "epoch-ms" | "epoch-s" | "rfc3339";
}

/**
 * How a station is asked about the outcome of a command. The fields are paths in its JSON answer,
 * with dots between names.
 */
export interface KeyStatusSettings {
  /** `{key}` stands for the key. */
  readonly path: string;
  /** DELETE cancels the command if it was not executed: cancel or learn. */
  readonly method: "DELETE" | "GET";
  readonly executed: string;
  /** The reply that the command got. */
  readonly answer: string;
  readonly cancelled: string;
  readonly inFlight: string;
  readonly timeoutMs: number;
  /**
   * True: a command that a GET reports as not executed and not in flight will not arrive later
   * either.
   */
  readonly trustGet: boolean;
}

/** How answers are kept under their idempotency keys, so that they can be given again. */
export interface IdempotencySettings {
  /** How long a key is remembered. */
  readonly retentionMs: number;
  /** A longer answer is not kept. */
  readonly maxAnswerBytes: number;
  /** Most keys that are remembered; the oldest are forgotten for newer ones. */
  readonly maxKeys: number;
  /** Most bytes of all answers in the store; likewise. */
  readonly maxBytes: number;
  /** Names, in lower case, of the fields that tell callers apart: a key belongs to its caller. */
  readonly callerFields: readonly string[];
}

export interface BodyLimits {
  /** A larger request is refused with 413. */
  readonly requestBytes: number;
  /**
   * A request body up to this size is kept, so that it can be sent again; a larger one is streamed
   * once.
   */
  readonly replayBytes: number;
  /**
   * A reply body up to this size is read whole before it is passed on, so that it can be judged and
   * the command repeated.
   */
  readonly replyBytes: number;
  /** Longest silence of a tunnel (WebSocket) before it is ended. Default: one hour. */
  readonly tunnelIdleMs?: number;
}

export interface ListenSettings {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
}

/**
 * Secrets that sign heartbeats. All secrets of a list are valid, so that they can be rotated. Never
 * logged.
 */
export interface HeartbeatSecrets {
  /** For stations that have no secret of their own. */
  readonly shared: readonly Uint8Array[];
  /**
   * For stations with their own secrets, by `group/station`; the shared secrets are not valid for
   * them.
   */
  readonly own: ReadonlyMap<string, readonly Uint8Array[]>;
}

/** What callers may use of this process: all together, and those of one address. */
export interface CallerBounds {
  /** Most bytes held for callers; undefined: a part of the memory that this process may use. */
  readonly maxMemoryBytes: number | undefined;
  /**
   * Most connections of each group's listener; undefined: as many as the file descriptors allow.
   */
  readonly maxConnections: number | undefined;
  /** The part of each of these that one address may use while no other address uses any. */
  readonly addressRatio: number;
  /** Least average rate at which a request body must arrive; 0: only pauses count. */
  readonly minUploadBytesPerSecond: number;
  /** Longest pause within a request body. */
  readonly maxUploadPauseMs: number;
}

/** What of requests is written to the access log, and where. */
export interface AccessLogSettings {
  /** `off`, `stderr`, `stdout`, or the path of a file. */
  readonly to: string;
  /** Share of all requests that are written, 0 to 1. */
  readonly sample: number;
  /** Requests that are answered later than this are always written, in ms. */
  readonly slowAfterMs: number;
}

export interface GatewaySettings {
  readonly groups: readonly GroupSettings[];
  /** Address that serves status, switchover, events and metrics. */
  readonly control: ListenSettings;
  /** TLS of the control listener. Default: none. */
  readonly controlTls?: ListenerTlsSettings | undefined;
  /** Where signed heartbeats arrive; undefined if no group uses pushed heartbeats. */
  readonly heartbeats: { readonly listen: ListenSettings; readonly secrets: HeartbeatSecrets } | undefined;
  /** What callers may use of this process. */
  readonly callers: CallerBounds;
  /** Where HAProxy's agent checks are answered. Default: nowhere. */
  readonly agentCheck?: { readonly listen: ListenSettings } | undefined;
  /** Default: no access log. */
  readonly accessLog?: AccessLogSettings;
  /** Where durable records are kept. Default: nowhere. */
  readonly state?: { readonly directory: string; readonly maxBytes: number } | undefined;
  /**
   * How long a graceful stop still accepts commands, so that load balancers can see that the
   * gateway is stopping.
   */
  readonly drainDelayMs: number;
  /**
   * How long a graceful stop waits for commands in flight, and how long a replaced station may
   * continue the replies that it streams.
   */
  readonly drainMs: number;
}
