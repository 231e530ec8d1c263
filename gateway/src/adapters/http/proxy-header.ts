/**
 * The PROXY protocol, versions 1 and 2 (HAProxy's specification, 2020): the bytes that a balancer
 * sends in front of a connection, to say from where it comes. A reader takes bytes as they arrive,
 * says whether more are needed, and never reads more than the longest header. It is strict: what
 * is not exactly a header is refused, because a wrong address is worse than none. It opens no
 * socket and knows no time.
 *
 *   more ──bytes──► more | header (known or local) | refused
 */
import { isIPv4, isIPv6 } from "node:net";

/** From where a connection comes. `local`: from the balancer itself, such as its health checks. */
export type ProxyHeader =
  | { readonly type: "local" }
  | { readonly type: "caller"; readonly address: string; readonly port: number };

export type ProxyReading =
  | { readonly type: "more" }
  /** `bytes`: length of the header; what follows it belongs to the connection. */
  | { readonly type: "header"; readonly header: ProxyHeader; readonly bytes: number }
  | { readonly type: "refused"; readonly why: string };

const SIGNATURE = Buffer.from([0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a]);
const V1_START = Buffer.from("PROXY ");
/** The longest line of version 1, with its line end. */
const V1_MAX_BYTES = 107;
const V2_HEAD_BYTES = 16;
/** Most bytes of addresses and TLVs: balancers send up to some hundred, with a certificate more. */
const V2_MAX_BYTES = 4_096;
/** Most bytes that a reader ever needs. */
export const MAX_PROXY_BYTES: number = V2_HEAD_BYTES + V2_MAX_BYTES;
const MORE: ProxyReading = { type: "more" };

/** What `bytes`, all that has arrived of a connection, say. */
export function readProxyHeader(bytes: Uint8Array): ProxyReading {
  if (bytes.length === 0) return MORE;
  if (begins(bytes, SIGNATURE)) return bytes.length < SIGNATURE.length ? MORE : readV2(Buffer.from(bytes));
  if (begins(bytes, V1_START)) return readV1(Buffer.from(bytes));
  return refused("it does not begin with a PROXY header");
}

/** True if both are the same, as far as both are there. */
function begins(bytes: Uint8Array, start: Uint8Array): boolean {
  const length = Math.min(bytes.length, start.length);
  return Buffer.compare(bytes.subarray(0, length), start.subarray(0, length)) === 0;
}

function refused(why: string): ProxyReading {
  return { type: "refused", why };
}

// ── version 1: one line of text ────────────────────────────────────────────────────────────────

function readV1(bytes: Buffer): ProxyReading {
  const end = bytes.subarray(0, V1_MAX_BYTES).indexOf("\r\n");
  if (end < 0) return bytes.length < V1_MAX_BYTES ? MORE : refused(`its line is longer than ${V1_MAX_BYTES} bytes`);
  const line = bytes.toString("latin1", 0, end);
  const length = end + 2;
  // What follows is to be ignored: the balancer does not know, or checks its servers.
  if (/^PROXY UNKNOWN(?: [\x20-\x7e]*)?$/.test(line))
    return { type: "header", header: { type: "local" }, bytes: length };
  const parts = /^PROXY TCP([46]) (\S+) (\S+) (\d{1,5}) (\d{1,5})$/.exec(line);
  if (parts === null) return refused("its line is not PROXY, TCP4 or TCP6, two addresses and two ports");
  const [, family, from = "", to = "", fromPort = "", toPort = ""] = parts;
  const isOf = family === "4" ? isIPv4 : isIPv6;
  if (!isOf(from) || !isOf(to)) return refused("its addresses are not of its family");
  if (!isPort(fromPort) || !isPort(toPort)) return refused("its ports are not from 0 to 65535");
  return { type: "header", header: { type: "caller", address: from, port: Number(fromPort) }, bytes: length };
}

/** Without leading zeros, as the specification says. */
function isPort(text: string): boolean {
  return /^(?:0|[1-9]\d*)$/.test(text) && Number(text) <= 65_535;
}

// ── version 2: binary ──────────────────────────────────────────────────────────────────────────

const ADDRESS_BYTES: ReadonlyMap<number, number> = new Map([
  // Family and protocol: TCP over IPv4, TCP over IPv6.
  [0x11, 12],
  [0x21, 36],
]);
/** Other combinations that exist: the receiver uses the connection's own address for them. */
const IGNORED_FAMILIES: ReadonlySet<number> = new Set([0x00, 0x12, 0x22, 0x31, 0x32]);
const CHECKSUM = 0x03;

function readV2(bytes: Buffer): ProxyReading {
  if (bytes.length < V2_HEAD_BYTES) return MORE;
  const [version, command] = [(bytes[12] as number) >> 4, (bytes[12] as number) & 0x0f];
  if (version !== 2) return refused(`its version is ${version}; allowed are 1 and 2`);
  if (command > 1) return refused(`its command is ${command}; allowed are 0 (local) and 1 (proxy)`);
  const family = bytes[13] as number;
  const length = bytes.readUInt16BE(14);
  if (length > V2_MAX_BYTES)
    return refused(`it has ${length} bytes after its head; at most ${V2_MAX_BYTES} are allowed`);
  const total = V2_HEAD_BYTES + length;
  if (bytes.length < total) return MORE;
  const whole = bytes.subarray(0, total);
  const isLocal = command === 0;
  const addressBytes = ADDRESS_BYTES.get(family);
  if (addressBytes === undefined) {
    if (!isLocal && !IGNORED_FAMILIES.has(family))
      return refused(`its family and protocol are 0x${family.toString(16)}`);
    return { type: "header", header: { type: "local" }, bytes: total };
  }
  if (!isLocal && length < addressBytes) return refused("its addresses are cut off");
  const why = isLocal ? undefined : wrongTlv(whole, V2_HEAD_BYTES + addressBytes);
  if (why !== undefined) return refused(why);
  if (isLocal) return { type: "header", header: { type: "local" }, bytes: total };
  const header: ProxyHeader =
    family === 0x11
      ? { type: "caller", address: [...whole.subarray(16, 20)].join("."), port: whole.readUInt16BE(24) }
      : { type: "caller", address: ipv6(whole.subarray(16, 32)), port: whole.readUInt16BE(48) };
  return { type: "header", header, bytes: total };
}

/** Skips the TLVs from `at` on; checks their lengths, and the checksum if there is one. */
function wrongTlv(whole: Buffer, at: number): string | undefined {
  for (let place = at; place < whole.length; ) {
    if (place + 3 > whole.length) return "its last TLV is cut off";
    const type = whole[place];
    const length = whole.readUInt16BE(place + 1);
    const end = place + 3 + length;
    if (end > whole.length) return "a TLV is longer than the header";
    if (type === CHECKSUM) {
      if (length !== 4) return "its checksum has not 4 bytes";
      const said = whole.readUInt32BE(place + 3);
      const zeroed = Buffer.from(whole);
      zeroed.fill(0, place + 3, end);
      if (crc32c(zeroed) !== said) return "its checksum is wrong";
    }
    place = end;
  }
  return undefined;
}

function ipv6(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, place) => bytes.readUInt16BE(2 * place).toString(16));
  const isMapped = groups.slice(0, 5).every((group) => group === "0") && groups[5] === "ffff";
  return isMapped ? [...bytes.subarray(12)].join(".") : groups.join(":");
}

/**
 * CRC-32C (Castagnoli, RFC 3720 appendix B.4), bit by bit: headers are short and have it rarely.
 */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}
