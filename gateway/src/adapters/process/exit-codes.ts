/**
 * How the program ends, told to shells and service supervisors: one number for each kind of ending,
 * the same in every subcommand. A {@link UserError} is an ending that its reader can do something
 * about: its sentence is the whole story, and no stack is shown for it. 70 is BSD's EX_SOFTWARE
 * (sysexits.h); 128 plus the signal's number is the shell's custom.
 */
import { visible } from "../telemetry/visible.ts";

export const EXIT: Readonly<Record<ExitName, number>> = {
  /** Done, or stopped as asked with everything in flight finished. */
  ok: 0,
  /**
   * What was asked for did not come true: a demo broke its promise, or a switchover was refused.
   */
  promiseBroken: 1,
  /** Unknown subcommand, option or value; or a Node that is too old. */
  usage: 2,
  /** The configuration file cannot be read, or is wrong. */
  configuration: 3,
  /** An address or port cannot be listened on. */
  cannotListen: 4,
  /** The gateway's control listener did not answer. */
  unreachable: 5,
  /** A fault of ours. */
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

/** Something that its reader can put right; `ending` says how the program ends because of it. */
export class UserError extends Error {
  readonly ending: ExitName;

  constructor(ending: ExitName, message: string) {
    super(message);
    this.name = "UserError";
    this.ending = ending;
  }

  /** What a terminal shows of it: one line, without control characters. */
  get shown(): string {
    return visible(this.message);
  }
}
