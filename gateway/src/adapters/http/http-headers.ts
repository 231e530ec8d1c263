/**
 * Header fields on their way through a proxy: which ones belong to one connection only and stay
 * behind, and which ones a proxy adds. Sources: RFC 9110 §7.6.1 (Connection), §7.6.3 (Via), RFC
 * 9112 §3.2 (request targets) and §6 (framing). Names, order and duplicates of everything else are
 * kept as they stood on the wire. It judges no values but those by which a message is framed or
 * routed.
 */
import { isIPv6 } from "node:net";
import type { HeaderList } from "../../fleet/uplink.ts";

/** Fields that end at this connection, whatever the Connection field says (RFC 9110 §7.6.1). */
const CONNECTION_FIELDS: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "transfer-encoding",
  "upgrade",
]);

/**
 * Naming these in Connection would take away what frames or routes the message, or tells that it
 * goes round: they stay.
 */
const NEVER_NAMED: ReadonlySet<string> = new Set(["host", "content-length", "cdn-loop", "via"]);

/** Ours in both directions: what a caller or a station puts there is not passed on. */
const OWN_PREFIX = "gsf-";

/**
 * What proxies say of the caller in front of them, and of what it asked for, besides
 * `x-forwarded-…`. A caller that is none says it of itself.
 */
const OF_CALLER: ReadonlySet<string> = new Set([
  ...["forwarded", "x-forwarded", "forwarded-for", "x-original-forwarded-for", "x-real-ip", "client-ip", "x-client-ip"],
  ...["x-cluster-client-ip", "true-client-ip", "x-remote-ip", "x-remote-addr", "x-originating-ip", "x-proxyuser-ip"],
  ...["proxy-client-ip", "wl-proxy-client-ip", "cf-connecting-ip", "cf-connecting-ipv6", "cf-pseudo-ipv4"],
  ...["fastly-client-ip", "x-envoy-external-address", "x-appengine-user-ip", "x-azure-clientip", "x-azure-socketip"],
  ...["ali-cdn-real-ip", "cdn-src-ip", "x-host", "x-original-host", "x-original-url", "x-rewrite-url", "x-scheme"],
  ...["x-url-scheme", "front-end-https", "proxy"],
]);

/**
 * What frames a message, names its command, or says how it has come and how long it is worth
 * something.
 */
const OF_MESSAGE: ReadonlySet<string> = new Set([
  ...[
    "host",
    "content-length",
    "transfer-encoding",
    "via",
    "cdn-loop",
    "idempotency-key",
    "x-time-left-ms",
    "grpc-timeout",
  ],
]);

/**
 * A name in lower case as CGI, WSGI, PHP and the like read it: they know no difference between `-`
 * and `_`, some none between that and any other sign.
 */
export function folded(lower: string): string {
  return SIGN.test(lower) ? lower.replace(SIGNS, "-") : lower;
}

const SIGN = /[^a-z0-9-]/;
const SIGNS = /[^a-z0-9-]/g;

/**
 * Is it read as one of these, and spelt otherwise? Nobody has a use for that but who wants to be
 * taken for us, or for another caller.
 */
function isTwin(lower: string): boolean {
  const name = folded(lower);
  if (name === lower) return false;
  return name.startsWith(OWN_PREFIX) || isOfCaller(name) || OF_MESSAGE.has(name);
}

function isOfCaller(lower: string): boolean {
  return lower.startsWith("x-forwarded-") || OF_CALLER.has(lower);
}

/** Characters that may not stand in a field value (RFC 9110 §5.5). */
const FORBIDDEN_IN_VALUE = /[^\t\x20-\x7e\x80-\xff]/;

/** Name and value one after the other, as node:http and undici hand over raw headers. */
export type RawHeaders = readonly string[];

/** The fields that go on: all but those of this connection, our own, and those `dropped` says. */
export function endToEnd(raw: RawHeaders, dropped?: ReadonlySet<string>): [name: string, value: string][] {
  const named = connectionOptions(raw);
  const kept: [string, string][] = [];
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = raw[at] as string;
    const lower = name.toLowerCase();
    if (CONNECTION_FIELDS.has(lower) || lower.startsWith(OWN_PREFIX) || dropped?.has(lower) === true) continue;
    if (isTwin(lower)) continue;
    if (named?.has(lower) === true && !NEVER_NAMED.has(lower)) continue;
    kept.push([name, raw[at + 1] as string]);
  }
  return kept;
}

function connectionOptions(raw: RawHeaders): Set<string> | undefined {
  const values = rawValues(raw, "connection");
  // "keep-alive" and "close" name no field that would have to go.
  if (values.every((value) => /^(keep-alive|close)?$/i.test(value))) return undefined;
  return new Set(values.flatMap((value) => value.split(",").map((option) => option.trim().toLowerCase())));
}

/** All values of the field `name` (in lower case), however it is spelt there. */
export function rawValues(raw: RawHeaders, name: string): string[] {
  const values: string[] = [];
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const spelt = raw[at] as string;
    if (spelt.length === name.length && spelt.toLowerCase() === name) values.push(raw[at + 1] as string);
  }
  return values;
}

/** The first value of `name` (in lower case), or undefined. */
export function headerValue(headers: HeaderList, name: string): string | undefined {
  return headers.find(([spelt]) => spelt.length === name.length && spelt.toLowerCase() === name)?.[1];
}

/** The first field whose value could not be sent on, or undefined. */
export function unsendable(headers: HeaderList): string | undefined {
  return headers.find(([, value]) => FORBIDDEN_IN_VALUE.test(value))?.[0];
}

/** `headers`, name and value one after the other. */
export function flat(headers: HeaderList): string[] {
  const list: string[] = [];
  for (const [name, value] of headers) list.push(name, value);
  return list;
}

/** `headers` as pairs that may be changed. */
export function pairs(headers: HeaderList): [name: string, value: string][] {
  return headers.map(([name, value]) => [name, value]);
}

/** From where a request came. */
export interface Origin {
  readonly caller: string;
  readonly protocol: "http" | "https";
  /** Is the caller a proxy whose word counts? */
  readonly isTrusted: boolean;
}

/**
 * Adds what tells a station who asked. The word of a trusted proxy is kept, and added to: the
 * caller's address goes to the end of X-Forwarded-For (and of Forwarded, where it sent one),
 * X-Forwarded-Proto and -Host are set where it has not. What any other caller says of itself is
 * replaced. Via gets an entry of its own.
 */
export function withForwarded(headers: [string, string][], { caller, protocol, isTrusted }: Origin): HeaderList {
  const before = isTrusted ? valuesOf(headers, "x-forwarded-for") : [];
  const kept = headers.filter(([name]) => {
    const lower = name.toLowerCase();
    return isTrusted ? lower !== "x-forwarded-for" : !isOfCaller(lower);
  });
  kept.push(["x-forwarded-for", [...before, caller].join(", ")]);
  if (headerValue(kept, "forwarded") !== undefined) kept.push(["forwarded", `for=${forwardedNode(caller)}`]);
  if (headerValue(kept, "x-forwarded-proto") === undefined) kept.push(["x-forwarded-proto", protocol]);
  const host = headerValue(kept, "host");
  if (host !== undefined && headerValue(kept, "x-forwarded-host") === undefined) kept.push(["x-forwarded-host", host]);
  kept.push(["via", "1.1 gsf"]);
  return kept;
}

function valuesOf(headers: HeaderList, name: string): string[] {
  return headers.filter(([spelt]) => spelt.toLowerCase() === name).map(([, value]) => value);
}

/** RFC 7239 §6: IPv6 stands in brackets and quotes. */
function forwardedNode(caller: string): string {
  return caller.includes(":") ? `"[${caller}]"` : caller;
}

/** A request target as it goes on, and the host it names itself (absolute form only). */
export interface Target {
  readonly target: string;
  readonly authority: string | undefined;
}

/**
 * Path and query of a request target, byte for byte: nothing is decoded, merged or sorted. The
 * absolute form becomes path and query, its authority replaces Host (RFC 9112 §3.2.2). Undefined
 * for a target that is neither.
 */
export function targetOf(method: string, url: string): Target | undefined {
  // No target has a fragment (RFC 9112 §3.2), and some servers read a backslash in a path as a
  // slash.
  if (url.includes("#") || /^[^?]*\\/.test(url)) return undefined;
  if (url.startsWith("/")) return { target: url, authority: undefined };
  if (url === "*") return method === "OPTIONS" ? { target: "*", authority: undefined } : undefined;
  const absolute = /^https?:\/\/([^/?]+)(.*)$/i.exec(url);
  if (absolute === null) return undefined;
  const [, authority, rest] = absolute as unknown as [string, string, string];
  // A name and password before the host would end up in Host (RFC 9110 §4.2.4).
  if (authority.includes("@") || !isHost(authority)) return undefined;
  if (rest === "" && method === "OPTIONS") return { target: "*", authority };
  return { target: rest.startsWith("/") ? rest : `/${rest}`, authority };
}

/** A name, an address or nothing, and a port or none (RFC 9110 §7.2, RFC 3986 §3.2.2). */
export function isHost(value: string): boolean {
  const parts = /^(?:\[([0-9a-fA-F:.]+)\]|(?:[\w.~!$&'()*+,;=-]|%[0-9a-fA-F]{2})*)(?::(\d*))?$/.exec(value);
  if (parts === null) return false;
  const [, address, port] = parts;
  return (address === undefined || isIPv6(address)) && Number(port ?? 0) <= 65_535;
}

/** True for `application/json` and any `+json` type, parameters or not. */
export function isJson(contentType: string | undefined): boolean {
  return contentType !== undefined && /^\s*[^\s;/]+\/([^\s;/]+\+)?json\s*(;|$)/i.test(contentType);
}
