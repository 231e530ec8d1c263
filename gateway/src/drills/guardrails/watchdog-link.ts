/**
 * The runner's end of the channel to its watchdog. A drill without its watchdog is not run: if the
 * watchdog ends, or says nothing for some seconds (it may be stopped), the runner is told so and
 * lifts the faults itself.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Clock } from "ground-station-failover";
import {
  ALIVE_EVERY_MS,
  type FromWatchdog,
  type ToWatchdog,
  WATCHDOG_COMMAND,
  type WatchOrder,
} from "./watchdog-messages.ts";

/** The command line, from this file's place in a checkout and in a package alike. */
const PROGRAM = fileURLToPath(new URL("../../../bin/gsf.js", import.meta.url));
/** Most ms until a watchdog watches, on a machine that is busy. */
const READY_WITHIN_MS = 20_000;
/**
 * Most ms without a sign of life; the runner notices a watchdog that was killed at once. Ten
 * seconds, because a watchdog on a busy machine stood still for five, and its run was lost.
 */
const SILENT_AFTER_MS = 10_000;
/** Most ms until a watchdog that was asked to end has ended. */
const END_WITHIN_MS = 5_000;

type Tripped = Extract<FromWatchdog, { readonly type: "tripped" }>;
type Lifted = Extract<FromWatchdog, { readonly type: "lifted" }>;

export interface WatchdogLinkOptions {
  readonly order: WatchOrder;
  readonly clock: Clock;
  readonly onTripped: (message: Tripped) => void;
  readonly onLifted: (message: Lifted) => void;
  /** Called once if the watchdog is lost before `end`. */
  readonly onLost: (observed: string) => void;
}

export class WatchdogLink {
  readonly #options: WatchdogLinkOptions;
  readonly #child: ChildProcess;
  readonly #armed = new Map<number, (isArmed: boolean) => void>();
  readonly #ready: PromiseWithResolvers<void> = Promise.withResolvers<void>();
  #heardMs: number;
  #check: Disposable | undefined;
  #state: "open" | "lost" | "ending" = "open";

  /** Starts a watchdog; resolves when it watches. Rejects if it cannot. */
  static async start(options: WatchdogLinkOptions): Promise<WatchdogLink> {
    const link = new WatchdogLink(options);
    const timer = options.clock.at(options.clock.nowMs() + READY_WITHIN_MS, () =>
      link.#lose(`it was not ready in ${READY_WITHIN_MS} ms`),
    );
    try {
      await link.#ready.promise;
      return link;
    } finally {
      timer[Symbol.dispose]();
    }
  }

  private constructor(options: WatchdogLinkOptions) {
    this.#options = options;
    this.#heardMs = options.clock.nowMs();
    this.#child = spawn(process.execPath, [PROGRAM, WATCHDOG_COMMAND], {
      detached: true,
      stdio: ["ignore", "ignore", "ignore", "ipc"],
      // A breakpoint or a profile of the runner is not the watchdog's.
      env: { ...process.env, NODE_OPTIONS: "" },
    });
    this.#child.on("message", (message: FromWatchdog) => this.#take(message));
    this.#child.once("error", (error) => this.#lose(`it cannot be started: ${error.message}`));
    this.#child.once("exit", (code, signal) => this.#lose(`it ended with ${code ?? signal}`));
    this.#child.once("disconnect", () => this.#lose("its channel closed"));
    this.#send({ type: "watch", order: options.order });
    this.#watchForSilence();
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Resolves with true when the watchdog has the step, and false if it will not. */
  arm(step: number): Promise<boolean> {
    if (this.#state !== "open") return Promise.resolve(false);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#armed.set(step, resolve);
    this.#send({ type: "arm", step });
    const { clock } = this.#options;
    const timer = clock.at(clock.nowMs() + SILENT_AFTER_MS, () => this.#answer(step, false));
    return promise.finally(() => timer[Symbol.dispose]());
  }

  /**
   * The run is over. If faults are left, the watchdog goes on trying for a while after this process
   * has gone, so it is not waited for.
   */
  async end(isClean: boolean): Promise<void> {
    if (this.#state !== "open") return;
    this.#state = "ending";
    this.#release();
    const ended = new Promise<void>((resolve) => this.#child.once("exit", () => resolve()));
    this.#send({ type: "end" });
    if (!isClean) {
      this.#child.disconnect();
      this.#child.unref();
      return;
    }
    const { clock } = this.#options;
    const timer = clock.at(clock.nowMs() + END_WITHIN_MS, () => this.#child.kill("SIGKILL"));
    await ended;
    timer[Symbol.dispose]();
  }

  #take(message: FromWatchdog): void {
    this.#heardMs = this.#options.clock.nowMs();
    if (message.type === "ready") this.#ready.resolve();
    else if (message.type === "armed") this.#answer(message.step, true);
    else if (message.type === "tripped") {
      for (const step of [...this.#armed.keys()]) this.#answer(step, false);
      this.#options.onTripped(message);
    } else if (message.type === "lifted") this.#options.onLifted(message);
  }

  #answer(step: number, isArmed: boolean): void {
    this.#armed.get(step)?.(isArmed);
    this.#armed.delete(step);
  }

  #lose(observed: string): void {
    if (this.#state !== "open") return;
    this.#state = "lost";
    this.#release();
    // It may be stopped: a later SIGCONT must not bring it back into a run that is over.
    this.#child.kill("SIGKILL");
    this.#ready.reject(new Error(observed));
    // Awaited by `start` only.
    this.#ready.promise.catch(() => undefined);
    this.#options.onLost(observed);
  }

  #release(): void {
    this.#check?.[Symbol.dispose]();
    for (const step of [...this.#armed.keys()]) this.#answer(step, false);
  }

  /** A check that comes late says nothing: this process was stopped, and messages wait unread. */
  #watchForSilence(): void {
    const { clock } = this.#options;
    const dueMs = clock.nowMs() + ALIVE_EVERY_MS;
    this.#check = clock.at(dueMs, () => {
      const nowMs = clock.nowMs();
      if (nowMs - dueMs > ALIVE_EVERY_MS) this.#heardMs = Math.max(this.#heardMs, nowMs - SILENT_AFTER_MS / 2);
      if (nowMs - this.#heardMs > SILENT_AFTER_MS) this.#lose(`it has said nothing for ${SILENT_AFTER_MS} ms`);
      else if (this.#state === "open") this.#watchForSilence();
    });
  }

  #send(message: ToWatchdog): void {
    // A channel that is closed is told by its event.
    if (this.#child.connected) this.#child.send(message, () => undefined);
  }
}
