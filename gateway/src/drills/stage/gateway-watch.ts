/**
 * Watches the gateway of a stage from outside, as a monitoring system does: asks for its status
 * several times a second and reads its feed of events, over restarts and pauses of the gateway. An
 * event gets the instant of its arrival on the machine's monotonic clock, because the gateway's own
 * clock may be what a drill distorts.
 */
import type { Clock } from "ground-station-failover";
import { type EventView, GatewayView } from "../../adapters/control/gateway-view.ts";
import type { FeedEvent } from "./detections.ts";
import type { StatusSample } from "./observations.ts";

export interface GatewayWatchOptions {
  /** Base address of the control listener; not through a proxy that a drill may hurt. */
  readonly control: string;
  readonly group: string;
  readonly clock: Clock;
  readonly machineNowMs: () => number;
  /** Counts the gateway's processes so far. */
  readonly life: () => number;
  readonly onStatus: (sample: StatusSample) => void;
  readonly onEvent: (event: FeedEvent, atMs: number) => void;
}

/** A gateway that has not said its status for this long, in ms, is away. */
const AWAY_AFTER_MS = 1_000;
const ASK_EVERY_MS = 200;
const RECONNECT_AFTER_MS = 100;

export class GatewayWatch implements AsyncDisposable {
  readonly #options: GatewayWatchOptions;
  readonly #view: GatewayView;
  readonly #ended: AbortController = new AbortController();
  #lastEvent: string | undefined;
  /** When the gateway last said its status; undefined before that, and once it was found away. */
  #saidMs: number | undefined;

  constructor(options: GatewayWatchOptions) {
    this.#options = options;
    this.#view = new GatewayView(options.control, options.group);
    this.#run(() => this.#ask(), ASK_EVERY_MS);
    this.#run(() => this.#listen(), RECONNECT_AFTER_MS);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort();
    await this.#view[Symbol.asyncDispose]();
  }

  /** Repeats `work` with a pause of `pauseMs` until the watch ends; a failure is tried again. */
  async #run(work: () => Promise<void>, pauseMs: number): Promise<void> {
    const { clock } = this.#options;
    const { signal } = this.#ended;
    while (!signal.aborted) {
      await work().catch(() => undefined);
      await clock.sleepUntil(clock.nowMs() + pauseMs, signal).catch(() => undefined);
    }
  }

  async #ask(): Promise<void> {
    const { machineNowMs, life, onStatus } = this.#options;
    const status = await this.#view.status().catch((error: unknown) => {
      this.#noteAway();
      throw error;
    });
    this.#saidMs = machineNowMs();
    const { active, epoch, waiting, stations, attempts } = status;
    const { first, ...others } = attempts;
    onStatus({
      ...{ atMs: machineNowMs(), active, epoch, waiting, first, life: life() },
      eligible: stations.filter(({ assessment }) => assessment.eligible).map(({ name }) => name),
      extra: Object.values(others).reduce((sum, count) => sum + count, 0),
    });
  }

  #noteAway(): void {
    const { machineNowMs, onEvent } = this.#options;
    const silentMs = machineNowMs() - (this.#saidMs ?? Number.POSITIVE_INFINITY);
    if (silentMs < AWAY_AFTER_MS) return;
    this.#saidMs = undefined;
    const sentence = `the gateway has not said its status for ${Math.round(silentMs)} ms`;
    onEvent({ type: "gateway-away", sentence }, machineNowMs());
  }

  /** Resolves when the stream of events has ended. */
  async #listen(): Promise<void> {
    const ended = Promise.withResolvers<void>();
    const { machineNowMs, onEvent } = this.#options;
    const listener = (event: EventView): void => {
      this.#lastEvent = event.id;
      onEvent(event, machineNowMs());
    };
    await this.#view.listen(listener, { after: this.#lastEvent, onEnd: ended.resolve });
    await ended.promise;
  }
}
