/**
 * What a runner and its watchdog tell each other, over the channel that Node opens between a
 * process and its child. The channel closes when either dies, whatever it dies of.
 */
import type { ContactPass } from "./protected-passes.ts";
import type { IncidentSource } from "./settings.ts";
import type { SignalSource } from "./signal-source.ts";

/** What a watchdog watches. */
export interface WatchOrder {
  readonly store: string;
  readonly runId: string;
  /** Stop conditions, as written. */
  readonly stop: readonly string[];
  readonly signals: Readonly<Record<string, SignalSource>>;
  readonly blindAfterMs: number;
  readonly incident: IncidentSource | undefined;
  readonly protectedPasses: readonly ContactPass[];
  readonly passMarginMs: number;
  readonly maxDurationMs: number;
}

export type ToWatchdog =
  | { readonly type: "watch"; readonly order: WatchOrder }
  /** A step is in the journal; it is put in force once the watchdog has answered. */
  | { readonly type: "arm"; readonly step: number }
  /** The run is over. Faults that are still in the journal are lifted. */
  | { readonly type: "end" };

export type FromWatchdog =
  | { readonly type: "ready" }
  | { readonly type: "alive" }
  | { readonly type: "armed"; readonly step: number }
  /** `seenAgoMs`: how long ago the rule was seen broken. */
  | {
      readonly type: "tripped";
      readonly rule: string;
      readonly observed: string;
      readonly at: string;
      readonly seenAgoMs: number;
    }
  /** All faults are lifted, or what could not be. */
  | { readonly type: "lifted"; readonly abortLatencyMs: number; readonly failed: readonly string[] };

/** How often a watchdog says that it lives, in ms. */
export const ALIVE_EVERY_MS = 500;

/** Name of the hidden command that the watchdog is started with. */
export const WATCHDOG_COMMAND = "chaos-watchdog";
