/**
 * The digest by which the idempotency ledger knows keys, callers and requests: SHA-256, cut to 144
 * bits, in which nobody can find two requests that are alike. Each part is preceded by its length,
 * so that parts cannot be shifted into each other.
 */
import { hash } from "node:crypto";

/** 18 bytes in base64url. */
const DIGEST_CHARACTERS = 24;

/** A digest of `parts` and of their limits, in 24 characters. */
export function requestDigest(parts: readonly (string | Uint8Array)[]): string {
  const pieces: Uint8Array[] = [];
  let text = "";
  for (const part of parts) {
    text += `${part.length}:`;
    if (typeof part === "string") text += part;
    else {
      pieces.push(Buffer.from(text), part);
      text = "";
    }
  }
  // In one call: an object for each digest costs more than the digest of a short request.
  const whole = pieces.length === 0 ? text : Buffer.concat([...pieces, Buffer.from(text)]);
  return hash("sha256", whole, "base64url").slice(0, DIGEST_CHARACTERS);
}
