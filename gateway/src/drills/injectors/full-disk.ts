/**
 * A full disk: one file that takes all the space there is. It is only made on a file system that is
 * small, so that the machine's own disk is never filled by mistake: what is free has to be at most
 * `maxBytes`. A process in an own mount namespace (`unshare -Urm`, with a tmpfs of its own, which
 * an unprivileged user may have) sees other file systems; `pid` names it, and the path is looked up
 * as it sees it.
 */
import { existsSync, rmSync, statfsSync, statSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { UserError } from "../../adapters/process/exit-codes.ts";
import type { InjectionContext, PreparedInjection } from "../injection.ts";
import { type Action, action, COMMON, targetOf } from "./action.ts";
import { freshName, text, whole } from "./fields.ts";
import { chosenProcess, lacksProc, sameProcess, WHICH_PROCESS, waysToProcess } from "./processes.ts";

const PIECE = Buffer.alloc(65_536, 0x66);

const schema = z
  .strictObject({
    ...COMMON,
    ...WHICH_PROCESS,
    path: text("a directory on the disk that is to be full", 4_096),
    /** Most bytes that are written; a disk with more space is refused. */
    maxBytes: whole(65_536, 1_073_741_824, "bytes").default(67_108_864),
    /** So many bytes are left free. */
    leaveBytes: whole(0, 1_073_741_824, "bytes").default(0),
  })
  .refine((which) => waysToProcess(which) <= 1, {
    path: ["pid"],
    message: "allowed is at most one of pid, pidFile and pidUrl",
  });

export const fullDisk: Action = action(schema, { prepare: prepareFull, missing: async () => lacksProc() });

async function prepareFull(args: z.output<typeof schema>, context: InjectionContext): Promise<PreparedInjection> {
  const seer = waysToProcess(args) === 0 ? undefined : await chosenProcess(args);
  const directory = seer === undefined ? args.path : join(`/proc/${seer.pid}/root`, args.path);
  const free = freeBytes(directory, args.path);
  if (free > args.maxBytes) {
    throw new UserError(
      "usage",
      `path: ${args.path} has ${free} bytes free and maxBytes is ${args.maxBytes}; use a small file system, for example a tmpfs`,
    );
  }
  const ballast = join(directory, `gsf-ballast-${freshName()}`);
  let proof: string | undefined;
  return {
    targets: [targetOf(args, "disk", args.path)],
    shown: `fill ${args.path} with ${Math.max(0, free - args.leaveBytes)} bytes in ${ballast}`,
    inverses: [{ kind: "file", path: ballast }],
    expiresAfterMs: args.expiresAfterMs,
    async inject() {
      context.signal.throwIfAborted();
      if (seer !== undefined && sameProcess(seer) === undefined) {
        throw new UserError("promiseBroken", `pid: process ${seer.pid} has ended, and its disk with it`);
      }
      const written = await fill(ballast, args.maxBytes, args.leaveBytes, context.signal);
      const left = freeBytes(directory, args.path);
      proof = `${args.path} has ${left} bytes free instead of ${free}`;
      return { path: args.path, writtenBytes: written, freeBytes: left };
    },
    felt: async () => proof,
    remaining: async () => (existsSync(ballast) ? [`${ballast} takes ${statSync(ballast).size} bytes`] : []),
  };
}

function freeBytes(directory: string, named: string): number {
  try {
    const { bavail, bsize } = statfsSync(directory);
    if (statSync(directory).isDirectory()) return bavail * bsize;
  } catch (error) {
    throw new UserError("usage", `path: ${named} cannot be looked at: ${(error as Error).message}`);
  }
  throw new UserError("usage", `path: ${named} is no directory`);
}

/** Writes until nothing more fits, or only `leaveBytes` are free. An abort leaves no file. */
async function fill(path: string, maxBytes: number, leaveBytes: number, signal: AbortSignal): Promise<number> {
  const file = await open(path, "wx", 0o600);
  let written = 0;
  try {
    const { bavail, bsize } = statfsSync(path);
    // With nothing to leave, it goes on until the system says that the disk is full.
    const most = leaveBytes === 0 ? maxBytes : Math.min(maxBytes, Math.max(0, bavail * bsize - leaveBytes));
    // Ever smaller pieces: a large one may not fit where a small one does.
    for (let size = PIECE.length; size >= 1; size = Math.floor(size / 16)) {
      try {
        while (written + size <= most) {
          signal.throwIfAborted();
          written += (await file.write(PIECE, 0, size)).bytesWritten;
        }
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code !== "ENOSPC" && code !== "EDQUOT") throw error;
      }
    }
    await file.sync();
    return written;
  } catch (error) {
    rmSync(path, { force: true });
    if (signal.aborted) throw error;
    throw new UserError("promiseBroken", `${path} cannot be written: ${(error as Error).message}`);
  } finally {
    await file.close();
  }
}
