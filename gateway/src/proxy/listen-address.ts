/**
 * Addresses as Toxiproxy writes them: `host:port`, the host in brackets if it is an IPv6 address,
 * and no host for every address of this machine. A host name is looked up when the proxy opens;
 * where it has both kinds of address the IPv4 one is taken, as Go does.
 */
import { lookup } from "node:dns/promises";
import { isIP, isIPv6 } from "node:net";

export interface HostAndPort {
  /** Empty: every address of this machine. */
  readonly host: string;
  readonly port: number;
}

/** Host and port of a text; undefined if it cannot be read. */
export function hostAndPort(text: string): HostAndPort | undefined {
  const parts = /^(?:\[([^\][]*)\]|([^:\][]*)):(\d{1,5})$/.exec(text);
  const port = Number(parts?.[3]);
  return parts === null || port > 65_535 ? undefined : { host: parts[1] ?? parts[2] ?? "", port };
}

export function shownHostAndPort(host: string, port: number): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}

/** An address cannot be listened on; `message` says why. */
class ListenError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "ListenError";
  }
}

/**
 * The address that a proxy is to listen on, its host looked up; an empty text is any free port on
 * every address. Rejects with `ListenError`.
 */
export async function resolvedListen(text: string): Promise<HostAndPort> {
  if (text === "") return { host: "", port: 0 };
  const address = hostAndPort(text);
  if (address === undefined) throw new ListenError(`listen tcp: address ${text}: write host:port`);
  if (address.host === "" || isIP(address.host) !== 0) return address;
  try {
    const found = await lookup(address.host, { all: true });
    const host = (found.find(({ family }) => family === 4) ?? found[0])?.address;
    if (host !== undefined) return { host, port: address.port };
  } catch {
    // Said below.
  }
  throw new ListenError(`listen tcp: lookup ${address.host}: no such host`);
}
