/**
 * The Prometheus series of the idempotency ledger. Its figures are kept by the ledger and read on
 * each request for metrics; a group that keeps no answers has no series.
 */
import { Counter, Gauge, type Registry } from "prom-client";
import type { LedgerStatus } from "../../fleet/ledger/ledger-status.ts";

export class LedgerSeries {
  readonly #keys: Gauge<"group">;
  readonly #bytes: Gauge<"group">;
  readonly #inUse: Gauge<"group">;
  readonly #forgotten: Counter<"group">;
  readonly #requests: Counter<"group" | "result">;
  readonly #notKept: Counter<"group" | "reason">;

  constructor(registers: Registry[]) {
    const gauge = (name: string, help: string): Gauge<"group"> =>
      new Gauge({ name: `gsf_idempotency_${name}`, help, labelNames: ["group"], registers });
    const counter = <Label extends string>(name: string, help: string, ...labelNames: Label[]): Counter<Label> =>
      new Counter({ name: `gsf_idempotency_${name}_total`, help, labelNames, registers });
    this.#keys = gauge("keys", "Keys whose answers are kept.");
    this.#bytes = gauge("kept_bytes", "Bytes of the kept answers in the store.");
    this.#inUse = gauge("keys_in_use", "Keys whose first request is on its way.");
    this.#forgotten = counter("forgotten", "Keys forgotten before their time, for lack of room.", "group");
    this.#requests = counter(
      "requests",
      "Requests with a key by what they found: first (passed on), replayed (answered before), waited (for the first one), reused (another request, 422), timedOut (409), unreadable (503).",
      "group",
      "result",
    );
    this.#notKept = counter(
      "not_kept",
      "Answers that were given without being kept: not-final, streamed and too-large by rule; full, busy, failed, closed and slow for the store's sake.",
      "group",
      "reason",
    );
  }

  /** Takes away the counts of the last request. */
  reset(): void {
    for (const counter of [this.#forgotten, this.#requests, this.#notKept]) counter.reset();
  }

  read(group: string, { keys, bytes, inUse, forgottenEarly, used, notKept }: LedgerStatus): void {
    this.#keys.set({ group }, keys);
    this.#bytes.set({ group }, bytes);
    this.#inUse.set({ group }, inUse);
    this.#forgotten.inc({ group }, forgottenEarly);
    for (const [result, count] of Object.entries(used)) this.#requests.inc({ group, result }, count);
    for (const [reason, count] of Object.entries(notKept)) this.#notKept.inc({ group, reason }, count);
  }
}
