/**
 * The exit codes, for shells and service supervisors: one number for each kind of ending, the same
 * in every subcommand. A {@link UserError} is an error that its reader can correct: the program
 * prints its sentence and no stack trace. 70 is BSD's EX_SOFTWARE (sysexits.h); 128 plus the number
 * of the signal is the convention of shells.
 */
import { visible } from "../telemetry/visible.ts";

export const EXIT: Readonly<Record<ExitName, number>> = {
  /** The command is done, or it was asked to stop and all work in flight has finished. */
  ok: 0,
  /** The request was not fulfilled: a demo broke its promise, or a switchover was refused. */
  promiseBroken: 1,
  /** Unknown subcommand, option or value; or a Node version that is too old. */
  usage: 2,
  /** The configuration file cannot be read, or it is not valid. */
  configuration: 3,
  /** The process cannot listen on an address or port. */
  cannotListen: 4,
  /** The gateway's control listener did not answer. */
  unreachable: 5,
  /** A bug in this program. */
  internal: 70,
  /** Stopped at once by a second SIGINT. */
  interrupted: 130,
  /** Stopped at once by a second SIGTERM. */
  terminated: 143,
};

export type ExitName =
  | "ok"
  | "promiseBroken"
  | "usage"
  | "configuration"
  | "cannotListen"
  | "unreachable"
  | "internal"
  | "interrupted"
  | "terminated";

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
