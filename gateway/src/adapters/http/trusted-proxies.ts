/**
 * The proxies in front of a gateway whose statements about the caller are trusted: single addresses
 * or ranges (CIDR), IPv4 and IPv6. Any client can send `X-Forwarded-For: 127.0.0.1` or
 * `X-Forwarded-Proto: https`; services believe it, and some grant access because of it. So by
 * default no proxy is trusted.
 */
import { BlockList, isIP, isIPv4 } from "node:net";

/** An address, or the range of all addresses with the same first `bits` bits. */
interface AddressRange {
  readonly address: string;
  readonly bits: number;
}

/** IPv4 addresses as IPv6 writes them: `::ffff:10.0.0.1`. */
const MAPPED = /^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i;
const MAPPED_BITS = 96;

export class TrustedProxies {
  readonly #list: BlockList = new BlockList();
  readonly #isEmpty: boolean;

  /** Addresses and ranges, such as `10.0.0.0/8` and `::1`. Throws if an entry is not valid. */
  constructor(ranges: readonly string[] = []) {
    this.#isEmpty = ranges.length === 0;
    for (const text of ranges) {
      const range = rangeOf(text);
      if (range === undefined) throw new RangeError(`"${text}" is no address and no range of addresses`);
      this.#list.addSubnet(range.address, range.bits, familyOf(range.address));
    }
  }

  has(address: string): boolean {
    if (this.#isEmpty) return false;
    // A link-local address includes the name of its interface.
    const plain = address.replace(/%.*$/, "").replace(MAPPED, "");
    return isIP(plain) !== 0 && this.#list.check(plain, familyOf(plain));
  }
}

/** True if `text` is an address or a range of addresses. */
export function isAddressRange(text: string): boolean {
  return rangeOf(text) !== undefined;
}

function rangeOf(text: string): AddressRange | undefined {
  const [, written = "", length] = /^([^/%]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const mapped = written.replace(MAPPED, "");
  const isMapped = mapped !== written;
  if (isIP(mapped) === 0 || (isMapped && !isIPv4(mapped))) return undefined;
  const most = isIPv4(mapped) ? 32 : 128;
  const bits = length === undefined ? most : Number(length) - (isMapped ? MAPPED_BITS : 0);
  return bits >= 0 && bits <= most ? { address: mapped, bits } : undefined;
}

function familyOf(address: string): "ipv4" | "ipv6" {
  return isIPv4(address) ? "ipv4" : "ipv6";
}
