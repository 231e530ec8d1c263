/**
 * What ends a process that serves, and what does not. SIGTERM and SIGINT ask it to stop, the second
 * one at once; so does the end of who started it: a parent that holds a channel to us, `npx`, or
 * the terminal. No other signal that somebody sends by habit ends it or opens anything: a running
 * service is not what to guess with.
 */
import { isatty } from "node:tty";
import type { Log } from "../telemetry/log.ts";
import { EXIT } from "./exit-codes.ts";

const STOPS = ["SIGTERM", "SIGINT"] as const;

/**
 * Who asks it to stop: a supervisor (SIGTERM), a person at a terminal, or the end of who started
 * it.
 */
export type StopAsker = "supervisor" | "person" | "parent";
/**
 * What Node does with them: SIGHUP and SIGUSR2 end the process at once, SIGUSR1 opens its inspector
 * to this machine.
 */
const IGNORED = { SIGHUP: "restart it to change its configuration", SIGUSR1: "", SIGUSR2: "" } as const;
/** How often it is looked whether `npx` is still there, in ms. */
const PARENT_CHECK_MS = 250;

/** How a process began, before there was anybody to obey signals. */
export interface Begun {
  /** Those that came; more may be added. */
  readonly signals: readonly string[];
  /** Asked at once: a terminal that is gone is none any more. */
  readonly hasTerminal: boolean;
}

let begun: Begun | undefined;

/** `stopAsked` obeys what came before it was called. */
export function obeyLater(before: Begun): void {
  begun = before;
}

/** Resolves when this process is asked to stop. A second signal ends it there and then. */
export function stopAsked(log: Log): Promise<StopAsker> {
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
      // The terminal from which it was started is gone.
      if (signal === "SIGHUP" && hasTerminal) resolve("person");
      else log.warn({ signal }, `${signal} is ignored${remedy === "" ? "" : `: ${remedy}`}`);
    };
    process.on(signal, obey);
    if (held.includes(signal)) obey();
  }
  if (process.send !== undefined) process.once("disconnect", () => resolve("parent"));
  if (process.env["npm_command"] === "exec") followParent(() => resolve("parent"));
  return promise;
}

/**
 * `npx` passes no signal on: ended by one, it leaves what it has started, which would hold its
 * ports for good.
 */
function followParent(stop: () => void): void {
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    stop();
  }, PARENT_CHECK_MS).unref();
}
