/**
 * Lifts the faults of an undo journal: the last one that was put in force goes first, and the
 * inverses of one fault are played in their own order. What fails is reported, and the
 * caller tries it again; the others are lifted all the same.
 */
import { playInverse, reasonOf } from "./inverse.ts";
import type { UndoStep } from "./undo-journal.ts";

/** What became of one step. */
export interface LiftedStep {
  readonly step: UndoStep;
  /** What was done, a line for each inverse. */
  readonly done: readonly string[];
  /** What could not be done. Empty: the fault is lifted. */
  readonly failed: readonly string[];
}

/** Lifts one fault. Never rejects. */
export async function liftStep(step: UndoStep): Promise<LiftedStep> {
  const done: string[] = [];
  const failed: string[] = [];
  for (const inverse of step.inverses) {
    try {
      done.push(await playInverse(inverse));
    } catch (error) {
      failed.push(`${step.name}: ${reasonOf(error)}`);
    }
  }
  return { step, done, failed };
}

/** Lifts the faults, last one first. `onLifted` is called after each. Never rejects. */
export async function liftSteps(
  steps: readonly UndoStep[],
  onLifted: (lifted: LiftedStep) => void = () => undefined,
): Promise<readonly LiftedStep[]> {
  const all: LiftedStep[] = [];
  for (const step of [...steps].sort((one, other) => other.step - one.step)) {
    const lifted = await liftStep(step);
    all.push(lifted);
    onLifted(lifted);
  }
  return all;
}

/** What could not be done, of all steps. */
export function failuresOf(lifted: readonly LiftedStep[]): string[] {
  return lifted.flatMap(({ failed }) => failed);
}
