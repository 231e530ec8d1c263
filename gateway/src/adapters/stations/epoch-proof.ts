/**
 * Proof that an epoch comes from a gateway: its HMAC under the secret that signs the station's
 * heartbeats, sent with each command. A relay raises the newest epoch that it has seen only on such
 * a proof, because that number decides which commands it refuses. If it believed every client that
 * can reach it, one absurdly high number would be an outage. A proof is valid for one group,
 * station and epoch. It needs no time and no nonce: a replayed proof names either a past epoch or
 * the current one.
 */
import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from "node:crypto";
import type { HeartbeatSecrets } from "../../fleet/settings.ts";

/**
 * Header that carries the proof of the epoch in the epoch header: one proof for each valid secret,
 * separated by commas.
 */
export const EPOCH_PROOF_HEADER = "gsf-epoch-proof";

interface StationName {
  readonly group: string;
  readonly station: string;
}

/** The gateway's side: one proof for each epoch and station, computed when it is first sent. */
export class EpochProofs {
  #secrets: HeartbeatSecrets;
  readonly #newest: Map<string, { readonly epoch: number; readonly proof: string }> = new Map();

  constructor(secrets: HeartbeatSecrets) {
    this.#secrets = secrets;
  }

  /**
   * Uses `secrets` from now on. It proves with every valid secret, because the station may still
   * have the previous one.
   */
  use(secrets: HeartbeatSecrets): void {
    this.#secrets = secrets;
    this.#newest.clear();
  }

  /** Undefined for a station with which the gateway shares no secret. */
  of({ group, station }: StationName, epoch: number): string | undefined {
    const name = `${group}/${station}`;
    const known = this.#newest.get(name);
    if (known?.epoch === epoch) return known.proof;
    const secrets = this.#secrets.own.get(name) ?? this.#secrets.shared;
    if (secrets.length === 0) return undefined;
    const proof = secrets.map((secret) =>
      mac(createSecretKey(secret), { group, station }, epoch).toString("base64url"),
    );
    const all = proof.join(",");
    this.#newest.set(name, { epoch, proof: all });
    return all;
  }
}

/** The station's side. */
export class EpochVerifier {
  readonly #at: StationName;
  #keys: readonly KeyObject[] = [];

  constructor(at: StationName, secrets: readonly Uint8Array[]) {
    this.#at = at;
    this.use(secrets);
  }

  /** From now on accepts proofs under any of `secrets`. */
  use(secrets: readonly Uint8Array[]): void {
    this.#keys = secrets.map((secret) => createSecretKey(secret));
  }

  /** True if `proof`, as received, proves `epoch`. */
  isProven(epoch: number, proof: string | undefined): boolean {
    if (proof === undefined || proof.length > MAX_PROOF_CHARACTERS) return false;
    const given = proof.split(",").map((text) => Buffer.from(text.trim(), "base64url"));
    return this.#keys.some((key) => {
      const right = mac(key, this.#at, epoch);
      return given.some((one) => one.length === right.length && timingSafeEqual(one, right));
    });
  }
}

/** Eight proofs of 43 characters with their separators: twice as many as a gateway sends. */
const MAX_PROOF_CHARACTERS = 8 * 45;

/**
 * Written as JSON, so that no two triples have the same text. A heartbeat datagram, signed with the
 * same secret, begins differently.
 */
function mac(key: KeyObject, { group, station }: StationName, epoch: number): Buffer {
  return createHmac("sha256", key)
    .update(JSON.stringify(["gsf-epoch", group, station, epoch]))
    .digest();
}
