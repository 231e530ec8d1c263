/** `gsf chaos halt`, `release`, `status` and `recover`: the global lever, and what to undo. */
import type { Command } from "commander";

/** Registers `gsf chaos`. */
export function registerChaosCommands(_program: Command): void {}
