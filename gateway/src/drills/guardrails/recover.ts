/**
 * Lifts what earlier runs left in the system: replays the undo journals whose runner is dead, the
 * newest run first and its last fault first. What cannot be lifted stays in its journal, so that
 * the next attempt finds it. A run that is still under way is left alone, unless a person says
 * otherwise.
 */
import { noteInTrail } from "./audit-trail.ts";
import { reasonOf, shownInverse } from "./inverse.ts";
import { failuresOf, liftSteps } from "./lifting.ts";
import { isRunning, isThisBoot } from "./process-identity.ts";
import {
  cutTornLine,
  journalsIn,
  noteLifted,
  readJournal,
  removeJournal,
  type UndoRecord,
  type UndoStep,
} from "./undo-journal.ts";

export interface RecoverOptions {
  readonly store: string;
  /** Whether the faults of runs that are under way are lifted as well. */
  readonly includeRunning: boolean;
  /** Gets a line for each thing that is done. */
  readonly tell: (line: string) => void;
  /** RFC 3339, UTC. */
  readonly now: () => string;
}

/** Lifts what is left. Returns how many faults and journals could not be dealt with. */
export async function recoverStore(options: RecoverOptions): Promise<number> {
  const { store, tell } = options;
  let left = 0;
  const paths = journalsIn(store).reverse();
  for (const path of paths) {
    try {
      left += await recoverOne(path, options);
    } catch (error) {
      left += 1;
      tell(`${path}: ${reasonOf(error)}`);
    }
  }
  if (paths.length === 0) tell("nothing is left of any run");
  return left;
}

/** What could not be lifted. */
async function recoverOne(path: string, options: RecoverOptions): Promise<number> {
  const { store, includeRunning, tell, now } = options;
  const running = (record: UndoRecord | undefined): boolean => record?.runner !== undefined && isRunning(record.runner);
  let record = readJournal(path);
  if (record === undefined) return 0;
  const isAlive = running(record);
  if (isAlive && !includeRunning) {
    tell(`run ${record.runId} is under way (process ${record.runner?.pid}); gsf chaos halt stops it`);
    return 0;
  }
  if (!isAlive) {
    cutTornLine(path);
    record = readJournal(path) ?? record;
  }
  const { runId, runner } = record;
  // A process of before the machine's restart is gone, even if another process has its number now.
  const isOfThisBoot = runner === undefined || isThisBoot(runner);
  const open = isOfThisBoot ? record.open : record.open.map(withoutSignals);
  const lifted = await liftSteps(open, ({ step, done, failed }) => {
    for (const line of done) tell(`run ${runId}, ${step.name}: ${line}`);
    for (const line of failed) tell(`run ${runId}, not lifted: ${line}`);
  });
  // Notes come behind the lift: a store that takes no more lines must not keep a fault in force.
  for (const { step, done, failed } of lifted) {
    const what = failed.length === 0 ? "lifted" : "not-lifted";
    const text = `${runId} ${step.name}: ${[...done, ...failed].join("; ")}`;
    noteInTrail(store, { at: now(), what, by: "recover", text });
    // A living runner may put the fault in force again, so it stays in the journal.
    if (failed.length === 0 && !isAlive) noteLifted(path, step.step, "recover", now());
  }
  for (const line of record.unreadableLines)
    tell(`${path}: line ${line} cannot be read; what it says cannot be lifted`);
  const failed = failuresOf(lifted).length + record.unreadableLines.length;
  if (failed === 0 && !isAlive) removeJournal(path);
  return failed;
}

function withoutSignals(step: UndoStep): UndoStep {
  return { ...step, inverses: step.inverses.filter(({ kind }) => kind !== "signal") };
}

/** Drops the journal of a run that nothing can be done about. False if there is none. */
export function discardRun(store: string, runId: string, by: string, at: string): boolean {
  const path = journalsIn(store).find((one) => one.endsWith(`/${runId}.jsonl`));
  if (path === undefined) return false;
  const open = readJournal(path)?.open ?? [];
  const text = open.flatMap(({ name, inverses }) => inverses.map((one) => `${name}: ${shownInverse(one)}`)).join("; ");
  noteInTrail(store, { at, what: "discarded", by, text: `${runId}: ${text}` });
  removeJournal(path);
  return true;
}
