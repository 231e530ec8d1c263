/**
 * What counts as bytes in a world: a `Uint8Array` of any realm. Under Jest a test's `Uint8Array` is
 * not the one that `Buffer` extends, so `instanceof` would refuse every buffer there.
 */

/** Whether `value` is a `Uint8Array` or a `Buffer`. */
export function isBytes(value: unknown): value is Uint8Array {
  return ArrayBuffer.isView(value) && (value as Partial<Uint8Array>)[Symbol.toStringTag] === "Uint8Array";
}
