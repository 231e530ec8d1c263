/**
 * Compares what sources are told with what happened: at the spacecraft, where commands take effect,
 * and at the stations, whose answers a gateway passes on. A gateway may answer that it does not
 * know the outcome, but only for a command that may have reached a station (`unknown-is-possible`:
 * a caller with that answer has to find out, or must not try again). A gateway must never give a
 * false answer. This check does not ask whether the gateway could have done better, only whether
 * its answers are true.
 */
import type { Fleet } from "../../fleet/fleet.ts";
import type { Attempt, Command, Execution, FleetObserver } from "../../fleet/observer.ts";

/** What is known about a command that is at the gateway, or whose source has not been told yet. */
interface Known {
  /** How many sendings of it the current gateway process has received and not answered. */
  visits: number;
  /** Attempts of it that are out. */
  out: number;
  /** The statuses that stations answered, each once. */
  readonly statuses: number[];
  /** A station answered with success, and without an error in it. */
  succeeded: boolean;
  /** An attempt that may have run, as far as the gateway can prove. */
  mayHaveRun: Attempt | undefined;
}

/**
 * A station's answer is shown as its status alone; an answer of the gateway itself has a code after
 * the status.
 */
const STATION_ANSWER = /^\d{3}$/;

export function groundTruth(fleet: Fleet): FleetObserver {
  const { world } = fleet;
  const known: Map<Command, Known> = new Map();
  const newestEpochs: Map<string, number> = new Map();
  const forgetIfOver = (command: Command, of: Known): void => {
    if (of.visits === 0 && command.told !== undefined) known.delete(command);
  };
  return {
    gatewayStarted() {
      for (const [command, of] of known) {
        of.visits = of.out = 0;
        forgetIfOver(command, of);
      }
    },
    commandArrived({ command }) {
      const of = known.get(command) ?? { visits: 0, out: 0, statuses: [], succeeded: false, mayHaveRun: undefined };
      of.visits++;
      known.set(command, of);
    },
    commandAnswered({ command }, code, _retryAfterMs, outcomeUnknown = false) {
      const of = known.get(command);
      if (of === undefined) return;
      if (outcomeUnknown && of.mayHaveRun === undefined && of.out === 0)
        world.violate(
          "unknown-is-possible",
          `${command.kind} ${command.id}: answered ${code}, it may have been executed; nothing of it ever reached a station`,
        );
      of.visits--;
      forgetIfOver(command, of);
    },
    attemptBegan({ command, station }) {
      const of = known.get(command);
      if (of === undefined || of.visits === 0)
        return world.violate(
          "nothing-sent-after-the-answer",
          `${command.id} goes to ${station}, and nobody waits for it`,
        );
      of.out++;
    },
    attemptEnded(attempt) {
      const of = known.get(attempt.command);
      if (of !== undefined) noteEnd(of, attempt);
    },
    commandTold(command) {
      const of = known.get(command);
      const lie = untruth(command, of);
      if (lie !== undefined) world.violate(lie.invariant, `${command.kind} ${command.id}: ${lie.detail}`);
      if (of !== undefined) forgetIfOver(command, of);
    },
    executed(execution) {
      const { group, epoch = Number.NaN, command } = execution;
      const newest = newestEpochs.get(group) ?? 0;
      if (!(epoch >= newest))
        world.violate("epochs-never-decrease", `${group} executed ${command.id} under epoch ${epoch} after ${newest}`);
      newestEpochs.set(group, Math.max(newest, epoch || 0));
      executedOnce(fleet, execution);
    },
  };
}

function executedOnce({ world }: Fleet, { command, station }: Execution): void {
  const { kind, id, executions, told, answer } = command;
  if (executions > 1)
    world.violate("executed-once", `${kind} ${id} took effect ${executions} times, now through ${station}`);
  if (told === "not-executed")
    world.violate("failed-is-not-executed", `${kind} ${id} took effect after its source was told "${answer}"`);
}

function noteEnd(of: Known, attempt: Attempt): void {
  const { outcome, status, lies } = attempt;
  of.out--;
  if (outcome !== "never-sent" && outcome !== "stale") of.mayHaveRun = attempt;
  if (outcome !== "reply" || status === undefined) return;
  if (!of.statuses.includes(status)) of.statuses.push(status);
  if (status < 300 && !lies) of.succeeded = true;
}

/** What is false in the answer that the source of `command` just got. */
function untruth(
  { kind, told, answer, executions }: Command,
  of: Known | undefined,
): { readonly invariant: string; readonly detail: string } | undefined {
  if (told === "acknowledged" && kind !== "read" && executions === 0)
    return { invariant: "acknowledged-is-executed", detail: `acknowledged (${answer}), and never executed` };
  if (told === "acknowledged" && of?.succeeded !== true)
    return { invariant: "answered-with-the-truth", detail: `acknowledged (${answer}), and no station said so` };
  if (STATION_ANSWER.test(answer) && of?.statuses.includes(Number(answer)) !== true)
    return { invariant: "answered-with-the-truth", detail: `answered ${answer}, which no station said` };
  if (told !== "not-executed") return undefined;
  if (executions > 0)
    return { invariant: "failed-is-not-executed", detail: `told "${answer}", and executed ${executions} time(s)` };
  const { mayHaveRun, out = 0 } = of ?? {};
  if (mayHaveRun === undefined && out === 0) return undefined;
  const which =
    mayHaveRun === undefined ? `${out} are still out` : `one at ${mayHaveRun.station} ended ${mayHaveRun.outcome}`;
  return { invariant: "not-executed-is-proven", detail: `told "${answer}", and of its attempts ${which}` };
}
