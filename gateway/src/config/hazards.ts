/**
 * Finds fields that are each allowed but do harm together: two listeners on one port, a timeout
 * that the deadline always cuts off, a gateway that would send commands to itself, a switchover
 * that any machine on the network could order. Each problem is reported at the field to change. The
 * check runs even if other fields are wrong, so that one start reports everything. A value that
 * could not be read then has another type, and no comparison with it is true.
 */
import { nearestName } from "ground-station-failover/core";
import {
  addressOf,
  hostsOf,
  isEverywhere,
  isLoopback,
  isSameHost,
  mayBeLoopback,
} from "../adapters/process/addresses.ts";
import { shownAddress } from "../adapters/process/listening.ts";
import type { ListenSettings } from "../fleet/settings.ts";
import { type FieldPath, type Report, shownPath } from "./field-path.ts";
import { MIN_TIMEOUT_MS, reportHealthPages, writtenPageOf } from "./heartbeat.ts";
import type { WrittenConfiguration, WrittenGroup } from "./schema.ts";
import { UNNAMED_TOKEN } from "./secrets.ts";
import { isReadable } from "./timing-lines.ts";
import { timingRefusals } from "./timing-proof.ts";
import { reportTls } from "./tls-hazards.ts";

import { shownDuration } from "./values.ts";

/**
 * `unknown`: names of fields that do not exist. One of them may be a misspelt section that seems to
 * be missing.
 */
export function reportHazards(configuration: WrittenConfiguration, unknown: readonly string[], report: Report): void {
  if (!Array.isArray(configuration?.groups)) return;
  const groups: PlacedGroup[] = [...configuration.groups.entries()]
    .filter(([, group]) => Array.isArray(group?.stations))
    .map(([place, group]) => ({ group, path: ["groups", place] }));
  reportTwins(
    groups.map(({ group, path }) => ({ value: [group.name], path: [...path, "name"] })),
    (first) => `${first} is the same; names must differ`,
    report,
  );
  for (const { group, path } of groups) {
    reportStations(group, path, report);
    if (![group.heartbeat, group.detector, group.commands, group.retry, group.limits].every(isSection)) continue;
    for (const { field, harm } of GROUP_HAZARDS) {
      const sentence = harm(group);
      if (sentence !== undefined) report([...path, ...field], sentence);
    }
    if (isReadable(group))
      for (const { field, sentence } of timingRefusals(group)) report([...path, ...field], sentence);
    reportHealthPages(group, path, report);
    const isMisspelt = unknown.some((name) => nearestName(name, ["heartbeat", "heartbeats"]) !== undefined);
    if (group.heartbeat.kind === "udp" && configuration.heartbeats === undefined && !isMisspelt)
      report(path, NOBODY_LISTENS);
  }
  reportMemory(configuration, groups, report);
  reportListeners(configuration, groups, report);
  reportControl(configuration, report);
  reportTokens(configuration, report);
  reportSources(configuration, groups, report);
  reportTls(groups, report);
}

interface PlacedGroup {
  readonly group: WrittenGroup;
  readonly path: FieldPath;
}

const NOBODY_LISTENS =
  "its stations push heartbeats over UDP, but nobody listens for them; add a section " +
  "`heartbeats: { listen, secretFile }` to the file, or `heartbeat: { kind: http, path: /healthz }` to this group";

const BURST_OF_NOTHING =
  "it goes beside the pace of capacityPerSecond, and this station declares none; give it one, or leave this out";

interface GroupHazard {
  readonly field: FieldPath;
  /** The harm that would follow, with its numbers; undefined if there is none. */
  harm(group: WrittenGroup): string | undefined;
}

const GROUP_HAZARDS: readonly GroupHazard[] = [
  {
    field: ["commands", "timeout"],
    harm: ({ commands: { timeoutMs, deadlineMs } }) =>
      timeoutMs > deadlineMs
        ? `${shownDuration(timeoutMs)} is longer than commands.deadline (${shownDuration(deadlineMs)}): it would never end an attempt`
        : undefined,
  },
  {
    field: ["commands", "keyStatus", "trustGet"],
    harm: ({ commands: { keyStatus } }) =>
      keyStatus?.trustGet === true && keyStatus.method === "DELETE"
        ? "it says how far a GET is trusted; with method: DELETE the station itself says that it cancelled the key"
        : undefined,
  },
  {
    field: ["retry", "base"],
    harm: ({ retry: { baseMs }, commands: { deadlineMs } }) =>
      baseMs >= deadlineMs
        ? `${shownDuration(baseMs)} is not below commands.deadline (${shownDuration(deadlineMs)}): no retry would be in time`
        : undefined,
  },
  {
    field: ["heartbeat", "timeout"],
    harm: ({ heartbeat }) =>
      heartbeat.kind === "http" && heartbeat.timeoutMs > Math.max(heartbeat.intervalMs, MIN_TIMEOUT_MS)
        ? `${shownDuration(heartbeat.timeoutMs)} is longer than heartbeat.interval (${shownDuration(heartbeat.intervalMs)}) and than ${shownDuration(MIN_TIMEOUT_MS)}: a dead station would keep its probes waiting`
        : undefined,
  },
  {
    field: ["detector", "ceiling"],
    harm: ({ detector: { ceilingMs }, heartbeat: { intervalMs } }) =>
      ceilingMs !== undefined && ceilingMs < 2 * intervalMs
        ? `${shownDuration(ceilingMs)} is less than two heartbeat intervals (${shownDuration(intervalMs)} each): one lost beat would be an outage`
        : undefined,
  },
  {
    field: ["detector", "windowSize"],
    harm: ({ detector: { model, windowSize } }) =>
      windowSize !== undefined && model === "adaptive"
        ? "the adaptive model keeps no window; allowed with model: normal, lognormal or exponential"
        : undefined,
  },
  {
    field: ["detector", "suspectThreshold"],
    harm: ({ detector: { suspectThreshold, threshold } }) =>
      suspectThreshold > threshold
        ? `${suspectThreshold} is above detector.threshold (${threshold}): a station must be suspected before it is declared`
        : undefined,
  },
  {
    field: ["detector", "clearThreshold"],
    harm: ({ detector: { clearThreshold, suspectThreshold } }) =>
      clearThreshold >= suspectThreshold
        ? `${clearThreshold} is not below detector.suspectThreshold (${suspectThreshold}): a station would be suspected and cleared at once`
        : undefined,
  },
  {
    field: ["limits", "replay"],
    harm: ({ limits: { replayBytes, requestBytes } }) =>
      replayBytes > requestBytes
        ? `${replayBytes} bytes is more than limits.request (${requestBytes} bytes): so large a request is refused anyway`
        : undefined,
  },
];

function reportStations({ stations }: WrittenGroup, path: FieldPath, report: Report): void {
  const all = (field: "name" | "url", keysOf: (text: string) => readonly string[]): Placed<readonly string[]>[] =>
    stations.map((station, place) => {
      const text: unknown = station?.[field];
      return { value: typeof text === "string" ? keysOf(text) : [], path: [...path, "stations", place, field] };
    });
  reportTwins(
    all("name", (name) => [name]),
    (first) => `${first} is the same; names must differ`,
    report,
  );
  reportTwins(
    all("url", placesOf),
    (first) => `${first} is the same, or leads to the same address; a station cannot be its own backup`,
    report,
  );
  for (const [place, station] of stations.entries()) {
    if (station?.burst !== undefined && station.capacityPerSecond === Number.POSITIVE_INFINITY)
      report([...path, "stations", place, "burst"], BURST_OF_NOTHING);
  }
}

/**
 * A body that may be kept must fit into the memory for one address, together with the command
 * itself.
 */
function reportMemory({ callers }: WrittenConfiguration, groups: readonly PlacedGroup[], report: Report): void {
  const { maxMemoryBytes, addressRatio } = callers ?? {};
  if (typeof maxMemoryBytes !== "number" || typeof addressRatio !== "number") return;
  const most = Math.floor(maxMemoryBytes * addressRatio) - COMMAND_BYTES;
  for (const { group, path } of groups) {
    const replayBytes = group.limits?.replayBytes;
    if (typeof replayBytes !== "number" || replayBytes <= most) continue;
    report(
      [...path, "limits", "replay"],
      `${replayBytes} bytes is more than callers.maxMemory and callers.addressRatio leave for one address (${most} bytes): such a body would always be refused`,
    );
  }
}

/** Objects and the longest header block of a command. */
const COMMAND_BYTES = 64 * 1_024;

/** TCP listeners must not share a port, and a listener must not be a station's address. */
function reportListeners(configuration: WrittenConfiguration, groups: readonly PlacedGroup[], report: Report): void {
  const onPort = new Map<number, Placed<ListenSettings>[]>();
  const listeners = [
    { value: configuration.control?.listen, path: ["control", "listen"] },
    { value: configuration.agentCheck?.listen, path: ["agentCheck", "listen"] },
    ...groups.map(({ group, path }) => ({ value: group.listen, path: [...path, "listen"] })),
  ];
  for (const { value, path } of listeners) {
    if (typeof value?.port !== "number" || value.port === 0) continue;
    const others = onPort.get(value.port) ?? [];
    const twin = others.find((other) => collide(other.value, value));
    if (twin !== undefined)
      report(path, `${shownAddress(value)} is taken by ${shownPath(twin.path)}; each listener needs a port of its own`);
    onPort.set(value.port, [...others, { value, path }]);
  }
  for (const { group, path } of groups) {
    for (const [place, station] of group.stations.entries()) {
      if (typeof station?.url !== "string") continue;
      const ownAt = (url: string): FieldPath | undefined => {
        const { host, port } = addressOf(new URL(url));
        return onPort.get(port)?.find(({ value }) => leadsTo(value, host))?.path;
      };
      const own = ownAt(station.url);
      const field = [...path, "stations", place];
      if (own !== undefined)
        report([...field, "url"], `this is ${shownPath(own)}: the gateway would send commands to itself`);
      const page = station.heartbeat === undefined ? undefined : writtenPageOf(group, place);
      const ownPage = page?.origin === undefined ? undefined : ownAt(page.origin);
      if (ownPage !== undefined)
        report([...field, "heartbeat"], `this is ${shownPath(ownPage)}: the gateway would ask itself`);
    }
  }
}

function reportControl({ control }: WrittenConfiguration, report: Report): void {
  const host = control?.listen?.host;
  if (typeof host !== "string" || isLoopback(host)) return;
  if (control.allowRemote !== true)
    report(
      ["control", "listen"],
      `${host} can be reached from other machines, and whoever reaches it can switch stations; ` +
        "use 127.0.0.1, or set control.allowRemote: true and control.tokenFile or control.tokens",
    );
  const { tokenFile, tokenEnv, tokens = [] } = control;
  if (control.allowRemote === true && tokenFile === undefined && tokenEnv === undefined && tokens.length === 0)
    report(
      ["control"],
      "allowRemote needs control.tokenFile, tokenEnv or tokens: without a token anybody could switch stations",
    );
}

/** Each token has one place and a name of its own. */
function reportTokens({ control }: WrittenConfiguration, report: Report): void {
  if (!Array.isArray(control?.tokens)) return;
  const { tokenFile, tokenEnv } = control;
  const known = new Set(tokenFile === undefined && tokenEnv === undefined ? [] : [UNNAMED_TOKEN]);
  for (const [place, token] of (control.tokens as NonNullable<typeof control.tokens>).entries()) {
    if (!isSection(token)) continue;
    const path = ["control", "tokens", place];
    if (token.tokenFile === undefined && token.tokenEnv === undefined)
      report(path, `token ${token.name} needs tokenFile or tokenEnv: the file or the variable that holds it`);
    if (token.tokenFile !== undefined && token.tokenEnv !== undefined)
      report([...path, "tokenEnv"], "there is tokenFile too; keep one of them");
    if (known.has(token.name)) report([...path, "name"], `another token is called ${token.name}; names must differ`);
    known.add(token.name);
  }
}

function reportSources(
  { control, heartbeats }: WrittenConfiguration,
  groups: readonly PlacedGroup[],
  report: Report,
): void {
  const keyless = groups.filter(({ group, path }) => reportOwnSecrets(group, path, report));
  if (control?.tokenFile !== undefined && control.tokenEnv !== undefined)
    report(["control", "tokenEnv"], "there is control.tokenFile too; keep one of them");
  if (heartbeats === undefined || heartbeats === null) return;
  if (heartbeats.secretFile !== undefined && heartbeats.secretEnv !== undefined)
    report(["heartbeats", "secretEnv"], "there is heartbeats.secretFile too; keep one of them");
  const isShared = heartbeats.secretFile !== undefined || heartbeats.secretEnv !== undefined;
  if (!isShared && (keyless.length > 0 || groups.every(({ group }) => group.heartbeat?.kind !== "udp")))
    report(
      ["heartbeats"],
      "heartbeats are signed: give secretFile (a path, relative to this file) or secretEnv, here or for each station",
    );
}

/** True if a station of this group signs with the shared secret. */
function reportOwnSecrets({ heartbeat, stations }: WrittenGroup, path: FieldPath, report: Report): boolean {
  let needsShared = false;
  for (const [place, station] of stations.entries()) {
    const field = [...path, "stations", place];
    const hasFile = station?.secretFile !== undefined;
    const hasVariable = station?.secretEnv !== undefined;
    if (hasFile && hasVariable) report([...field, "secretEnv"], "this station has a secretFile too; keep one of them");
    if (heartbeat?.kind === "http" && (hasFile || hasVariable))
      report(
        [...field, hasFile ? "secretFile" : "secretEnv"],
        "stations of this group are asked for their health page (kind: http) and sign nothing; leave it out",
      );
    if (heartbeat?.kind === "udp" && !hasFile && !hasVariable) needsShared = true;
  }
  return needsShared;
}

function isSection(value: unknown): boolean {
  return typeof value === "object" && value !== null;
}

interface Placed<Value> {
  readonly value: Value;
  readonly path: FieldPath;
}

/** Reports each entry of `all` that has a value in common with an earlier one. */
function reportTwins(
  all: readonly Placed<readonly unknown[]>[],
  sentence: (first: string) => string,
  report: Report,
): void {
  const seen = new Map<unknown, FieldPath>();
  for (const { value: values, path } of all) {
    const known = values.filter((value) => typeof value === "string");
    const first = known.map((value) => seen.get(value)).find((one) => one !== undefined);
    if (first !== undefined) report(path, sentence(shownPath(first)));
    for (const value of known) if (!seen.has(value)) seen.set(value, path);
  }
}

/** Hosts and ports to which `url` may lead, in normalized spelling. */
function placesOf(url: string): string[] {
  const { host, port } = addressOf(new URL(url));
  return hostsOf(host).map((one) => `${one} ${port}`);
}

/** True if the operating system would refuse the second of two listeners on one port. */
function collide(one: ListenSettings, other: ListenSettings): boolean {
  return isEverywhere(one.host) || isEverywhere(other.host) || isSameHost(one.host, other.host);
}

/**
 * True if `host`, with the listener's port, leads to the listener. Other names of this machine are
 * not known here.
 */
function leadsTo(listen: ListenSettings, host: string): boolean {
  return isSameHost(host, listen.host) || (isEverywhere(listen.host) && mayBeLoopback(host));
}
