/**
 * Where the drills of a user on this machine keep what must outlive a process: journals, undo
 * journals, locks, the global lever, game days. One directory for all of them, because a lever that
 * another directory does not see would not be global.
 */
import { homedir } from "node:os";
import { join, resolve } from "node:path";

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
 * (`XDG_STATE_HOME`, by default ~/.local/state).
 */
export function storeDirectory(asked: string | undefined, environment: NodeJS.ProcessEnv): string {
  const written = asked ?? environment["GSF_STORE"];
  if (written !== undefined && written !== "") return resolve(written);
  const state = environment["XDG_STATE_HOME"];
  return join(state === undefined || state === "" ? join(homedir(), ".local", "state") : state, "gsf");
}
