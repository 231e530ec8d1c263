/** The commands of the drills: `gsf drill`, `gsf chaos` and `gsf gameday`. */
import type { Command } from "commander";
import { registerGameDayCommands } from "./gameday/cli.ts";
import { registerChaosCommands } from "./guardrails/cli.ts";
import { registerRotationCommands } from "./rotation/cli.ts";
import { registerRunCommands } from "./run/cli.ts";

/** Registers all commands of this room. */
export function registerDrillCommands(program: Command): void {
  const drill = program.command("drill").description("chaos experiments with guardrails");
  registerRunCommands(drill);
  registerRotationCommands(drill);
  registerChaosCommands(program);
  registerGameDayCommands(program);
}
