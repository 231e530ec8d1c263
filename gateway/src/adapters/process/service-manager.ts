/**
 * Tells systemd about this process (sd_notify(3)): that it is ready, reads its configuration again,
 * or stops, and that its event loop still turns (the watchdog). systemd listens on a datagram
 * socket of the Unix domain, which Node does not have; so systemd's own `systemd-notify` sends the
 * message. It is a child of this process, which is why the unit needs `NotifyAccess=all`. Without
 * NOTIFY_SOCKET nothing is done at all.
 *
 * A message that cannot be sent is logged once; the gateway serves on.
 */
import { execFile } from "node:child_process";
import type { Log } from "../telemetry/log.ts";

const SEND_WITHIN_MS = 5_000;
/** The watchdog is told twice within its time, and once more to spare. */
const WATCHDOG_SHARE = 1 / 3;

export class ServiceManager {
  readonly #log: Log;
  readonly #isThere: boolean;
  readonly #watchdogMs: number | undefined;
  #hasFailed = false;
  /** Messages arrive in their order: each is sent after the one before. */
  #last: Promise<void> = Promise.resolve();

  constructor(environment: Readonly<Record<string, string | undefined>>, log: Log) {
    const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: microseconds, WATCHDOG_PID: forPid } = environment;
    this.#log = log;
    this.#isThere = socket !== undefined && socket !== "";
    const isOurs = forPid === undefined || forPid === String(process.pid);
    const watchdogMs = Number(microseconds) / 1_000;
    this.#watchdogMs = this.#isThere && isOurs && watchdogMs > 0 ? watchdogMs : undefined;
  }

  /** All listeners are open. From now on the watchdog is told that this process lives. */
  ready(): void {
    this.#tell("READY=1");
    if (this.#watchdogMs === undefined) return;
    setInterval(() => this.#tell("WATCHDOG=1"), this.#watchdogMs * WATCHDOG_SHARE).unref();
  }

  /** Says that the configuration is read again while `reload` does so. */
  async reloading(reload: () => Promise<unknown>): Promise<void> {
    // With `Type=notify-reload`, systemd ignores messages that are older than its request.
    const microseconds = process.hrtime.bigint() / 1_000n;
    this.#tell("RELOADING=1", `MONOTONIC_USEC=${microseconds}`);
    try {
      await reload();
    } finally {
      this.#tell("READY=1");
    }
  }

  /** This process stops; the watchdog is still told, because a drain may take long. */
  stopping(): void {
    this.#tell("STOPPING=1");
  }

  #tell(...message: readonly string[]): void {
    if (!this.#isThere) return;
    this.#last = this.#last.then(() => this.#send(message));
  }

  #send(message: readonly string[]): Promise<void> {
    return new Promise((resolve) => {
      execFile("systemd-notify", [`--pid=${process.pid}`, ...message], { timeout: SEND_WITHIN_MS }, (error) => {
        if (error !== null && !this.#hasFailed) {
          this.#hasFailed = true;
          this.#log.warn({ err: error }, "systemd cannot be told about this process: is systemd-notify installed?");
        }
        resolve();
      });
    });
  }
}
