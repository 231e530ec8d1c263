/**
 * The async context of whoever made a call, for attempts that somebody else's end or a timer starts later: what they
 * run belongs to its own caller's request, and under no deadline but its own.
 */
import { AsyncResource } from "node:async_hooks";
import type { Deadline } from "../core/deadline.ts";
import { ambientDeadline, runUnder } from "./ambient-deadline.ts";

export class CallersContext {
  readonly #resource: AsyncResource = new AsyncResource("PrimaryBackupFailover.call");
  #inside = false;

  /** Runs `work` as the caller, who is the one calling this. */
  enter(work: () => void): void {
    this.#inside = true;
    work();
    this.#inside = false;
  }

  /** Runs `work` in the caller's context, wherever this is called from. */
  run(deadline: Deadline, work: () => void): void {
    if (this.#inside) return work();
    this.#resource.runInAsyncScope(() => {
      if (ambientDeadline() < deadline) runUnder(deadline, work);
      else work();
    });
  }
}
