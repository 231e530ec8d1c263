/** `gsf drill next` and `gsf drill report`. */
import type { Command } from "commander";

/** Registers the commands of the rotation, under `gsf drill`. */
export function registerRotationCommands(_drill: Command): void {}
