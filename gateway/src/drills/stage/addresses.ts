/**
 * Who listens where in a stage, and who talks to whom through which proxy: a plan of ports, the
 * gateway's file, the proxies' file and the values that a drill may name. Pure: ports come in, data
 * goes out.
 */
import type { Json, JsonObject } from "../experiment/experiment.ts";
import type { StageSettings } from "./settings.ts";

const HOST = "127.0.0.1";

interface StationPorts {
  readonly service: number;
  /** Where its behaviour is changed. */
  readonly serviceControl: number;
  /** `gsf station`; undefined with HTTP heartbeats. */
  readonly relay: number | undefined;
}

/** A link that goes through a fault proxy. */
interface StageLink {
  /** Name of the proxy. */
  readonly name: string;
  readonly protocol: "tcp" | "udp";
  /** host:port. */
  readonly listen: string;
  readonly upstream: string;
  /** Whether its clients speak TLS to it. */
  readonly isSecure: boolean;
}

export interface StageAddresses {
  /** Where callers send to: the callers' proxy, if there is one. */
  readonly callers: string;
  readonly gateway: string;
  readonly control: string;
  /** Where the gateway takes heartbeats. */
  readonly heartbeats: string;
  /** The fault proxy's API; undefined: there is none. */
  readonly proxy: string | undefined;
  readonly stations: Readonly<Record<string, StationPorts>>;
  /** Where the gateway sends a station's commands. */
  readonly stationUrls: Readonly<Record<string, string>>;
  /** Where a station sends its heartbeats. */
  readonly heartbeatsOf: Readonly<Record<string, string>>;
  /** Where a relay sends commands. */
  readonly serviceOf: Readonly<Record<string, string>>;
  readonly links: readonly StageLink[];
}

/** How many ports a stage needs. */
export function portsNeeded({ stations, heartbeats, proxies }: StageSettings): number {
  const perStation = heartbeats === "udp" ? 3 : 2;
  const linksPerStation = heartbeats === "udp" ? 3 : 1;
  return 3 + stations.length * perStation + (proxies ? 2 + stations.length * linksPerStation : 0);
}

export function planAddresses(settings: StageSettings, ports: readonly number[]): StageAddresses {
  let taken = 0;
  const port = (): number => ports[taken++] as number;
  const gateway = `${HOST}:${port()}`;
  const control = `${HOST}:${port()}`;
  const heartbeats = `${HOST}:${port()}`;
  const links: StageLink[] = [];
  /** The address at which `upstream` is reached. */
  const link = (name: string, protocol: "tcp" | "udp", upstream: string, isSecure = false): string => {
    if (!settings.proxies) return upstream;
    const listen = `${HOST}:${port()}`;
    links.push({ name, protocol, listen, upstream, isSecure });
    return listen;
  };
  const stations: Record<string, StationPorts> = {};
  const stationUrls: Record<string, string> = {};
  const heartbeatsOf: Record<string, string> = {};
  const serviceOf: Record<string, string> = {};
  for (const { name } of settings.stations) {
    const isRelayed = settings.heartbeats === "udp";
    const own: StationPorts = {
      service: port(),
      serviceControl: port(),
      relay: isRelayed ? port() : undefined,
    };
    stations[name] = own;
    const station = link(name, "tcp", `${HOST}:${own.relay ?? own.service}`, settings.tls);
    const place = settings.gateway.ownNames ? station.replace(HOST, `${name}.station.test`) : station;
    stationUrls[name] = `${settings.tls ? "https" : "http"}://${place}`;
    if (!isRelayed) continue;
    serviceOf[name] = `http://${link(`${name}-service`, "tcp", `${HOST}:${own.service}`)}`;
    heartbeatsOf[name] = link(`${name}-heartbeats`, "udp", heartbeats);
  }
  const callers = `http://${link("callers", "tcp", gateway)}`;
  const proxy = settings.proxies ? `http://${HOST}:${port()}` : undefined;
  return {
    ...{ callers, proxy, stations, stationUrls, heartbeatsOf, serviceOf, links, heartbeats },
    gateway: `http://${gateway}`,
    control: `http://${control}`,
  };
}

/**
 * The gateway's file: the least configuration of the guide for these stations, and what the drill
 * adds.
 */
export function gatewayConfiguration(settings: StageSettings, at: StageAddresses, secretFile: string): JsonObject {
  const isPushed = settings.heartbeats === "udp";
  const group = merged(
    {
      name: settings.group,
      listen: hostOf(at.gateway),
      stations: settings.stations.map(({ name, gateway }) => ({
        ...{ name, url: at.stationUrls[name] as string },
        ...(gateway as JsonObject),
      })),
      heartbeat: isPushed ? { kind: "udp" } : { kind: "http", path: "/healthz" },
    },
    settings.gateway.group as JsonObject,
  );
  const top: JsonObject = {
    groups: [group],
    control: { listen: hostOf(at.control) },
    ...(isPushed ? { heartbeats: { listen: at.heartbeats, secretFile } } : {}),
  };
  return merged(top, settings.gateway.top as JsonObject);
}

/** The proxies' file, as Toxiproxy's clients send it to `/populate`. */
export function proxyConfiguration({ links }: StageAddresses): Json {
  return links.map(({ name, protocol, listen, upstream, isSecure }) => ({
    ...{ name, listen, upstream },
    ...(isSecure ? { tls: { fault: "none" } } : {}),
    ...(protocol === "udp" ? { protocol } : {}),
  }));
}

/** What a drill may name as `${name}`; hyphens of names become underscores. */
export function addressValues(settings: StageSettings, at: StageAddresses): JsonObject {
  const values: Record<string, Json> = {
    group: settings.group,
    gateway_url: at.callers,
    gateway_direct_url: at.gateway,
    control_url: at.control,
  };
  if (at.proxy !== undefined) values["proxy_url"] = at.proxy;
  if (settings.heartbeats === "udp") values["heartbeats_address"] = at.heartbeats;
  for (const { name, listen, upstream } of at.links) {
    values[`${valueName(name)}_proxy_listen`] = listen;
    values[`${valueName(name)}_proxy_upstream`] = upstream;
  }
  for (const [name, ports] of Object.entries(at.stations)) {
    const prefix = valueName(name);
    values[`${prefix}_url`] = `http://${HOST}:${ports.relay ?? ports.service}`;
    values[`${prefix}_port`] = ports.relay ?? ports.service;
    values[`${prefix}_service_url`] = `http://${HOST}:${ports.service}`;
    values[`${prefix}_mode_url`] = `http://${HOST}:${ports.serviceControl}/mode`;
  }
  return values;
}

export function valueName(name: string): string {
  return name.replaceAll("-", "_");
}

function hostOf(url: string): string {
  return new URL(url).host;
}

/** `added` goes before `written`; sections are merged, everything else is replaced. */
function merged(written: JsonObject, added: JsonObject): JsonObject {
  const result: Record<string, Json> = { ...written };
  for (const [name, value] of Object.entries(added)) {
    const before = result[name];
    result[name] = isSection(before) && isSection(value) ? merged(before, value) : value;
  }
  return result;
}

function isSection(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
