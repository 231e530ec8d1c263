/**
 * A stage as a process: starts the system under test when its parent says so, answers what its
 * parent asks, and kills every process of the system when it ends, for whatever reason: an order, a
 * signal, an error of its own, or the death of its parent.
 */
import { rmSync } from "node:fs";
import { systemClock } from "ground-station-failover";
import type { JsonObject } from "../experiment/experiment.ts";
import { keepCompiled } from "./compile-cache.ts";
import type { Asked, StageMeasured } from "./measured.ts";
import type { StageSettings } from "./settings.ts";
import { StageSystem } from "./stage-system.ts";

export interface SystemProcessOptions {
  readonly settings: StageSettings;
  readonly seed: number;
  /** Removed at the end. */
  readonly directory: string;
}

/** Messages to this process. */
export type SystemOrder =
  | { readonly type: "open"; readonly options: SystemProcessOptions }
  | { readonly type: "measure"; readonly id: number; readonly asked: Asked };

/** Messages from this process. */
export type SystemReport =
  | { readonly type: "told"; readonly line: string }
  | { readonly type: "open"; readonly values: JsonObject }
  | { readonly type: "failed"; readonly message: string }
  | { readonly type: "measured"; readonly id: number; readonly measured: StageMeasured };

export function runSystemProcess(): void {
  if (process.send === undefined) throw new Error("a stage is started by a drill, not by a person");
  const stop = new AbortController();
  let system: StageSystem | undefined;
  let directory: string | undefined;
  let ending: Promise<void> | undefined;
  const end = (): Promise<void> => {
    stop.abort();
    ending ??= (system?.end() ?? Promise.resolve())
      .catch(() => undefined)
      .then(() => {
        if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
        process.exit(0);
      });
    return ending;
  };
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, end);
  process.once("disconnect", end);
  process.on("uncaughtException", (error) => {
    report({ type: "failed", message: error.stack ?? error.message });
    end();
  });
  process.on("message", (order: SystemOrder) => {
    if (order.type === "measure") {
      if (system === undefined) return;
      return report({ type: "measured", id: order.id, measured: system.measure(order.asked) });
    }
    if (system !== undefined || ending !== undefined) return;
    directory = order.options.directory;
    system = new StageSystem({
      ...order.options,
      ...{ clock: systemClock, signal: stop.signal, tell: (line) => report({ type: "told", line }) },
    });
    system.open().then(
      (values) => {
        report({ type: "open", values });
        keepCompiled();
      },
      (error: Error) => {
        if (!stop.signal.aborted) report({ type: "failed", message: error.message });
      },
    );
  });
  // The parent ended while this process was loading.
  if (!process.connected) end();
}

function report(message: SystemReport): void {
  if (process.connected) process.send?.(message, () => undefined);
}
