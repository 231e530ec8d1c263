/** The Prometheus series of asynchronous commands, read from the queues on each request. */
import { Counter, Gauge, type Registry } from "prom-client";
import type { AsyncStatus } from "../../fleet/async/command-queue.ts";

export class AsyncSeries {
  readonly #queued: Gauge<"group" | "priority">;
  readonly #running: Gauge<"group">;
  readonly #oldest: Gauge<"group">;
  readonly #results: Gauge<"group">;
  readonly #bytes: Gauge<"group">;
  readonly #accepted: Counter<"group">;
  readonly #refused: Counter<"group">;
  readonly #ended: Counter<"group" | "state">;

  constructor(registers: Registry[]) {
    const gauge = <Label extends string>(name: string, help: string, ...labelNames: Label[]): Gauge<Label> =>
      new Gauge({ name: `gsf_async_${name}`, help, labelNames, registers });
    const counter = <Label extends string>(name: string, help: string, ...labelNames: Label[]): Counter<Label> =>
      new Counter({ name: `gsf_async_${name}_total`, help, labelNames, registers });
    this.#queued = gauge("queued", "Asynchronous commands that wait, by priority.", "group", "priority");
    this.#running = gauge("running", "Asynchronous commands that are on their way.", "group");
    this.#oldest = gauge("oldest_seconds", "Age of the oldest asynchronous command that has not ended.", "group");
    this.#results = gauge("results", "Results of asynchronous commands that are kept.", "group");
    this.#bytes = gauge("bytes", "Bytes of their requests and results.", "group");
    this.#accepted = counter("accepted", "Asynchronous commands that were accepted.", "group");
    this.#refused = counter("refused", "Asynchronous commands that were refused for want of room or store.", "group");
    this.#ended = counter(
      "ended",
      "Asynchronous commands by how they ended: done, expired, cancelled or failed.",
      "group",
      "state",
    );
  }

  /** Takes away the counts of the last request. */
  reset(): void {
    for (const counter of [this.#accepted, this.#refused, this.#ended]) counter.reset();
  }

  read(group: string, status: AsyncStatus): void {
    for (const [priority, count] of Object.entries(status.queued)) this.#queued.set({ group, priority }, count);
    this.#running.set({ group }, status.running);
    this.#oldest.set({ group }, (status.oldestAgeMs ?? 0) / 1_000);
    this.#results.set({ group }, status.kept);
    this.#bytes.set({ group }, status.bytes);
    this.#accepted.inc({ group }, status.accepted);
    this.#refused.inc({ group }, status.refused);
    for (const [state, count] of Object.entries(status.ended)) this.#ended.inc({ group, state }, count);
  }
}
