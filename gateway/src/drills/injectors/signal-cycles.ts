/**
 * What is done to a process again and again: stop and continue, or kill each time it is ready. Each
 * cycle looks at its permit before it hurts and again directly afterwards, so that a fault which
 * another process lifts in that very instant does not stay. A process that was stopped is
 * continued before the cycle ends, however it ends.
 */
import { connect } from "node:net";
import { systemClock } from "ground-station-failover";
import type { Episode } from "./episode.ts";
import { exchange } from "./exchange.ts";
import { pause } from "./fields.ts";
import { becomes, chosenProcess, type ProcessNow, sameProcess, type WhichProcess } from "./processes.ts";

/** One stop, and the time until the next. */
export interface StopPlan {
  readonly stopMs: number;
  readonly runMs: number;
}

/** How long a stop may take to show before it counts as not felt, in ms. */
const SHOWS_WITHIN_MS = 1_000;

/** What a cycle has done so far. */
export interface StopCounts {
  stops: number;
  stoppedMs: number;
}

/**
 * Stops `target` as `next` plans until the episode ends, and counts. `onFirst`: it has been seen to
 * be stopped for the first time.
 */
export async function stopsAndGoes(
  target: ProcessNow,
  next: () => StopPlan,
  episode: Episode,
  counts: StopCounts,
  onFirst: () => void,
): Promise<void> {
  try {
    while (episode.isAllowed && sameProcess(target) !== undefined) {
      const { stopMs, runMs } = next();
      if (!signalled(target, "SIGSTOP")) break;
      const sinceMs = systemClock.nowMs();
      if (!episode.isAllowed) break;
      const isFelt = await becomes(() => sameProcess(target)?.state === "T", SHOWS_WITHIN_MS, episode.signal);
      if (isFelt && counts.stops++ === 0) onFirst();
      await pause(stopMs - (systemClock.nowMs() - sinceMs), episode.signal);
      if (isFelt) counts.stoppedMs += systemClock.nowMs() - sinceMs;
      if (!signalled(target, "SIGCONT")) break;
      await pause(runMs, episode.signal);
    }
  } finally {
    signalled(target, "SIGCONT");
  }
}

/** Sends a signal if the process is still the same; false if it is gone. */
export function signalled(target: ProcessNow, name: NodeJS.Signals): boolean {
  if (sameProcess(target) === undefined) return false;
  try {
    process.kill(target.pid, name);
    return true;
  } catch {
    return false;
  }
}

export interface KillLoop extends WhichProcess {
  readonly times: number;
  readonly readyUrl?: string | undefined;
  readonly readyPort?: number | undefined;
  readonly readyWithinMs: number;
}

/** Kills the process that is meant `times` times, each time it is ready and a new one. */
export async function killLoop(loop: KillLoop, episode: Episode, onKilled: (pid: number) => void): Promise<void> {
  let last: ProcessNow | undefined;
  for (let time = 0; time < loop.times; time++) {
    const target = await nextReady(loop, last, episode);
    if (target === undefined || !episode.isAllowed) return;
    signalled(target, "SIGKILL");
    await becomes(() => sameProcess(target) === undefined, loop.readyWithinMs, episode.signal);
    onKilled(target.pid);
    last = target;
  }
}

/** The next process once it is ready; undefined if none is in time. */
async function nextReady(
  loop: KillLoop,
  last: ProcessNow | undefined,
  episode: Episode,
): Promise<ProcessNow | undefined> {
  const endMs = systemClock.nowMs() + loop.readyWithinMs;
  while (episode.isAllowed && systemClock.nowMs() < endMs) {
    const target = await newProcess(loop, last);
    if (target !== undefined && (await isReady(loop, episode.signal)) && sameProcess(target) !== undefined)
      return target;
    await pause(10, episode.signal);
  }
  return undefined;
}

/** The process that is meant now, if it is another one than `last`. */
async function newProcess(which: WhichProcess, last: ProcessNow | undefined): Promise<ProcessNow | undefined> {
  try {
    const found = await chosenProcess(which);
    return found.pid === last?.pid && found.startTime === last.startTime ? undefined : found;
  } catch {
    // The file is being written, or its process is not there yet.
    return undefined;
  }
}

async function isReady({ readyUrl, readyPort }: KillLoop, signal: AbortSignal): Promise<boolean> {
  if (readyPort !== undefined && !(await accepts(readyPort, signal))) return false;
  if (readyUrl === undefined) return true;
  const answer = await exchange("GET", readyUrl, undefined, signal).catch(() => undefined);
  return answer !== undefined && answer.status >= 200 && answer.status < 300;
}

function accepts(port: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port, signal });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
