/**
 * The exit codes, for shells and service supervisors: one number for each kind of ending, the same
 * in every subcommand. A {@link UserError} is an error that its reader can correct: the program
 * prints its sentence and no stack trace. 70 is BSD's EX_SOFTWARE (sysexits.h); 128 plus the number
 * of the signal is the convention of shells.
 */
import { visible } from "../telemetry/visible.ts";

const ENDINGS = {
  ok: { code: 0, meaning: "done; or stopped as asked, with all work in flight finished" },
  promiseBroken: { code: 1, meaning: "what was asked for did not come true, such as a refused order" },
  usage: { code: 2, meaning: "unknown subcommand, option or value; no access; a Node that is too old" },
  configuration: {
    code: 3,
    meaning: "the configuration file cannot be read or is not valid, or the gateway's state cannot be used",
  },
  cannotListen: { code: 4, meaning: "an address or port cannot be had" },
  unreachable: { code: 5, meaning: "no gateway answers at the control listener" },
  internal: { code: 70, meaning: "a fault of gsf itself; please report it" },
  interrupted: { code: 130, meaning: "stopped at once by a second SIGINT" },
  terminated: { code: 143, meaning: "stopped at once by a second SIGTERM" },
} as const;

export type ExitName = keyof typeof ENDINGS;

export const EXIT: Readonly<Record<ExitName, number>> = {
  ok: ENDINGS.ok.code,
  promiseBroken: ENDINGS.promiseBroken.code,
  usage: ENDINGS.usage.code,
  configuration: ENDINGS.configuration.code,
  cannotListen: ENDINGS.cannotListen.code,
  unreachable: ENDINGS.unreachable.code,
  internal: ENDINGS.internal.code,
  interrupted: ENDINGS.interrupted.code,
  terminated: ENDINGS.terminated.code,
};

/** The codes with their meaning, for help, manual and documentation. */
export const EXIT_TABLE: ReadonlyArray<{ readonly code: number; readonly meaning: string }> = Object.values(ENDINGS);

/** An error that its reader can correct. `ending`: how the program ends because of it. */
export class UserError extends Error {
  readonly ending: ExitName;

  constructor(ending: ExitName, message: string) {
    super(message);
    this.name = "UserError";
    this.ending = ending;
  }

  /** The message for a terminal: one line, without control characters. */
  get shown(): string {
    return visible(this.message);
  }
}
