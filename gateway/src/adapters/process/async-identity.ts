/**
 * What asynchronous commands need of the machine: the time of day, ids that cannot be guessed
 * (128 bits), and a digest that tells one request from another.
 */
import { createHash, randomBytes } from "node:crypto";
import type { AsyncParts } from "../../fleet/async/async-commands.ts";

export function asyncIdentity(): AsyncParts {
  return {
    wallNowMs: () => Date.now(),
    newId: () => randomBytes(16).toString("base64url"),
    digestOf(parts) {
      const hash = createHash("sha256");
      // With its length, so that what belongs to one part cannot be taken for another.
      for (const part of parts) hash.update(`${Buffer.byteLength(part)}:`).update(part);
      return hash.digest("base64url");
    },
  };
}
