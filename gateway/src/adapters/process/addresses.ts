/**
 * Reads addresses strictly. It refuses addresses that no machine can have (`256.1.1.1`, `a..b`),
 * text that a URL parser would silently repair (line breaks, backslashes, missing slashes), and
 * targets to which no connection is possible (port 0, `0.0.0.0`). It also tells whether two
 * addresses lead to the same place, as far as that is possible without a name server.
 */
import { BlockList, isIPv4, isIPv6 } from "node:net";
import type { ListenSettings } from "../../fleet/settings.ts";

/**
 * A host and a port to listen on; undefined if it cannot be read. Without a host: all IPv4
 * addresses. Port 0: any free port.
 */
export function listenAddressIn(text: string): ListenSettings | undefined {
  const parts = /^(?:\[([^\]]*)\]|([^:]*)):(\d{1,5})$/.exec(text);
  const port = Number(parts?.[3]);
  if (parts === null || port > MAX_PORT) return undefined;
  const [, address, name] = parts;
  if (address !== undefined) return isIPv6(address) && isUsable(address) ? { host: address, port } : undefined;
  if (name === "") return { host: EVERY_IPV4, port };
  return isHost(name as string) && isUsable(name as string) ? { host: name as string, port } : undefined;
}

/** A host and a port to send to; undefined if no machine can be there. */
export function targetAddressIn(text: string): ListenSettings | undefined {
  const address = listenAddressIn(text);
  return address === undefined || address.port === 0 || isEverywhere(address.host) ? undefined : address;
}

/**
 * The URL of a service to which this process is to connect; undefined if no connection is possible.
 */
export function serviceUrlIn(text: string): URL | undefined {
  const url = httpUrlIn(text);
  return url !== undefined && !isEverywhere(bare(url.hostname)) ? url : undefined;
}

/**
 * An HTTP URL; undefined if it is not one. `0.0.0.0` is allowed: a gateway that listens there
 * reports this address, and operating systems treat it as their loopback.
 */
export function httpUrlIn(text: string): URL | undefined {
  // The parser drops line breaks and tabs, reads \ as /, and adds missing slashes.
  if (!/^https?:\/\/[^\s\\\p{Cc}/]+/iu.test(text) || /[\s\\\p{Cc}]/u.test(text) || !URL.canParse(text))
    return undefined;
  const url = new URL(text);
  const host = bare(url.hostname);
  const isPossible = (isIPv6(host) || isHost(host)) && isUsable(host) && isWrittenAs(text, host);
  return isPossible && url.port !== "0" ? url : undefined;
}

/**
 * True if the parser left the host as it was written. The parser reads `1.2.3` as 1.2.0.3, `999` as
 * 0.0.3.231, `%31` as 1 and full-width letters as ASCII, and drops invisible characters. In such
 * cases the writer meant another host, or hides it.
 */
function isWrittenAs(text: string, host: string): boolean {
  const written = /^[^/]*\/\/(?:[^/?#]*@)?(\[[^\]]*\]|[^/?#:]*)/.exec(text)?.[1] as string;
  if (isIPv4(host)) return written === host;
  return !/[%\u3002\p{DI}]/u.test(written) && written.normalize("NFKC") === written.normalize("NFC");
}

/**
 * True if a machine can have this address. Not addresses of groups (multicast, broadcast), reserved
 * ones, those of "this network", or link-local ones without an interface.
 */
function isUsable(host: string): boolean {
  const [one] = hostsOf(host) as [string];
  if (isIPv4(one)) return one === EVERY_IPV4 || !NOBODY.check(one, "ipv4");
  return !isIPv6(one) || (!host.includes("%") && !NOBODY.check(one, "ipv6"));
}

/** True for an IPv4 address, or a name that is possible in DNS or a hosts file. */
export function isHost(text: string): boolean {
  const labels = text.replace(/\.$/, "").split(".");
  if (text.length > MAX_NAME || !labels.every((label) => LABEL.test(label))) return false;
  // A name does not end in a number (RFC 1123, section 2.1); text that does is meant as an address.
  return isIPv4(text) || !/^(?:\d+|0x[0-9a-f]*)$/i.test(labels.at(-1) as string);
}

/** Host and port of a URL; the default port if it names none. */
export function addressOf({ protocol, hostname, port }: URL): ListenSettings {
  return { host: bare(hostname), port: Number(port === "" ? DEFAULT_PORTS[protocol] : port) };
}

/**
 * True if a connection to one host may reach the other. This is certain for two addresses; names
 * are compared as text. The machine decides whether `localhost` is its IPv4 or its IPv6 loopback,
 * so it may be either.
 */
export function isSameHost(one: string, other: string): boolean {
  const others = hostsOf(other);
  return hostsOf(one).some((host) => others.includes(host));
}

/** True if only this machine can reach `host`. */
export function isLoopback(host: string): boolean {
  return !USUAL_ALIASES.has(plainName(host)) && hostsOf(host).every(isLoopbackAddress);
}

/** True if `host` may lead to this machine's own loopback. */
export function mayBeLoopback(host: string): boolean {
  return hostsOf(host).some(isLoopbackAddress);
}

function isLoopbackAddress(address: string): boolean {
  return address === "::1" || (isIPv4(address) && address.startsWith("127."));
}

/** True for the address that means all addresses of this machine. */
export function isEverywhere(host: string): boolean {
  const [one] = hostsOf(host);
  return one === EVERY_IPV4 || one === EVERY_IPV6;
}

/**
 * The hosts that `host` may mean: addresses in normalized spelling, names in lower case and without
 * the dot of the root.
 */
export function hostsOf(host: string): readonly string[] {
  if (isIPv6(host)) {
    const plain = bare(new URL(`http://[${host.replace(/%.*$/, "")}]`).hostname);
    const mapped = /^::ffff:([0-9a-f]+):([0-9a-f]+)$/.exec(plain);
    if (mapped === null) return [plain];
    const bytes = [mapped[1], mapped[2]].flatMap((half) => {
      const number = Number.parseInt(half as string, 16);
      return [number >> 8, number & 255];
    });
    return [bytes.join(".")];
  }
  const name = plainName(host);
  if (name === "localhost" || name.endsWith(".localhost")) return LOCALHOST;
  return USUAL_ALIASES.get(name) ?? [name];
}

function plainName(host: string): string {
  return host.toLowerCase().replace(/\.$/, "");
}

/** RFC 6761, section 6.3. */
const LOCALHOST = ["127.0.0.1", "::1"] as const;
/**
 * Aliases in the hosts files of common systems. They are not guaranteed: good enough to find
 * duplicates, not good enough to rely on.
 */
const USUAL_ALIASES: ReadonlyMap<string, readonly string[]> = new Map<string, readonly string[]>([
  ["ip6-localhost", ["::1"]],
  ["ip6-loopback", ["::1"]],
  ["localhost6", ["::1"]],
  ["localhost4", ["127.0.0.1"]],
  ["localhost.localdomain", LOCALHOST],
  ["localhost6.localdomain6", ["::1"]],
  ["localhost4.localdomain4", ["127.0.0.1"]],
]);
/** RFC 1122, section 3.2.1.3; RFC 1112, section 4; RFC 4291, sections 2.5.6 and 2.7. */
const NOBODY = new BlockList();
NOBODY.addSubnet("0.0.0.0", 8, "ipv4");
NOBODY.addSubnet("224.0.0.0", 3, "ipv4");
NOBODY.addSubnet("ff00::", 8, "ipv6");
NOBODY.addSubnet("fe80::", 10, "ipv6");
const EVERY_IPV4 = "0.0.0.0";
const EVERY_IPV6 = "::";
const MAX_PORT = 65_535;
const MAX_NAME = 253;
/** Allows underscores, which names of services and containers contain. */
const LABEL = /^[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$/;
const DEFAULT_PORTS: Readonly<Record<string, number>> = { "http:": 80, "https:": 443 };

function bare(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, "");
}
