/**
 * Identifies callers by their address, for shares and bounds. Of an IPv6 address only the first 64
 * bits count: a client that has one address of such a network has all of them (RFC 4291 §2.5.1, RFC
 * 6177), so a bound for each full address would have no effect.
 */

/** `address` as given by a socket, without the mapping of IPv4 into IPv6. */
export function plainAddress(address: string | undefined): string {
  return address?.replace(/^::ffff:(?=\d+\.)/i, "") ?? "unknown";
}

/** The key under which the callers at `address` share a bound. */
export function callerOf(address: string | undefined): string {
  const plain = plainAddress(address);
  if (!plain.includes(":")) return plain;
  const [before = "", after] = (plain.split("%", 1)[0] as string).toLowerCase().split("::");
  const head = before === "" ? [] : before.split(":");
  const tail = after === undefined || after === "" ? [] : after.split(":");
  const groups = [...head, ...Array<string>(Math.max(0, 8 - head.length - tail.length)).fill("0"), ...tail];
  return `${groups
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ""))
    .join(":")}::/64`;
}
