/** The Prometheus series of the durable state. A gateway that keeps none has none of them. */
import { Gauge, type Registry } from "prom-client";
import type { RecordStoreStatus } from "../../fleet/record-store.ts";

const STATES = ["open", "full", "failed"] as const;

export class StateGauges {
  readonly #state: Gauge<"state">;
  readonly #bytes: Gauge;
  readonly #maxBytes: Gauge;
  readonly #pendingBytes: Gauge;
  readonly #lastCommit: Gauge;
  readonly #damaged: Gauge;

  constructor(registers: Registry[]) {
    const gauge = (name: string, help: string): Gauge => new Gauge({ name: `gsf_state_${name}`, help, registers });
    this.#state = new Gauge({
      name: "gsf_state",
      help: "1 for the state of the record store; full: there is no room; failed: nothing is stored until a restart.",
      labelNames: ["state"],
      registers,
    });
    this.#bytes = gauge("bytes", "Bytes that records take on the disk.");
    this.#maxBytes = gauge("max_bytes", "Most bytes that records may take (state.maxSize).");
    this.#pendingBytes = gauge("pending_bytes", "Bytes of commits that wait for the disk.");
    this.#lastCommit = gauge("last_commit_seconds", "How long the latest commit took until it was durable.");
    this.#damaged = gauge("damaged_records", "Records found damaged since the start, and set aside.");
  }

  read({ state, bytes, maxBytes, pendingBytes, lastCommitMs, damagedRecords }: RecordStoreStatus): void {
    for (const one of STATES) this.#state.set({ state: one }, one === state ? 1 : 0);
    this.#bytes.set(bytes);
    this.#maxBytes.set(maxBytes);
    this.#pendingBytes.set(pendingBytes);
    if (lastCommitMs !== undefined) this.#lastCommit.set(lastCommitMs / 1_000);
    this.#damaged.set(damagedRecords);
  }
}
