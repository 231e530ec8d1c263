/**
 * A digest for the idempotency ledger of a simulated gateway: two different 32-bit FNV-1a hashes
 * over the parts and their lengths. No caller of a world looks for collisions on purpose, and by
 * chance there is none among the few thousand keys of a run.
 */
export function simDigest(parts: readonly (string | Uint8Array)[]): string {
  let [one, other] = [0x811c9dc5, 0x9747b28c];
  const add = (value: number): void => {
    one = Math.imul(one ^ value, 16777619);
    other = Math.imul(other ^ (value + 0x5b), 0x01000197);
  };
  for (const part of parts) {
    add(part.length);
    for (let at = 0; at < part.length; at++) add(typeof part === "string" ? part.charCodeAt(at) : (part[at] as number));
  }
  return `${(one >>> 0).toString(36)}-${(other >>> 0).toString(36)}`;
}
