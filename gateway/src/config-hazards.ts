/**
 * Fields of a configuration that are each allowed and together do harm: two listeners on one port, a timeout that
 * the deadline always cuts off, a gateway that would send commands to itself, a switchover that anybody on the network
 * could order. Each is reported at the field to change. It runs even if other fields are wrong, so that one start
 * tells everything; a value that could not be read is then of another type, and no comparison holds for it.
 */
import { isLoopback, shownAddress } from "./adapters/listening.ts";
import { MIN_TIMEOUT_MS, reportHealthPages, writtenPageOf } from "./config-heartbeat.ts";
import type { WrittenConfiguration, WrittenGroup } from "./config-schema.ts";
import { shownDuration } from "./config-values.ts";
import type { ListenSettings } from "./fleet/settings.ts";
import { nearest } from "./nearest-name.ts";

/** Where in the file, as a list of field names and places in lists. */
export type FieldPath = readonly PropertyKey[];

/** Tells of one hazard, at the field to change. */
export type Report = (path: FieldPath, sentence: string) => void;

/** `unknown`: the names of fields that there are not. One of them may be meant for a section that seems to be missing. */
export function reportHazards(configuration: WrittenConfiguration, unknown: readonly string[], report: Report): void {
  if (!Array.isArray(configuration?.groups)) return;
  const groups: PlacedGroup[] = [...configuration.groups.entries()]
    .filter(([, group]) => Array.isArray(group?.stations))
    .map(([place, group]) => ({ group, path: ["groups", place] }));
  reportTwins(
    groups.map(({ group, path }) => ({ value: group.name, path: [...path, "name"] })),
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
    reportHealthPages(group, path, report);
    const isMisspelt = unknown.some((name) => nearest(name, ["heartbeat", "heartbeats"]) !== undefined);
    if (group.heartbeat.kind === "udp" && configuration.heartbeats === undefined && !isMisspelt)
      report(path, NOBODY_LISTENS);
  }
  reportMemory(configuration, groups, report);
  reportListeners(configuration, groups, report);
  reportControl(configuration, report);
  reportSources(configuration, report);
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
  /** What would happen, with the numbers; undefined where it cannot. */
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
  const all = (field: "name" | "url"): Placed<unknown>[] =>
    stations.map((station, place) => ({ value: station?.[field], path: [...path, "stations", place, field] }));
  reportTwins(all("name"), (first) => `${first} is the same; names must differ`, report);
  reportTwins(all("url"), (first) => `${first} is the same; a station cannot be its own backup`, report);
  for (const [place, station] of stations.entries()) {
    if (station?.burst !== undefined && station.capacityPerSecond === Number.POSITIVE_INFINITY)
      report([...path, "stations", place, "burst"], BURST_OF_NOTHING);
  }
}

/** A body that may be kept must fit into what is held for one address, beside the command itself. */
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

/** TCP listeners must not share a port, and no station may be one of them. */
function reportListeners(configuration: WrittenConfiguration, groups: readonly PlacedGroup[], report: Report): void {
  const onPort = new Map<number, Placed<ListenSettings>[]>();
  const listeners = [
    { value: configuration.control?.listen, path: ["control", "listen"] },
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
        const { host, port } = addressOf(url);
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
        "use 127.0.0.1, or set control.allowRemote: true and control.tokenFile",
    );
  if (control.allowRemote === true && control.tokenFile === undefined && control.tokenEnv === undefined)
    report(
      ["control"],
      "allowRemote needs control.tokenFile (or control.tokenEnv): without a token anybody could switch stations",
    );
}

function reportSources({ control, heartbeats }: WrittenConfiguration, report: Report): void {
  if (control?.tokenFile !== undefined && control.tokenEnv !== undefined)
    report(["control", "tokenEnv"], "there is control.tokenFile too; keep one of them");
  if (heartbeats === undefined || heartbeats === null) return;
  if (heartbeats.secretFile !== undefined && heartbeats.secretEnv !== undefined)
    report(["heartbeats", "secretEnv"], "there is heartbeats.secretFile too; keep one of them");
  if (heartbeats.secretFile === undefined && heartbeats.secretEnv === undefined)
    report(["heartbeats"], "heartbeats are signed: give secretFile (a path, relative to this file) or secretEnv");
}

function isSection(value: unknown): boolean {
  return typeof value === "object" && value !== null;
}

interface Placed<Value> {
  readonly value: Value;
  readonly path: FieldPath;
}

function reportTwins(all: readonly Placed<unknown>[], sentence: (first: string) => string, report: Report): void {
  const seen = new Map<string, FieldPath>();
  for (const { value, path } of all) {
    if (typeof value !== "string") continue;
    const first = seen.get(value);
    if (first === undefined) seen.set(value, path);
    else report(path, sentence(shownPath(first)));
  }
}

/** Would the operating system refuse the second of two listeners on one port? */
function collide(one: ListenSettings, other: ListenSettings): boolean {
  return EVERYWHERE.has(one.host) || EVERYWHERE.has(other.host) || plainHost(one.host) === plainHost(other.host);
}

/** Does `host` lead to this listener, on its port? What other names this machine goes by is not known here. */
function leadsTo(listen: ListenSettings, host: string): boolean {
  return host === plainHost(listen.host) || (EVERYWHERE.has(listen.host) && isLoopback(host));
}

function addressOf(url: string): ListenSettings {
  const { protocol, hostname, port } = new URL(url);
  const host = plainHost(hostname.replace(/^\[|\]$/g, ""));
  return { host, port: Number(port === "" ? DEFAULT_PORTS[protocol] : port) };
}

const EVERYWHERE = new Set(["0.0.0.0", "::"]);
const DEFAULT_PORTS: Readonly<Record<string, number>> = { "http:": 80, "https:": 443 };

function plainHost(host: string): string {
  return host === "localhost" ? "127.0.0.1" : host.toLowerCase();
}

/** As a person writes it: `groups[0].stations`. */
export function shownPath(path: FieldPath): string {
  return path
    .map((step, place) => (typeof step === "number" ? `[${step}]` : `${place === 0 ? "" : "."}${String(step)}`))
    .join("");
}
