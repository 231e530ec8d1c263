/**
 * When a serving process ends. SIGTERM and SIGINT ask it to stop; the second signal ends it at
 * once. It is also asked to stop when its parent ends: a parent that holds a channel to it, `npx`,
 * or the terminal. Other signals that people commonly send neither end it nor open anything,
 * because they may be sent by mistake to a running service.
 */
import { closeSync, openSync } from "node:fs";
import { isatty } from "node:tty";
import type { Log } from "../telemetry/log.ts";
import { EXIT } from "./exit-codes.ts";

const STOPS = ["SIGTERM", "SIGINT"] as const;

/**
 * The source of the request to stop: a supervisor (SIGTERM), a person at a terminal, or the end of
 * the parent.
 */
export type StopAsker = "supervisor" | "person" | "parent";
/**
 * By default, SIGHUP and SIGUSR2 end a Node process at once, and SIGUSR1 opens its inspector to
 * this machine.
 */
const IGNORED = { SIGHUP: "restart it to change its configuration", SIGUSR1: "", SIGUSR2: "" } as const;
/** How often the process checks that `npx` still exists, in ms. */
const PARENT_CHECK_MS = 250;

/** What happened while the process started, before it handled signals. */
export interface Begun {
  /** Signals received so far; more may be added. */
  readonly signals: readonly string[];
  /** Determined at once, because a terminal that is gone can no longer be recognized. */
  readonly hasTerminal: boolean;
}

let begun: Begun | undefined;

/** Makes `stopAsked` also handle the signals that came before it was called. */
export function obeyLater(before: Begun): void {
  begun = before;
}

/** The signals that came while the program was loading, for a command that obeys them itself. */
export function heldSignals(): readonly string[] {
  return begun?.signals ?? [];
}

/**
 * Resolves when this process is asked to stop. A second signal ends it at once. `onReload`: called
 * for a SIGHUP; default: it is ignored. If the terminal of the process is gone, SIGHUP means that.
 */
export function stopAsked(log: Log, onReload?: () => void): Promise<StopAsker> {
  const { promise, resolve } = Promise.withResolvers<StopAsker>();
  let asked = 0;
  for (const signal of STOPS) {
    process.on(signal, () => {
      if (++asked > 1) {
        log.warn({ signal }, "stopping at once: commands in flight are cut");
        process.exit(signal === "SIGTERM" ? EXIT.terminated : EXIT.interrupted);
      }
      resolve(signal === "SIGTERM" ? "supervisor" : "person");
    });
  }
  const { signals: held, hasTerminal } = begun ?? { signals: [], hasTerminal: isatty(0) || isatty(2) };
  for (const [signal, remedy] of Object.entries(IGNORED)) {
    const obey = (): void => {
      // The terminal from which the process was started is gone.
      if (signal === "SIGHUP" && hasTerminal && (onReload === undefined || !isTerminalThere())) resolve("person");
      else if (signal === "SIGHUP" && onReload !== undefined) onReload();
      else log.warn({ signal }, `${signal} is ignored${remedy === "" ? "" : `: ${remedy}`}`);
    };
    process.on(signal, obey);
    if (held.includes(signal)) obey();
  }
  if (process.send !== undefined) {
    process.once("disconnect", () => resolve("parent"));
    // To listen would keep the process running after it has stopped serving.
    process.channel?.unref();
    // The parent ended while this process was loading: that event was before the line above.
    if (!process.connected) resolve("parent");
  }
  if (process.env["npm_command"] === "exec") followParent(() => resolve("parent"));
  return promise;
}

/**
 * `npx` passes no signal on. If a signal ends `npx`, its child would continue and keep its ports.
 */
function followParent(stop: () => void): void {
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    stop();
  }, PARENT_CHECK_MS).unref();
}

/**
 * Is the terminal of this process still there? A hang-up takes it away before its signal comes. If
 * it is there, somebody has sent the signal on purpose.
 */
function isTerminalThere(): boolean {
  try {
    closeSync(openSync("/dev/tty", "r+"));
    return true;
  } catch {
    return false;
  }
}
