/**
 * The digest by which the idempotency ledger knows keys, callers and requests: SHA-256, cut to 144
 * bits, in which nobody can find two requests that are alike. Each part is preceded by its length,
 * so that parts cannot be shifted into each other.
 */
import { createHash } from "node:crypto";

/** 18 bytes in base64url. */
const DIGEST_CHARACTERS = 24;

/** A digest of `parts` and of their limits, in 24 characters. */
export function requestDigest(parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash("sha256");
  let text = "";
  for (const part of parts) {
    text += `${part.length}:`;
    if (typeof part === "string") text += part;
    else {
      hash.update(text).update(part);
      text = "";
    }
  }
  return hash.update(text).digest("base64url").slice(0, DIGEST_CHARACTERS);
}
