/**
 * Warns before a certificate's time is over: 14, 7, 3 and 1 days before, and once it is over. Each
 * step is told once for each certificate; a renewed one is another certificate. Expiry is the one
 * outage that is known weeks before.
 */
import type { CertificateFacts } from "./certificates.ts";

const DAY_MS = 86_400_000;
const STEPS_DAYS: readonly number[] = [0, 1, 3, 7, 14];
/** How often to look, in ms. */
export const LOOK_EVERY_MS: number = 3_600_000;

/** A certificate in use. */
export interface UsedCertificate {
  /** `control`, a group, or `group/station` for what a station is shown. */
  readonly holder: string;
  readonly facts: CertificateFacts;
}

/** The certificate of `holder` ends soon, or has ended. */
export interface Expiring extends UsedCertificate {
  readonly leftMs: number;
}

export class ExpiryWatch {
  readonly #told: Map<string, number> = new Map();

  /** What is to be told now; `nowMs` is in milliseconds since 1970. */
  look(used: readonly UsedCertificate[], nowMs: number): Expiring[] {
    const due: Expiring[] = [];
    const seen = new Set<string>();
    for (const { holder, facts } of used) {
      const leftMs = facts.validToMs - nowMs;
      const step = STEPS_DAYS.find((days) => leftMs <= days * DAY_MS);
      const key = JSON.stringify([holder, facts.subject, facts.validToMs]);
      seen.add(key);
      if (step === undefined || (this.#told.get(key) ?? Number.POSITIVE_INFINITY) <= step) continue;
      this.#told.set(key, step);
      due.push({ holder, facts, leftMs });
    }
    for (const key of this.#told.keys()) if (!seen.has(key)) this.#told.delete(key);
    return due;
  }
}
