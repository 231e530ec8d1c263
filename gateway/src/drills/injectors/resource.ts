/**
 * The injector `resource`: what a machine or a process runs out of. Limits of one process
 * (descriptors, file size, address space) are lowered with `prlimit` and put back; a disk is filled
 * with one file; processor time, memory and ports are taken by processes of our own, which end with
 * the fault. Each amount is bounded, and what would hit the whole machine has to be allowed in
 * words.
 */
import { readdirSync } from "node:fs";
import { z } from "zod";
import { UserError } from "../../adapters/process/exit-codes.ts";
import type { InjectionContext, PreparedInjection } from "../injection.ts";
import { action, COMMON, injectorOf, type OwnInjector, targetOf } from "./action.ts";
import { whole } from "./fields.ts";
import { fullDisk } from "./full-disk.ts";
import { busyProcessor, takenMemory, takenPorts } from "./own-hogs.ts";
import { type LimitName, LimitSetting, lacksPrlimit, limitNow } from "./process-limit.ts";
import {
  chosenProcess,
  lacksProc,
  nameOf,
  namesOneProcess,
  ONE_PROCESS,
  type ProcessNow,
  WHICH_PROCESS,
} from "./processes.ts";

const PROCESS = { ...COMMON, ...WHICH_PROCESS };

const descriptorsSchema = z
  .strictObject({
    ...PROCESS,
    /** So many in all … */
    limit: whole(0, 1_048_576, "descriptors").optional(),
    /** … or so many more than are open now. */
    spare: whole(0, 100_000, "descriptors").optional(),
  })
  .refine(namesOneProcess, ONE_PROCESS)
  .refine(({ limit, spare }) => (limit === undefined) !== (spare === undefined), {
    path: ["limit"],
    message: "allowed is exactly one of limit and spare",
  });

const fileSizeSchema = z
  .strictObject({ ...PROCESS, limitBytes: whole(0, 1_099_511_627_776, "bytes").default(0) })
  .refine(namesOneProcess, ONE_PROCESS);

const memoryLimitSchema = z
  .strictObject({ ...PROCESS, limitBytes: whole(1_048_576, 1_099_511_627_776, "bytes") })
  .refine(namesOneProcess, ONE_PROCESS);

const lacksLimits = async (): Promise<string | undefined> => lacksProc() ?? lacksPrlimit();

export const resource: OwnInjector = injectorOf("resource", {
  descriptors: action(descriptorsSchema, {
    missing: lacksLimits,
    async prepare(args, context) {
      const target = await chosenProcess(args);
      const open = openDescriptors(target);
      const limit = args.limit ?? open + (args.spare as number);
      return prepareLimit(args, context, target, "nofile", limit, () => `${openDescriptors(target)} are open`);
    },
  }),
  "file-size": action(fileSizeSchema, {
    missing: lacksLimits,
    prepare: async (args, context) =>
      prepareLimit(args, context, await chosenProcess(args), "fsize", args.limitBytes, () => "longer writes fail"),
  }),
  "address-space": action(memoryLimitSchema, {
    missing: lacksLimits,
    prepare: async (args, context) =>
      prepareLimit(args, context, await chosenProcess(args), "as", args.limitBytes, () => "more cannot be mapped"),
  }),
  disk: fullDisk,
  cpu: busyProcessor,
  memory: takenMemory,
  ports: takenPorts,
});

function openDescriptors({ pid }: ProcessNow): number {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch (error) {
    throw new UserError(
      "usage",
      `pid: the descriptors of process ${pid} cannot be counted: ${(error as Error).message}`,
    );
  }
}

async function prepareLimit(
  args: z.output<typeof fileSizeSchema> | z.output<typeof descriptorsSchema>,
  context: InjectionContext,
  target: ProcessNow,
  name: LimitName,
  wanted: number,
  use: () => string,
): Promise<PreparedInjection> {
  const setting = new LimitSetting(target, name, wanted);
  let proof: string | undefined;
  return {
    targets: [targetOf(args, "process", nameOf(args, target))],
    shown: setting.shown,
    inverses: [setting.inverse],
    expiresAfterMs: args.expiresAfterMs,
    async inject() {
      context.signal.throwIfAborted();
      await setting.apply();
      proof = `the limit ${name} of process ${target.pid} is ${limitNow(target, name)} instead of ${setting.before}; ${use()}`;
      return { pid: target.pid, limit: name, value: wanted, before: setting.before };
    },
    felt: async () => proof,
    remaining: async () => setting.remaining(),
  };
}
