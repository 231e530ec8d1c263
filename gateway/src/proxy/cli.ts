/** `gsf proxy`: the fault proxy as a program. */
import type { Command } from "commander";

/** Registers `gsf proxy`. */
export function registerProxyCommand(_program: Command): void {}
