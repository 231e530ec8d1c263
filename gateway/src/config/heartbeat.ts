/**
 * Configuration of heartbeats: pushed datagrams, or a health page that the gateway requests. The
 * fields of the page may be set for the group, and differently for a station; this module merges
 * the two. It reports what cannot be intended: an address given twice, one page for two stations, a
 * page of the gateway itself.
 */
import { z } from "zod";
import { addressOf, hostsOf } from "../adapters/process/addresses.ts";
import { GOOD_STATUSES, type HeaderList, type HealthPage, type StatusRange } from "../fleet/uplink.ts";
import type { FieldPath, Report } from "./field-path.ts";
import { duration, headerFields, hostName, pageUrl, requestPath, section, statuses, wholeNumber } from "./values.ts";

/**
 * Fields of a health page. Missing fields come from the group, then from the station's own address.
 */
export interface WrittenHealthPage {
  readonly url?: string | undefined;
  readonly port?: number | undefined;
  readonly path?: string | undefined;
  readonly host?: string | undefined;
  readonly headers?: HeaderList | undefined;
  readonly expect?: readonly StatusRange[] | undefined;
}

export type WrittenHeartbeat =
  | { readonly kind: "udp"; readonly intervalMs: number }
  | {
      readonly kind: "http";
      readonly intervalMs: number;
      readonly timeoutMs: number;
      readonly page: WrittenHealthPage;
    };

/** An answer may take this long even if the interval is shorter. */
export const MIN_TIMEOUT_MS = 1_000;

const pageFields = {
  url: pageUrl()
    .optional()
    .meta({
      byDefault: "none",
      description:
        "Where the page is somewhere else; says the port and path too. One page for two stations is refused, so it " +
        "belongs into `stations[].heartbeat`",
    }),
  port: wholeNumber(1, 65_535)
    .optional()
    .meta({ range: "1 … 65535", byDefault: "the station's", description: "Where the page is on another port" }),
  path: requestPath().optional().meta({
    byDefault: "required, unless every station has a `url` or `path`",
    description: "What is asked for, at the station's own address",
  }),
  host: hostName().optional().meta({ byDefault: "that of the address", description: "The Host field of the probe" }),
  headers: headerFields().optional().meta({
    byDefault: "none",
    description: "Sent with the probe, for example a token. Not for secrets: this file gets copied",
  }),
  expect: statuses().optional().meta({ byDefault: "`200-399`", description: "Which answers are heartbeats" }),
};

/** `stations[].heartbeat`. */
export const stationHeartbeat: z.ZodType<WrittenHealthPage> = section(pageFields);

const KIND = {
  byDefault: "`udp`, where the section is left out",
  description:
    "`udp`: pushed, signed datagrams from `gsf station`. `http`: pulled, a request to each station's health page; an " +
    "expected answer is a heartbeat",
};

const pushedHeartbeat = section({
  kind: z.literal("udp").meta(KIND),
  interval: duration(5, 60_000).prefault("50ms").meta({
    description:
      "Time from one heartbeat to the next. Pushed: 50 ms is the intra-region path, the fastest one planned for",
  }),
}).transform(({ kind, interval }): WrittenHeartbeat => ({ kind, intervalMs: interval }));

const pulledHeartbeat = section({
  kind: z.literal("http").meta(KIND),
  interval: duration(10, 60_000).prefault("200ms").meta({
    description:
      "Pulled: five probes a second are no load for a service, and five missed ones are known within a second",
  }),
  timeout: duration(1, 60_000)
    .optional()
    .meta({
      range: "1ms … the larger of 1s and the interval",
      byDefault: "the larger of 1s and the interval",
      description:
        "How long an answer is waited for. A second, because a page that is slow once is alive. The next probe " +
        "begins meanwhile, so a page that takes 300 ms still gives a heartbeat every 200 ms; at most two probes of a " +
        "station are out at once",
    }),
  ...pageFields,
}).transform(
  ({ kind, interval, timeout, ...page }): WrittenHeartbeat => ({
    kind,
    intervalMs: interval,
    timeoutMs: timeout ?? Math.max(interval, MIN_TIMEOUT_MS),
    page,
  }),
);

/** `heartbeat` of a group. */
export const heartbeat: z.ZodType<WrittenHeartbeat> = z
  .discriminatedUnion("kind", [pushedHeartbeat, pulledHeartbeat], {
    error: "allowed are kind: udp (signed datagrams from gsf station) and kind: http (requests to a path)",
  })
  .prefault({ kind: "udp" })
  .meta({ description: "How the group learns that its stations are alive" });

/**
 * The page of the station at `url`: its own fields first, then the group's. Undefined if neither
 * gives a path.
 */
export function healthPageOf(
  url: string,
  group: WrittenHealthPage,
  own: WrittenHealthPage = {},
): HealthPage | undefined {
  const at = new URL(url);
  let path: string | undefined;
  for (const said of [group, own]) {
    if (said.url !== undefined) {
      const whole = new URL(said.url);
      at.protocol = whole.protocol;
      at.host = whole.host;
      at.port = whole.port;
      path = `${whole.pathname}${whole.search}`;
    }
    if (said.port !== undefined) at.port = String(said.port);
    path = said.path ?? path;
  }
  if (path === undefined) return undefined;
  const host = own.host ?? group.host;
  const named = new Map(
    [...(group.headers ?? []), ...(own.headers ?? [])].map(([name, text]) => [name.toLowerCase(), text]),
  );
  const headers: HeaderList = [...(host === undefined ? [] : [["host", host] as const]), ...named];
  return { origin: at.origin, path, headers, expect: own.expect ?? group.expect ?? GOOD_STATUSES };
}

interface PulledStations {
  readonly heartbeat: WrittenHeartbeat;
  readonly stations: readonly { readonly url: string; readonly heartbeat?: WrittenHealthPage | undefined }[];
}

/** The page of the station at `place`; undefined also if its fields cannot be read. */
export function writtenPageOf({ heartbeat, stations }: PulledStations, place: number): HealthPage | undefined {
  const station = stations[place];
  if (heartbeat?.kind !== "http" || station === undefined || typeof station.url !== "string") return undefined;
  if (!isRead(heartbeat.page) || !isRead(station.heartbeat ?? {})) return undefined;
  return healthPageOf(station.url, heartbeat.page, station.heartbeat);
}

/**
 * Reports what cannot be intended in the health pages of a group, which is at `path` in the file.
 */
export function reportHealthPages({ heartbeat, stations }: PulledStations, path: FieldPath, report: Report): void {
  const own = (place: number): FieldPath => [...path, "stations", place, "heartbeat"];
  if (heartbeat.kind === "udp") {
    for (const [place, station] of stations.entries())
      if (station?.heartbeat !== undefined)
        report(
          own(place),
          "stations of this group push heartbeats (kind: udp); a page is asked for with heartbeat: { kind: http } of the group",
        );
    return;
  }
  // Values that could not be read have already been reported.
  if (heartbeat.kind !== "http" || !isRead(heartbeat.page)) return;
  reportSaidTwice(heartbeat.page, [...path, "heartbeat"], report);
  const seen = new Map<string, number>();
  for (const [place, station] of stations.entries()) {
    if (typeof station?.url !== "string" || !isRead(station.heartbeat ?? {})) continue;
    reportSaidTwice(station.heartbeat ?? {}, own(place), report);
    const page = healthPageOf(station.url, heartbeat.page, station.heartbeat);
    if (page === undefined) {
      report(
        [...path, "heartbeat", "path"],
        "it is missing; allowed is a path beginning with /, such as /healthz, or a url for each station",
      );
      return;
    }
    const at = addressOf(new URL(page.origin ?? station.url));
    const keys = hostsOf(at.host).map((host) => JSON.stringify([host, at.port, page.path, page.headers]));
    const twin = keys.map((key) => seen.get(key)).find((one) => one !== undefined);
    if (twin !== undefined)
      report(
        station.heartbeat === undefined ? [...path, "heartbeat"] : own(place),
        `${page.origin}${page.path} is the page of stations[${twin}] and of stations[${place}]: it cannot tell which of them is alive`,
      );
    for (const key of keys) seen.set(key, place);
  }
}

function isRead(page: WrittenHealthPage | undefined): page is WrittenHealthPage {
  if (page === undefined) return false;
  const { url, headers } = page;
  return (url === undefined || typeof url === "string") && (headers === undefined || Array.isArray(headers));
}

function reportSaidTwice({ url, port, path: page }: WrittenHealthPage, path: FieldPath, report: Report): void {
  if (url === undefined) return;
  if (port !== undefined) report([...path, "port"], "url says the port already; keep one of them");
  if (page !== undefined) report([...path, "path"], "url says the path already; keep one of them");
}
