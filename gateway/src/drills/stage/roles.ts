/**
 * The processes that only a stage has, as hidden subcommands: the stage itself, the service of a
 * station, and the callers. Each gets its options as one JSON argument from the process that starts
 * it, and ends with that process.
 */
import type { Command } from "commander";
import { type LoadProcessOptions, runLoadProcess } from "./load-process.ts";
import { runServiceProcess, type ServiceProcessOptions } from "./service-process.ts";
import { runSystemProcess } from "./system-process.ts";

export function registerStageRoles(program: Command): void {
  program
    .command("drill-stage", { hidden: true })
    .description("the system under test of a drill, and its measurement")
    .action(runSystemProcess);
  program
    .command("drill-service", { hidden: true })
    .description("the service of one station of a drill")
    .argument("<options>", "JSON")
    .action((options: string) => runServiceProcess(JSON.parse(options) as ServiceProcessOptions));
  program
    .command("drill-load", { hidden: true })
    .description("the callers of a drill")
    .argument("<options>", "JSON")
    .action((options: string) => runLoadProcess(JSON.parse(options) as LoadProcessOptions));
}
