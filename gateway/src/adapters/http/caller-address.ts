/**
 * Callers by their address, for shares and bounds. Of an IPv6 address the first 64 bits count:
 * whoever has one address of such a network has all of them (RFC 4291 §2.5.1, RFC 6177), so that a
 * bound for each address would bind nobody.
 */

/** `address` as a socket tells it, without the mapping of IPv4 into IPv6. */
export function plainAddress(address: string | undefined): string {
  return address?.replace(/^::ffff:(?=\d+\.)/i, "") ?? "unknown";
}

/** The name under which the callers at `address` share what is bounded. */
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
