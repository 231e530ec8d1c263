/**
 * Opens the access log where the configuration says: a standard stream of the process, which it
 * shares with the log or with a command's result, or a file of its own.
 */
import type { Random } from "ground-station-failover";
import type { AccessLogSettings } from "../../fleet/settings.ts";
import { UserError } from "../process/exit-codes.ts";
import { AccessLog, type LineSink } from "./access-log.ts";
import { LineBatches } from "./line-batches.ts";
import { LineFile } from "./line-file.ts";
import type { Log } from "./log.ts";

/** The standard streams, as outputs that never block. */
export interface StandardStreams {
  readonly stderr: LineSink;
  readonly stdout: LineSink;
}

export interface OpenedAccessLog extends AsyncDisposable {
  /** Undefined if there is none. */
  readonly access: AccessLog | undefined;
  /** Lines that were lost because a file could not be written. */
  readonly lost: () => number;
}

const NONE: OpenedAccessLog = {
  access: undefined,
  lost: () => 0,
  [Symbol.asyncDispose]: () => Promise.resolve(),
};

/**
 * Resolves with the access log. `streams` undefined: only a file is opened. Rejects with a
 * {@link UserError} if its file cannot be opened.
 */
export async function openAccessLog(
  settings: AccessLogSettings | undefined,
  streams: StandardStreams | undefined,
  { log, random, nowMs }: { readonly log: Log; readonly random: Random; readonly nowMs: () => number },
): Promise<OpenedAccessLog> {
  if (settings === undefined || settings.to === "off") return NONE;
  const { to } = settings;
  if (to === "stderr" || to === "stdout") {
    if (streams === undefined) return NONE;
    const batches = new LineBatches(streams[to]);
    return {
      access: new AccessLog({ ...settings, sink: batches, random, nowMs }),
      lost: () => 0,
      async [Symbol.asyncDispose]() {
        batches[Symbol.dispose]();
      },
    };
  }
  const file = await openFile(to, log);
  const batches = new LineBatches(file);
  return {
    access: new AccessLog({ ...settings, sink: batches, random, nowMs }),
    lost: () => file.lost,
    async [Symbol.asyncDispose]() {
      batches[Symbol.dispose]();
      await file[Symbol.asyncDispose]();
    },
  };
}

async function openFile(path: string, log: Log): Promise<LineFile> {
  try {
    return await LineFile.open({
      path,
      onFailure: (error) => log.error({ err: error, path }, "the access log cannot be written: its lines are lost"),
      onRecovery: (lost) => log.info({ path, lost }, "the access log can be written again"),
    });
  } catch (error) {
    throw new UserError("configuration", `accessLog.to: ${path} cannot be opened: ${(error as Error).message}`);
  }
}
