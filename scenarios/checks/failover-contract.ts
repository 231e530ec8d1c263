/**
 * Which promises of the failover the checks hold it to, where two versions of it promise different things. One constant
 * says which version is under test; every check whose premise depends on it takes it as its second argument.
 *
 * | `goesElsewhere` | where commands go |
 * |---|---|
 * | false | To the active station only. A failed command that may be repeated waits there or is held; at a promotion everything moves at once. |
 * | true  | A command that may be repeated and got an error, or was lost, goes to another station that is eligible at once and under the same epoch, without a promotion. An overdue one may be out at two stations. A station in doubt gets no new commands. At a promotion, what is out at a station that is still heard may finish there. What a station is sent after a promotion follows from what was in flight before. |
 */
export interface FailoverContract {
  readonly goesElsewhere: boolean;
}

export const FAILOVER_CONTRACT: FailoverContract = { goesElsewhere: false };
