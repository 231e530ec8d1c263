/**
 * Where the drills of a user on this machine keep what must outlive a process: journals, undo
 * journals, locks, the global lever, game days. One directory for all of them, because a lever that
 * another directory does not see would not be global.
 */
import { statfsSync, statSync } from "node:fs";
import { homedir, platform } from "node:os";
import { dirname, join, resolve } from "node:path";
import { UserError } from "../adapters/process/exit-codes.ts";

/** Names of the files and directories in a store. */
export const STORE = {
  lever: "lever.json",
  audit: "audit.jsonl",
  locks: "locks",
  undo: "undo",
  journals: "journals",
  gameDays: "gamedays",
} as const;

/**
 * The store: what `--store` says, else `GSF_STORE`, else `gsf` in the user's directory for state
 * (`XDG_STATE_HOME`, by default ~/.local/state). Throws a `UserError` if nothing can be kept there.
 */
export function storeDirectory(asked: string | undefined, environment: NodeJS.ProcessEnv): string {
  const written = asked ?? environment["GSF_STORE"];
  const state = environment["XDG_STATE_HOME"];
  const usual = join(state === undefined || state === "" ? join(homedir(), ".local", "state") : state, "gsf");
  const store = resolve(written === undefined || written === "" ? usual : written);
  refuseUnusable(store);
  return store;
}

/** The file system of /proc. A directory made below it never comes, and Node tries for ever. */
const PROC_FILE_SYSTEM = 0x9fa0;

/** Refuses a store that no directory can be at: below a file, or in /proc. */
function refuseUnusable(store: string): void {
  const refused = (why: string): UserError => new UserError("usage", `the store ${store} cannot be used: ${why}`);
  for (let place = store; ; place = dirname(place)) {
    try {
      const found = statSync(place, { throwIfNoEntry: false });
      if (found === undefined && place !== dirname(place)) continue;
      if (found?.isDirectory() !== true) throw refused(`${place} is no directory`);
      if (platform() === "linux" && statfsSync(place).type === PROC_FILE_SYSTEM)
        throw refused(`${place} holds no files of yours`);
      return;
    } catch (error) {
      throw error instanceof UserError ? error : refused((error as Error).message);
    }
  }
}
