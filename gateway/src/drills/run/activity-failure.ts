/**
 * Why an activity failed. A failed activity is a result, not an error of the runner: its status in
 * the journal is `failed` and the run goes on. Only a hypothesis that cannot be looked at, because
 * a probe of it failed, does not hold.
 */

/**
 * The activity could not do what it says: no connection, a timeout, a program that is not there.
 */
export class ActivityFailed extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "ActivityFailed";
  }
}

/** The run was stopped while the activity was under way. */
export class ActivityInterrupted extends ActivityFailed {
  constructor() {
    super("the run was stopped while this was under way");
    this.name = "ActivityInterrupted";
  }
}

/**
 * The lines of a journal's `exception`: the error, then what caused it, at most {@link MAX_CAUSES}.
 */
export function exceptionLines(error: unknown): string[] {
  const lines: string[] = [];
  let cause: unknown = error;
  while (cause !== undefined && lines.length < MAX_CAUSES) {
    if (!(cause instanceof Error)) return [...lines, `${String(cause)}\n`];
    lines.push(`${cause.name}: ${cause.message}\n`);
    cause = cause.cause;
  }
  return lines;
}

const MAX_CAUSES = 5;
