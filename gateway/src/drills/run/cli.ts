/** `gsf drill run` and `gsf drill validate`. */
import type { Command } from "commander";

/** Registers the commands that play experiments, under `gsf drill`. */
export function registerRunCommands(_drill: Command): void {}
