/**
 * What a simulated network carries: text, bytes, or any object, passed without a copy (do not
 * change it after sending). The trace shows and hashes each message by a label, made once: text by
 * its beginning, bytes by length and hash, an object by its own `label` or as JSON. Corruption
 * changes text and bytes. An object cannot be partly wrong, so its transport's checksum detects the
 * corruption, and it is dropped.
 */
import { ConfigurationError } from "../../core/errors.ts";
import { isBytes } from "../kernel/bytes.ts";

/**
 * The content of a message. If an object has a `label: string`, the trace shows it by that label.
 * If it has a `byteLength: number`, that is its size.
 */
export type Payload = string | Uint8Array | object;

/**
 * Longer labels are cut; two messages that differ only behind this look the same in trace and hash.
 */
const LABEL_CHARACTERS = 80;
/** IP and UDP headers: the weight of an empty message. */
const HEADER_BYTES = 28;

/** How `payload` is shown and hashed. */
export function labelOf(payload: Payload): string {
  if (typeof payload === "string") {
    return payload.length <= LABEL_CHARACTERS ? payload : payload.slice(0, LABEL_CHARACTERS);
  }
  if (isBytes(payload)) return `${payload.length} bytes #${hashOf(payload)}`;
  if (typeof payload !== "object" || payload === null) {
    const got = payload === null ? "null" : typeof payload;
    throw new ConfigurationError(
      "out-of-range",
      `send: the payload is ${got}; it must be a string, bytes or an object.`,
    );
  }
  const label = (payload as { readonly label?: unknown }).label;
  return (typeof label === "string" ? label : JSON.stringify(payload)).slice(0, LABEL_CHARACTERS);
}

/**
 * The weight of `payload` on the wire: text by its characters, an object by its `byteLength`, or by
 * its label if it has none.
 */
export function weightBytes(payload: Payload, label: string): number {
  if (typeof payload === "string") return HEADER_BYTES + payload.length;
  const byteLength = (payload as { readonly byteLength?: unknown }).byteLength;
  return HEADER_BYTES + (typeof byteLength === "number" && byteLength >= 0 ? byteLength : label.length);
}

/**
 * `payload` with one bit or character changed, at a place chosen by `share` in [0, 1); undefined if
 * the change is detected.
 */
export function corrupted(payload: Payload, share: number): Payload | undefined {
  if (typeof payload === "string" && payload.length > 0) {
    const place = Math.floor(share * payload.length);
    const changed = String.fromCharCode(payload.charCodeAt(place) ^ 1);
    return payload.slice(0, place) + changed + payload.slice(place + 1);
  }
  if (isBytes(payload) && payload.length > 0) {
    const place = Math.floor(share * payload.length * 8);
    const changed = Uint8Array.from(payload);
    changed[place >> 3] = (changed[place >> 3] as number) ^ (1 << (place & 7));
    return changed;
  }
  return undefined;
}

/** FNV-1a, 32 bits, as hex. */
function hashOf(bytes: Uint8Array): string {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 16777619);
  return (hash >>> 0).toString(16).padStart(8, "0");
}
