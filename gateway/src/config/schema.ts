/**
 * The fields of a configuration file, with their meaning, range and default, and the reason for
 * that default. This is the only definition: `json-schema.ts` generates the JSON Schema for editors
 * from it, and `npm run config:docs` the tables of `docs/guide/configuration.md`. Contradictions
 * between fields are found in `hazards.ts`. It is one file because a reader looks for all fields in
 * one place.
 */
import type { Surroundings } from "ground-station-failover/core";
import type { z } from "zod";
import { TOKEN_POWERS, type TokenPower } from "../adapters/control/control-access.ts";
import { MAX_SECRETS } from "../adapters/process/secret-file.ts";
import type {
  AccessLogSettings,
  CallerBounds,
  GatewaySettings,
  GroupSettings,
  ListenerTlsSettings,
  ListenSettings,
  StationSettings,
} from "../fleet/settings.ts";
import { accessLog } from "./access-log.ts";
import { agentCheck } from "./agent-check.ts";
import { assume } from "./assume.ts";
import { asyncCommands } from "./async.ts";
import { commands } from "./commands.ts";
import { detector, type WrittenDetector } from "./detector.ts";
import { breaker, commandPath, failback, limits, retry } from "./guards.ts";
import { heartbeat, stationHeartbeat, type WrittenHealthPage, type WrittenHeartbeat } from "./heartbeat.ts";
import { proxyProtocol } from "./proxy-protocol.ts";
import { state, type WrittenState } from "./state.ts";
import { controlTls, listenerTls, stationTls } from "./tls.ts";
import {
  addressRange,
  decimal,
  duration,
  exactly,
  list,
  listenAddress,
  oneOf,
  oneOrMore,
  plainName,
  requestPath,
  section,
  serviceUrl,
  size,
  text,
  trueOrFalse,
  wholeNumber,
} from "./values.ts";

/**
 * A configuration as written: values are read, and defaults that do not depend on other fields are
 * filled in.
 */
export interface WrittenConfiguration {
  readonly groups: readonly WrittenGroup[];
  readonly control: {
    readonly listen: ListenSettings;
    readonly allowRemote: boolean;
    readonly tokenFile?: string | undefined;
    readonly tokenEnv?: string | undefined;
    readonly tls?: ListenerTlsSettings | undefined;
    readonly tokens?: readonly WrittenToken[] | undefined;
  };
  readonly heartbeats?: (WrittenSecrets & { readonly listen: ListenSettings }) | undefined;
  readonly agentCheck: GatewaySettings["agentCheck"];
  readonly callers: CallerBounds;
  readonly accessLog: AccessLogSettings;
  readonly state: WrittenState;
  readonly drainDelay: GatewaySettings["drainDelayMs"];
  readonly drain: GatewaySettings["drainMs"];
}

export interface WrittenGroup
  extends Omit<GroupSettings, "stations" | "heartbeat" | "detector" | "supervisor" | "probePath" | "asyncCommands"> {
  readonly async: GroupSettings["asyncCommands"];
  readonly stations: readonly WrittenStation[];
  readonly heartbeat: WrittenHeartbeat;
  readonly detector: WrittenDetector;
  readonly probePath?: string | undefined;
  /** Longest time that a failover may take, in ms. */
  readonly objective: number;
  /** What the timing budget assumes of the surroundings. */
  readonly assume: Surroundings;
}

interface WrittenStation extends Omit<StationSettings, "healthPage">, WrittenSecrets {
  /** Replaces the group's fields of the page. */
  readonly heartbeat?: WrittenHealthPage | undefined;
}

/** Where secrets are stored. */
interface WrittenSecrets {
  readonly secretFile?: readonly string[] | undefined;
  readonly secretEnv?: readonly string[] | undefined;
}

/** A named token of the control listener, and where it is stored. */
interface WrittenToken {
  readonly name: string;
  readonly may: TokenPower;
  readonly tokenFile?: string | undefined;
  readonly tokenEnv?: string | undefined;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Each request is compared with all of them. */
const MAX_CONTROL_TOKENS = 64;
const MEBIBYTE = 1_024 ** 2;
const GIBIBYTE = 1_024 ** 3;

/** One location of a secret, or several while secrets are rotated. */
function secretPlaces(what: string): z.ZodType<readonly string[]> {
  return oneOrMore(what, MAX_SECRETS);
}

const SECRET_FILE = `a file (relative to this one) of at least 16 bytes, or a list of at most ${MAX_SECRETS}`;
const VARIABLE = "the name of an environment variable that holds at least 16 bytes";
const SECRET_ENV = `${VARIABLE}, or a list of at most ${MAX_SECRETS}`;

const station: z.ZodType<WrittenStation> = exactly(
  section({
    name: plainName().meta({ description: "Unique within the group; `gsf station --name`" }),
    url: serviceUrl().meta({
      description:
        "The service; unique within the group, in whatever spelling (`localhost` may be `127.0.0.1` or `[::1]`, so " +
        "it is taken for either)",
    }),
    tls: stationTls.optional().meta({
      byDefault: "what Node believes, and no certificate",
      description: "How an `https` station is checked, and what it is shown ([TLS](tls.md))",
    }),
    heartbeat: stationHeartbeat.optional().meta({
      range: "section with `url`, `port`, `path`, `host`, `headers`, `expect`",
      byDefault: "as `heartbeat` of the group says",
      description: "What differs for the health page of this station (`kind: http`), see `heartbeat`",
    }),
    capacityPerSecond: decimal(1, 1e9)
      .default(Number.POSITIVE_INFINITY)
      .meta({
        unit: "commands a second",
        byDefault: "not declared",
        description:
          "Most commands that are offered to the station in any second. Not needed: what a station takes is learned " +
          "when it refuses. Declare it where you know it, and the first second after a promotion is not spent on " +
          "learning",
      }),
    burst: wholeNumber(1, 1_000_000)
      .optional()
      .meta({
        unit: "commands",
        byDefault: "a twentieth of a second's commands, at least 4, within `capacityPerSecond`",
        description:
          "So many commands may be offered at once after a rest, beside that pace. Declare it where the station has " +
          "a reserve of its own: a token bucket of that depth, a queue. Allowed with `capacityPerSecond` only",
      }),
    secretFile: secretPlaces("the path of a file")
      .optional()
      .meta({
        range: SECRET_FILE,
        byDefault: "that of `heartbeats`",
        description:
          "Signs the heartbeats of this station, and nothing else does: a process that has the secret of another " +
          "station cannot send heartbeats for this one. `kind: udp` only",
      }),
    secretEnv: secretPlaces("the name of an environment variable").optional().meta({
      range: SECRET_ENV,
      byDefault: "that of `heartbeats`",
      description: "The same, in environment variables",
    }),
  }),
);

const group: z.ZodType<WrittenGroup> = exactly(
  section({
    name: plainName().meta({ description: "Unique; appears in addresses, events, metrics and datagrams" }),
    listen: listenAddress().meta({ description: "Where callers send commands" }),
    tls: listenerTls.optional().meta({
      byDefault: "none: callers speak HTTP",
      description: "Callers speak HTTPS ([TLS](tls.md))",
    }),
    proxyProtocol,
    trustedProxies: list(addressRange(), "addresses or ranges of addresses", 0)
      .optional()
      .meta({
        range: 'list of addresses and ranges, such as `[10.0.0.0/8, "::1"]`',
        byDefault: "none",
        description:
          "Proxies in front of the gateway. Only their `X-Forwarded-*` and `Forwarded` are passed on; what any other " +
          "caller says of itself is replaced, because services believe it. By default no caller is believed: anybody " +
          "could be the one who reaches the listener",
      }),
    stations: list(station, "stations (the primary first, then its backups)", 2).meta({
      range: "at least 2, in order of priority",
      description: "The first is the primary; one station alone has no other to take over",
    }),
    objective: duration(1_000, DAY_MS)
      .prefault("30s")
      .meta({
        description:
          "How long a takeover may take, from the fault until commands are served. A configuration by which it may " +
          "take longer is refused, with the [terms of the time](timing-budget.md) and with what to change; where " +
          "heartbeats are slow, say here what you accept. 30 s is what the incident behind this gateway should have " +
          "kept",
      }),
    assume,
    heartbeat,
    detector,
    commands,
    retry,
    breaker,
    commandPath,
    failback,
    probePath: requestPath()
      .optional()
      .meta({
        byDefault: "none",
        description:
          "Tried on a replaced station before failback counts it as healthy (2xx or 3xx); without it heartbeats have " +
          "to do",
      }),
    limits,
    async: asyncCommands,
  }),
);

const TOKEN_FILE = "a file (relative to this one) of at least 16 bytes";

const controlToken: z.ZodType<WrittenToken> = exactly(
  section({
    name: plainName().meta({ description: "Unique; appears in the trail of orders and in the log" }),
    may: oneOf(...TOKEN_POWERS)
      .prefault("read")
      .meta({
        description:
          "`read`: status, events, metrics. `operate`: orders, too. By default the lesser one, because most tokens " +
          "are for dashboards and scrapers",
      }),
    tokenFile: text("the path of a file").optional().meta({
      range: TOKEN_FILE,
      byDefault: "required (or `tokenEnv`)",
      description: "The token. Make one with `openssl rand -hex 32`",
    }),
    tokenEnv: text("the name of an environment variable").optional().meta({
      range: VARIABLE,
      byDefault: "see `tokenFile`",
      description: "The same, in an environment variable; one of the two",
    }),
  }),
);

const control = section({
  listen: listenAddress()
    .prefault("127.0.0.1:7070")
    .meta({
      description:
        "Where status, switchover, events and metrics are served. Loopback, because any process that reaches it can " +
        "switch stations",
    }),
  allowRemote: trueOrFalse().prefault(false).meta({
    description: "Must be true for an address that other machines can reach; needs a token too",
  }),
  tokenFile: text("the path of a file").optional().meta({
    range: TOKEN_FILE,
    byDefault: "none",
    description:
      "A bearer token that everything but `/healthz` and `/readyz` asks for; it may operate, and its name is `operator`",
  }),
  tokenEnv: text("the name of an environment variable").optional().meta({
    range: VARIABLE,
    byDefault: "none",
    description: "The same, in an environment variable; one of the two",
  }),
  tls: controlTls.optional().meta({
    byDefault: "none: it speaks HTTP",
    description: "The control listener speaks HTTPS ([TLS](tls.md))",
  }),
  tokens: list(controlToken, "tokens", 1)
    .max(MAX_CONTROL_TOKENS, { error: () => `there are too many; allowed are at most ${MAX_CONTROL_TOKENS} tokens` })
    .optional()
    .meta({
      range: `list of at most ${MAX_CONTROL_TOKENS} sections with \`name\`, \`may\`, \`tokenFile\`, \`tokenEnv\``,
      byDefault: "none",
      description:
        "More tokens, each with a name and a power: one for each person and program, so that the trail of orders " +
        "says who gave them, and one can be withdrawn without the others",
    }),
})
  .prefault({})
  .meta({ description: "The control listener" });

const heartbeats = section({
  listen: listenAddress().prefault("127.0.0.1:7071").meta({
    range: "address (UDP)",
    description:
      "Where stations push their heartbeats. Loopback; for stations on other machines write for example `:7071`",
  }),
  secretFile: secretPlaces("the path of a file")
    .optional()
    .meta({
      range: SECRET_FILE,
      byDefault: "required (or `secretEnv`), unless each station has its own",
      description:
        "Signs heartbeats (HMAC-SHA256); 16 bytes, because a shorter secret can be guessed. Make one with `openssl " +
        "rand -hex 32`. With it any station can send heartbeats for any other. All of a list are valid, so that [one " +
        "can replace another](station.md#secrets). A file of text is used without the white space around it, any " +
        "other as the bytes that it holds",
    }),
  secretEnv: secretPlaces("the name of an environment variable").optional().meta({
    range: SECRET_ENV,
    byDefault: "see `secretFile`",
    description: "The same, in environment variables; one of the two",
  }),
});

const callers = section({
  maxMemory: size(4 * MEBIBYTE, 1_024 * GIBIBYTE)
    .optional()
    .meta({
      byDefault: "a quarter of the memory of the machine, or of the container where that is less; at most 512MiB",
      description:
        "What is held for all callers of the process at once: request bodies kept for replay, replies read whole, 64 " +
        "KiB for each stream, 32 KiB for each command, backlogs of events and recordings, answers of the control " +
        "listener (these last three have small bounds of their own, and are never refused for want of this one). " +
        "What does not fit is refused before it is read: 503 `MEMORY_USED_UP`, or 413 where it could never fit. " +
        "Beside it the process needs some 200 MB of its own, and up to as much again for copies that wait for the " +
        "garbage collector. A reply that comes when memory is short is passed on as it comes instead of being read " +
        "whole. The least is some hundred commands without a body",
    }),
  maxConnections: wholeNumber(1, 1_000_000).optional().meta({
    unit: "connections",
    byDefault: "what the [file descriptors](#where-the-gateways-own-machine-runs-short) of the process allow",
    description: "Connections of callers at each group's listener; one more is closed as it comes",
  }),
  addressRatio: decimal(0.01, 1)
    .prefault(0.75)
    .meta({
      description:
        "The part of each of these two that one address may have while no other address has any; more exactly, an " +
        "address may have at most `ratio / (1 - ratio)` times what is free (3 times, by default), so that each of " +
        "two greedy ones gets 43 %, each of ten 10 %. One address may be a load balancer or a NAT with every caller " +
        "behind it, which is why it is not less; a quarter is always out of its reach, which is why it is not more. " +
        "Behind one balancer set 1. Of IPv6 addresses the first 64 bits count",
    }),
  minUploadRate: size(0, MEBIBYTE)
    .prefault("1KiB")
    .meta({
      unit: "a second",
      description:
        "Least rate at which a request's body must come in the long run, else 408: a twentieth of what a slow phone " +
        "sends, and twice what Apache's mod_reqtimeout asks for. 0: only pauses count",
    }),
  maxUploadPause: duration(100, HOUR_MS)
    .prefault("30s")
    .meta({
      description:
        "How long a body may stand still: longer than a phone is without a cell. While a station, or the gateway " +
        "itself, does not read it, no time counts; a slow upload is never held against a station",
    }),
})
  .transform(
    ({ maxMemory, minUploadRate, maxUploadPause, ...rest }): CallerBounds => ({
      maxMemoryBytes: maxMemory,
      maxConnections: rest.maxConnections,
      addressRatio: rest.addressRatio,
      minUploadBytesPerSecond: minUploadRate,
      maxUploadPauseMs: maxUploadPause,
    }),
  )
  .prefault({})
  .meta({ description: "What callers may take of the process: memory, connections, time for a body" });

export const configurationSchema: z.ZodType<WrittenConfiguration> = exactly(
  section({
    groups: list(group, "groups", 1).meta({
      range: "at least 1",
      description: "One group for each set of stations that stand in for each other",
    }),
    control,
    heartbeats: heartbeats.optional().meta({
      byDefault: "none; required where a group is pushed to (`kind: udp`)",
      description: "Where pushed heartbeats arrive, and what signs them",
    }),
    callers,
    accessLog,
    agentCheck,
    state,
    drainDelay: duration(0, HOUR_MS)
      .prefault("5s")
      .meta({
        description:
          "After SIGTERM, how long listeners go on accepting while `/readyz` says 503 already, so that a balancer " +
          "that looks every second or two stops sending before anything is refused: two looks of one that looks " +
          "every two seconds, and one to spare. Not waited for after SIGINT: that is a person",
      }),
    drain: duration(0, HOUR_MS)
      .prefault("10s")
      .meta({
        description:
          "How long a graceful stop waits for commands in flight, and how long a station that was replaced on " +
          "request may go on with replies that it streams: longer than most commands take. `drainDelay` and `drain` " +
          "together must be shorter than the time after which a service supervisor kills (30 s for containers, 90 s " +
          "for systemd); by default they are half of 30 s",
      }),
  }),
);
