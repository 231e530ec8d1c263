/**
 * The series that says when certificates end: one for each holder, the earliest end counts. An
 * alert on it needs no knowledge of how certificates are renewed.
 */
import { Gauge, type Registry } from "prom-client";
import type { UsedCertificate } from "../tls/expiry-watch.ts";

export class CertificateGauge {
  readonly #ends: Gauge<"holder">;

  constructor(registers: Registry[]) {
    this.#ends = new Gauge({
      name: "gsf_certificate_expiry_timestamp_seconds",
      help: "When the first certificate of a holder ends: the control listener, a group's listener, or what a station is shown.",
      labelNames: ["holder"],
      registers,
    });
  }

  read(used: readonly UsedCertificate[]): void {
    this.#ends.reset();
    const ends = new Map<string, number>();
    for (const { holder, facts } of used)
      ends.set(holder, Math.min(ends.get(holder) ?? Number.POSITIVE_INFINITY, facts.validToMs));
    for (const [holder, endMs] of ends) this.#ends.set({ holder }, endMs / 1_000);
  }
}
