/**
 * The promises of the failover on which some checks depend, where two versions of the failover differ. One constant names
 * the version under test; a check that depends on it takes it as its second argument.
 *
 * | `goesElsewhere` | which station gets a command |
 * |---|---|
 * | false | Only the active station. A failed command that may be repeated waits there or is held; at a promotion all commands move at once. |
 * | true  | A command that may be repeated and failed or was lost goes to another eligible station at once, under the same epoch and without a promotion. An overdue command may be out at two stations. A station in doubt gets no new commands. At a promotion, commands that are out at a station that is still heard may finish there. The admission limit after a promotion follows from what was in flight before. |
 */
export interface FailoverContract {
  readonly goesElsewhere: boolean;
}

export const FAILOVER_CONTRACT: FailoverContract = { goesElsewhere: false };
