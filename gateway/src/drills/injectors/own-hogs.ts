/**
 * Processes of our own that take what others need: processor time, memory, local ports. They run
 * under a keeper, so that they end with the fault, with the drill, and with the process of the
 * drill. The amounts are bounded by what the machine has, so that a drill does not end the machine.
 */
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { z } from "zod";
import { UserError } from "../../adapters/process/exit-codes.ts";
import type { InjectionContext, PreparedInjection } from "../injection.ts";
import { type Action, action, COMMON, type CommonArguments, targetOf } from "./action.ts";
import { whole, yesOrNo } from "./fields.ts";
import { KeptProcess } from "./kept-process.ts";
import { lacksProc, processNow } from "./processes.ts";
import { foundProgram, ownProgram } from "./run-program.ts";

/** How long a process of ours may take to do its work, in ms. */
const READY_WITHIN_MS = 60_000;
const MIB = 1_048_576;

const cpuSchema = z.strictObject({
  ...COMMON,
  /** Busy processes. Default: as many as the machine has processors. */
  processes: whole(1, 64).optional(),
  /** 0: as important as any other process; 19: least. */
  nice: whole(0, 19).default(0),
  /** The one processor that they run on; absent: any. */
  processor: whole(0, 1_023).optional(),
});

const memorySchema = z.strictObject({
  ...COMMON,
  mebibytes: whole(1, 65_536, "MiB").default(256),
});

const portsSchema = z.strictObject({
  ...COMMON,
  /** Local ports that are taken; "all" but so many as `leave` says if absent. */
  count: whole(1, 60_000).optional(),
  leave: whole(0, 60_000).default(0),
  /** Ports belong to the whole machine: other programs lack them, too. */
  allowWholeMachine: yesOrNo().default(false),
});

const missing = async (): Promise<string | undefined> => lacksProc();

export const busyProcessor: Action = action(cpuSchema, { prepare: prepareCpu, missing });
export const takenMemory: Action = action(memorySchema, { prepare: prepareMemory, missing });
export const takenPorts: Action = action(portsSchema, { prepare: preparePorts, missing });

async function prepareCpu(args: z.output<typeof cpuSchema>, context: InjectionContext): Promise<PreparedInjection> {
  const count = args.processes ?? availableParallelism();
  const program = [process.execPath, ownProgram("program-hog"), "cpu", String(count), String(args.nice)];
  const pinned = args.processor === undefined ? [] : [needProgram("taskset"), "-c", String(args.processor)];
  const hog = hogOf(args, context, `${count} busy processes`, [...pinned, ...program]);
  return hogInjection(args, hog, `${count} busy processes, nice ${args.nice}`, "processor", busyProof(hog));
}

/** Proof that the busy processes really get processor time. */
function busyProof(hog: KeptProcess): () => string | undefined {
  let before: ReadonlyMap<number, number> | undefined;
  return () => {
    const now = new Map(pidsIn(hog.output).map((pid) => [pid, processNow(pid)?.busyMs ?? 0]));
    before ??= new Map([...now].map(([pid]) => [pid, 0]));
    const ms = [...now].reduce((sum, [pid, busyMs]) => sum + Math.max(0, busyMs - (before?.get(pid) ?? 0)), 0);
    return ms > 0 ? `${now.size} processes took ${ms} ms of processor time` : undefined;
  };
}

function pidsIn(output: string): number[] {
  return (/^ready (.*)$/m.exec(output)?.[1] ?? "")
    .split(" ")
    .map(Number)
    .filter((pid) => pid > 1);
}

async function prepareMemory(
  args: z.output<typeof memorySchema>,
  context: InjectionContext,
): Promise<PreparedInjection> {
  const available = availableBytes();
  if (available !== undefined && args.mebibytes * MIB > available / 2) {
    throw new UserError(
      "usage",
      `mebibytes: ${args.mebibytes} MiB are more than half of the ${Math.floor(available / MIB)} MiB that are available; the machine would end programs`,
    );
  }
  const command = [process.execPath, ownProgram("program-hog"), "memory", String(args.mebibytes)];
  const hog = hogOf(args, context, `a process that holds ${args.mebibytes} MiB`, command);
  return hogInjection(args, hog, `hold ${args.mebibytes} MiB of memory`, "memory", () => {
    const [pid] = pidsIn(hog.output);
    const resident = pid === undefined ? undefined : residentBytes(pid);
    return resident === undefined ? undefined : `process ${pid} holds ${Math.round(resident / MIB)} MiB`;
  });
}

function availableBytes(): number | undefined {
  const line = /^MemAvailable: +(\d+) kB$/m.exec(readFileSync("/proc/meminfo", "utf8"))?.[1];
  return line === undefined ? undefined : Number(line) * 1_024;
}

function residentBytes(pid: number): number | undefined {
  try {
    const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return line === undefined ? undefined : Number(line) * 1_024;
  } catch {
    return undefined;
  }
}

async function preparePorts(args: z.output<typeof portsSchema>, context: InjectionContext): Promise<PreparedInjection> {
  if (!args.allowWholeMachine) {
    throw new UserError(
      "usage",
      "allowWholeMachine: local ports belong to the whole machine, so every program would lack them; allowed is true",
    );
  }
  const [low = 32_768, high = 60_999] = readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8")
    .trim()
    .split(/\s+/)
    .map(Number);
  const count = args.count ?? Math.max(1, high - low + 1 - args.leave);
  const command = [process.execPath, ownProgram("program-hog"), "ports", String(count), String(low), String(high)];
  const hog = hogOf(args, context, `processes that hold up to ${count} local ports`, command);
  return hogInjection(args, hog, `take ${count} of the local ports ${low} to ${high}`, "ports", () => {
    const taken = /^taken (\d+)$/m.exec(hog.output)?.[1];
    return taken === undefined || taken === "0" ? undefined : `${taken} local ports are taken`;
  });
}

function needProgram(name: string): string {
  const found = foundProgram(name);
  if (found === undefined) throw new UserError("usage", `processor: the program ${name} is not installed`);
  return found;
}

function hogOf(
  args: CommonArguments,
  { signal }: InjectionContext,
  label: string,
  command: readonly string[],
): KeptProcess {
  return new KeptProcess({ label, command, expiresAfterMs: args.expiresAfterMs, signal });
}

function hogInjection(
  args: CommonArguments,
  hog: KeptProcess,
  shown: string,
  kind: string,
  look: () => string | undefined,
): PreparedInjection {
  let proof: string | undefined;
  return {
    targets: [targetOf(args, kind, kind)],
    shown,
    inverses: [hog.inverse],
    expiresAfterMs: args.expiresAfterMs,
    async inject() {
      const { isReady, output } = await hog.start(/^ready.*\n/m, READY_WITHIN_MS);
      if (!isReady) throw new UserError("promiseBroken", `${shown}: ${output.trim().slice(0, 300)}`);
      proof = look();
      return { shown, proof: proof ?? null };
    },
    felt: async () => look() ?? proof,
    remaining: () => hog.remaining(),
  };
}
