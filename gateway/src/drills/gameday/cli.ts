/** `gsf gameday`: plan, predict, run, mark, halt, report, findings. */
import type { Command } from "commander";

/** Registers `gsf gameday`. */
export function registerGameDayCommands(_program: Command): void {}
