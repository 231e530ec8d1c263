/**
 * Header fields on their way through a proxy: which fields belong to one connection and are not
 * passed on, and which fields a proxy adds. Sources: RFC 9110 §7.6.1 (Connection), §7.6.3 (Via),
 * RFC 9112 §3.2 (request targets) and §6 (framing). All other fields keep their names, order and
 * duplicates as on the wire. Only values that frame or route a message are checked.
 */
import { isIPv6 } from "node:net";
import type { HeaderList } from "../../fleet/uplink.ts";

/** Fields that are never passed on, whatever the Connection field says (RFC 9110 §7.6.1). */
const CONNECTION_FIELDS: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "transfer-encoding",
  "upgrade",
]);

/**
 * These fields are passed on even if Connection names them: without them the message would lose its
 * framing, its routing or its loop detection.
 */
const NEVER_NAMED: ReadonlySet<string> = new Set(["host", "content-length", "cdn-loop", "via"]);

/**
 * The gateway's own fields, in both directions: values from a caller or a station are not passed
 * on.
 */
const OWN_PREFIX = "gsf-";

/**
 * Fields in which proxies describe the caller in front of them and its request, besides
 * `x-forwarded-…`. A caller that is not a trusted proxy could claim anything in them.
 */
const OF_CALLER: ReadonlySet<string> = new Set([
  ...["forwarded", "x-forwarded", "forwarded-for", "x-original-forwarded-for", "x-real-ip", "client-ip", "x-client-ip"],
  ...["x-cluster-client-ip", "true-client-ip", "x-remote-ip", "x-remote-addr", "x-originating-ip", "x-proxyuser-ip"],
  ...["proxy-client-ip", "wl-proxy-client-ip", "cf-connecting-ip", "cf-connecting-ipv6", "cf-pseudo-ipv4"],
  ...["fastly-client-ip", "x-envoy-external-address", "x-appengine-user-ip", "x-azure-clientip", "x-azure-socketip"],
  ...["ali-cdn-real-ip", "cdn-src-ip", "x-host", "x-original-host", "x-original-url", "x-rewrite-url", "x-scheme"],
  ...["x-url-scheme", "front-end-https", "proxy"],
  // Certificates, as proxies that end TLS describe them (RFC 9440, nginx, HAProxy, AWS, Azure).
  ...["client-cert", "client-cert-chain", "x-client-cert", "x-client-certificate", "x-client-dn", "x-client-subject"],
  ...["x-client-subject-dn", "x-client-verify", "ssl-client-cert", "ssl-client-verify", "ssl-client-subject-dn"],
  ...["ssl-client-issuer-dn", "x-ssl-cert", "x-ssl-client-cert", "x-ssl-client-dn", "x-ssl-client-s-dn"],
  ...[
    "x-ssl-client-cn",
    "x-ssl-client-verify",
    "x-ssl-subject",
    "x-ssl-issuer",
    "x-tls-client-cert",
    "x-arr-clientcert",
  ],
  ...["x-amzn-mtls-clientcert", "x-amzn-mtls-clientcert-leaf", "x-amzn-mtls-clientcert-subject"],
]);

/** Fields that frame a message, identify its command, or describe its way or its deadline. */
const OF_MESSAGE: ReadonlySet<string> = new Set([
  ...[
    "host",
    "content-length",
    "transfer-encoding",
    "via",
    "cdn-loop",
    "idempotency-key",
    "x-request-id",
    "x-time-left-ms",
    "grpc-timeout",
  ],
]);

/**
 * A lower-case name as CGI, WSGI, PHP and similar read it: they treat `-` and `_` as equal, and
 * some treat all other signs as equal to them too.
 */
export function folded(lower: string): string {
  return SIGN.test(lower) ? lower.replace(SIGNS, "-") : lower;
}

const SIGN = /[^a-z0-9-]/;
const SIGNS = /[^a-z0-9-]/g;

/**
 * True if servers read this name as one of these fields although it is spelt differently. The only
 * use of such a spelling is to impersonate the gateway or another caller.
 */
function isTwin(lower: string): boolean {
  const name = folded(lower);
  if (name === lower) return false;
  return name.startsWith(OWN_PREFIX) || isOfCaller(name) || OF_MESSAGE.has(name);
}

function isOfCaller(lower: string): boolean {
  return lower.startsWith("x-forwarded-") || OF_CALLER.has(lower);
}

/** Characters that are not allowed in a field value (RFC 9110 §5.5). */
const FORBIDDEN_IN_VALUE = /[^\t\x20-\x7e\x80-\xff]/;

/** Names and values alternating, as node:http and undici pass raw headers. */
export type RawHeaders = readonly string[];

/**
 * The fields that are passed on: all except those of this connection, the gateway's own, and those
 * in `dropped`.
 */
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

/** All fields except those of the connection: a head for a protocol that has no such fields. */
export function ofMessage(raw: RawHeaders): [name: string, value: string][] {
  const kept: [string, string][] = [];
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = raw[at] as string;
    if (!CONNECTION_FIELDS.has(name.toLowerCase())) kept.push([name, raw[at + 1] as string]);
  }
  return kept;
}

function connectionOptions(raw: RawHeaders): Set<string> | undefined {
  const values = rawValues(raw, "connection");
  // "keep-alive" and "close" do not name a field that must be removed.
  if (values.every((value) => /^(keep-alive|close)?$/i.test(value))) return undefined;
  return new Set(values.flatMap((value) => value.split(",").map((option) => option.trim().toLowerCase())));
}

/** All values of the field `name` (in lower case), however it is spelt in `raw`. */
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

/** The first field whose value cannot be sent on, or undefined. */
export function unsendable(headers: HeaderList): string | undefined {
  return headers.find(([, value]) => FORBIDDEN_IN_VALUE.test(value))?.[0];
}

/** `headers` with names and values alternating. */
export function flat(headers: HeaderList): string[] {
  const list: string[] = [];
  for (const [name, value] of headers) list.push(name, value);
  return list;
}

/** `headers` as a mutable list of pairs. */
export function pairs(headers: HeaderList): [name: string, value: string][] {
  return headers.map(([name, value]) => [name, value]);
}

/** Where a request came from. */
export interface Origin {
  readonly caller: string;
  readonly protocol: "http" | "https";
  /** True if the caller is a trusted proxy. */
  readonly isTrusted: boolean;
  /** Version of HTTP that it was received in, for Via. Default 1.1. */
  readonly version?: "1.1" | "2";
}

/**
 * Adds fields that tell a station about the caller. Fields from a trusted proxy are kept and
 * extended: the caller's address is appended to X-Forwarded-For (and to Forwarded, if the proxy
 * sent one); X-Forwarded-Proto and -Host are set if the proxy has not set them. Such fields from
 * any other caller are replaced. Via gets an entry of its own.
 */
export function withForwarded(
  headers: [string, string][],
  { caller, protocol, isTrusted, version = "1.1" }: Origin,
): HeaderList {
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
  kept.push(["via", `${version} gsf`]);
  return kept;
}

function valuesOf(headers: HeaderList, name: string): string[] {
  return headers.filter(([spelt]) => spelt.toLowerCase() === name).map(([, value]) => value);
}

/** RFC 7239 §6: IPv6 addresses are written in brackets and quotes. */
function forwardedNode(caller: string): string {
  return caller.includes(":") ? `"[${caller}]"` : caller;
}

/** A request target as it is passed on, and the host in it (absolute form only). */
export interface Target {
  readonly target: string;
  readonly authority: string | undefined;
}

/**
 * Path and query of a request target, byte for byte: nothing is decoded, merged or sorted. The
 * absolute form becomes path and query, and its authority replaces Host (RFC 9112 §3.2.2).
 * Undefined for a target of another form.
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
  // A name and password before the host would become part of Host (RFC 9110 §4.2.4).
  if (authority.includes("@") || !isHost(authority)) return undefined;
  if (rest === "" && method === "OPTIONS") return { target: "*", authority };
  return { target: rest.startsWith("/") ? rest : `/${rest}`, authority };
}

/**
 * True for a name, an address or nothing, each with or without a port (RFC 9110 §7.2, RFC 3986
 * §3.2.2).
 */
export function isHost(value: string): boolean {
  const parts = /^(?:\[([0-9a-fA-F:.]+)\]|(?:[\w.~!$&'()*+,;=-]|%[0-9a-fA-F]{2})*)(?::(\d*))?$/.exec(value);
  if (parts === null) return false;
  const [, address, port] = parts;
  return (address === undefined || isIPv6(address)) && Number(port ?? 0) <= 65_535;
}

/** True for `application/json` and any `+json` type, with or without parameters. */
export function isJson(contentType: string | undefined): boolean {
  return contentType !== undefined && /^\s*[^\s;/]+\/([^\s;/]+\+)?json\s*(;|$)/i.test(contentType);
}
