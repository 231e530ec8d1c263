/**
 * Finds the game day that a command means, and reads it. In the heat nobody types an id: the day
 * that is being held is meant, and if there are several, the person is asked which.
 */
import { userInfo } from "node:os";
import { UserError } from "../../adapters/process/exit-codes.ts";
import { plainText } from "../pictures/escaping.ts";
import { printLines } from "../printed-lines.ts";
import { storeDirectory } from "../store.ts";
import { type DayView, foldDay } from "./fold.ts";
import { type Author, dayIds, readDay } from "./ledger.ts";

/** Options that every command of a game day takes. */
export interface DayOptions {
  readonly store?: string;
  readonly day?: string;
  readonly by?: string;
}

/** The store that the options mean. */
export function storeOf({ store }: DayOptions): string {
  return storeDirectory(store, process.env);
}

/** Who writes: `--by`, else the name of the user at this machine. */
export function authorOf({ by }: DayOptions, nowMs: number = Date.now()): Author {
  const name = (by ?? userName()).trim();
  if (name === "") throw new UserError("usage", "--by needs a name");
  return { by: plainText(name, 200), nowMs };
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    throw new UserError("usage", "this machine has no name for its user; say who you are with --by NAME");
  }
}

/** Reads and folds one day. */
export function viewOf(store: string, id: string): DayView {
  return foldDay(id, readDay(store, id));
}

/** All days of the store; what cannot be read is named. */
export function allDays(store: string): { readonly days: readonly DayView[]; readonly unreadable: readonly string[] } {
  const days: DayView[] = [];
  const unreadable: string[] = [];
  for (const id of dayIds(store)) {
    try {
      days.push(viewOf(store, id));
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      unreadable.push(error.message);
    }
  }
  return { days, unreadable };
}

/**
 * The day that is meant: `--day`, else the one that is running, else the only one that is not
 * closed, else the newest of all. Throws a `UserError` if that is not one day.
 */
export function chosenDay(store: string, { day }: DayOptions): DayView {
  if (day !== undefined) return viewOf(store, day);
  const { days } = allDays(store);
  const open = days.filter(({ status }) => status !== "closed");
  const running = open.filter(({ status }) => status === "running");
  for (const some of [running, open, days]) {
    if (some.length === 1) return some[0] as DayView;
    if (some.length > 1)
      throw new UserError(
        "usage",
        `there are ${some.length} game days that may be meant; choose one with --day: ${some
          .slice(-10)
          .map(({ id, status }) => `${id} (${status})`)
          .join(", ")}`,
      );
  }
  throw new UserError("usage", `${store} has no game day; begin with: gsf gameday new "Title" drills/some-drill.yaml`);
}

/** The experiment of a day that a person means by its number or its id. */
export function chosenExperiment(view: DayView, asked: string): DayView["plan"]["experiments"][number] {
  const { experiments } = view.plan;
  const found = experiments.find(({ number, id }) => id === asked || String(number) === asked);
  if (found !== undefined) return found;
  const known = experiments.map(({ number, id }) => `${number} ${id}`).join(", ");
  throw new UserError("usage", `game day ${view.id} has no experiment "${plainText(asked, 80)}"; it has: ${known}`);
}

/** Prints lines on standard output. */
export function print(...lines: readonly string[]): void {
  printLines(lines);
}
