/**
 * The injector `signal`: a signal to one process, once or again and again. Stopping and continuing
 * in a cycle takes processor time away without any privilege; stops of random length look like a
 * garbage collector's pauses; killing each time it is ready is a restart loop. A process is meant
 * by its id and its start time, and is never one that the drill runs under.
 */
import { seededRandom, systemClock } from "ground-station-failover";
import { z } from "zod";
import { UserError } from "../../adapters/process/exit-codes.ts";
import type { InjectionContext, Inverse, PreparedInjection } from "../injection.ts";
import { action, COMMON, injectorOf, type OwnInjector, targetOf } from "./action.ts";
import { Episode } from "./episode.ts";
import { refuseOthers } from "./exchange.ts";
import { list, oneOf, pause, text, url, whole, yesOrNo } from "./fields.ts";
import {
  becomes,
  chosenProcess,
  lacksProc,
  livingProcess,
  nameOf,
  namesOneProcess,
  ONE_PROCESS,
  type ProcessNow,
  pidOf,
  sameProcess,
  WHICH_PROCESS,
  type WhichProcess,
  waysToProcess,
} from "./processes.ts";
import { killLoop, type StopCounts, type StopPlan, signalled, stopsAndGoes } from "./signal-cycles.ts";

const SIGNALS = ["SIGKILL", "SIGSTOP", "SIGCONT", "SIGTERM", "SIGHUP", "SIGINT", "SIGUSR2"] as const;
/** How long a signal may take to show, in ms. */
const SHOWS_WITHIN_MS = 5_000;

/** A page of a supervisor is right within this time, in ms. */
const PAGE_NOTICES_WITHIN_MS = 2_000;
/** A file may be left as it is by its supervisor, so it is not waited for longer, in ms. */
const FILE_NOTICES_WITHIN_MS = 250;

/**
 * How a killed process comes back when the fault is lifted, if its supervisor does not see to it. A
 * lift may be played twice, so this has to do nothing where the process runs already.
 */
const restart = z.union([
  z.strictObject({ path: text("a program"), arguments: list(text("an argument", 4_096), 0, 64).default([]) }),
  z.strictObject({ url: url(), method: oneOf(["POST", "PUT"]).default("POST") }),
]);

const PROCESS = { ...COMMON, ...WHICH_PROCESS };

const sendSchema = z
  .strictObject({
    ...PROCESS,
    signal: oneOf(SIGNALS),
    restart: restart.optional(),
    allowRemote: yesOrNo().default(false),
  })
  .refine(namesOneProcess, ONE_PROCESS);

const cycleSchema = z
  .strictObject({
    ...PROCESS,
    stopMs: whole(1, 10_000, "ms").default(90),
    everyMs: whole(2, 60_000, "ms").default(100),
    forMs: whole(10, 600_000, "ms").optional(),
  })
  .refine(namesOneProcess, ONE_PROCESS)
  .refine(({ stopMs, everyMs }) => stopMs < everyMs, { path: ["stopMs"], message: "allowed is less than everyMs" });

const pausesSchema = z
  .strictObject({
    ...PROCESS,
    minStopMs: whole(1, 60_000, "ms").default(100),
    maxStopMs: whole(1, 60_000, "ms").default(900),
    minRunMs: whole(1, 60_000, "ms").default(500),
    maxRunMs: whole(1, 60_000, "ms").default(5_000),
    forMs: whole(10, 600_000, "ms").optional(),
  })
  .refine(namesOneProcess, ONE_PROCESS)
  .refine(({ minStopMs, maxStopMs }) => minStopMs <= maxStopMs, {
    path: ["minStopMs"],
    message: "allowed is at most maxStopMs",
  })
  .refine(({ minRunMs, maxRunMs }) => minRunMs <= maxRunMs, {
    path: ["minRunMs"],
    message: "allowed is at most maxRunMs",
  });

const loopSchema = z
  .strictObject({
    ...PROCESS,
    times: whole(1, 100).default(6),
    readyUrl: url().optional(),
    readyPort: whole(1, 65_535).optional(),
    readyWithinMs: whole(100, 120_000, "ms").default(15_000),
    restart: restart.optional(),
    allowRemote: yesOrNo().default(false),
  })
  .refine((which) => which.pid === undefined && waysToProcess(which) === 1, {
    path: ["pidFile"],
    message: "a new process has another id; allowed is exactly one of pidFile and pidUrl",
  });

export const signal: OwnInjector = injectorOf("signal", {
  send: action(sendSchema, { prepare: prepareSend, missing: async () => lacksProc() }),
  cycle: action(cycleSchema, {
    missing: async () => lacksProc(),
    prepare: (args, context) =>
      prepareStops(args, context, `stopped ${args.stopMs} of every ${args.everyMs} ms`, () => ({
        stopMs: args.stopMs,
        runMs: args.everyMs - args.stopMs,
      })),
  }),
  pauses: action(pausesSchema, { missing: async () => lacksProc(), prepare: preparePauses }),
  "kill-loop": action(loopSchema, { prepare: prepareLoop, missing: async () => lacksProc() }),
});

/** Restarting, as an inverse; none if the supervisor does it. */
function restartOf(how: z.output<typeof restart> | undefined, allowRemote: boolean): readonly Inverse[] {
  if (how === undefined) return [];
  if ("path" in how) return [{ kind: "process", path: how.path, arguments: how.arguments }];
  refuseOthers("restart.url", new URL(how.url).hostname, allowRemote);
  return [{ kind: "http", method: how.method, url: how.url }];
}

/** The inverse of stopping a process. */
function continuing({ pid, startTime }: ProcessNow): Inverse {
  return { kind: "signal", pid, startTime, signal: "SIGCONT" };
}

async function prepareSend(args: z.output<typeof sendSchema>, context: InjectionContext): Promise<PreparedInjection> {
  const target = await chosenProcess(args);
  if (args.signal === "SIGSTOP" && target.state === "T") {
    throw new UserError("usage", `pid: process ${target.pid} is stopped already; lifting the fault would continue it`);
  }
  const isDeadly = args.signal === "SIGKILL" || args.signal === "SIGTERM" || args.signal === "SIGINT";
  const back = restartOf(args.restart, args.allowRemote);
  let proof: string | undefined;
  return {
    targets: [targetOf(args, "process", nameOf(args, target))],
    shown: `kill -${args.signal.slice(3)} ${target.pid}  # ${target.name}, started at tick ${target.startTime}`,
    inverses: args.signal === "SIGSTOP" ? [continuing(target)] : isDeadly ? back : [],
    expiresAfterMs: args.expiresAfterMs,
    async inject() {
      context.signal.throwIfAborted();
      proof = await sent(target, args.signal, context.signal);
      // A supervisor that has not noticed would answer a restart with "it runs".
      if (isDeadly && back.length > 0) await noticed(args, target, context.signal);
      return { pid: target.pid, signal: args.signal, proof: proof ?? null };
    },
    felt: async () => proof,
    async remaining() {
      const now = sameProcess(target);
      if (args.signal === "SIGSTOP") return now?.state === "T" ? [`process ${target.pid} is stopped`] : [];
      if (!isDeadly || back.length === 0 || args.pid !== undefined || proof === undefined) return [];
      return notBack(args);
    },
  };
}

/** Resolves when the file or page does not name the process any more, or after a moment. */
async function noticed(which: WhichProcess, { pid }: ProcessNow, signal: AbortSignal): Promise<void> {
  if (which.pid !== undefined) return;
  const endMs = systemClock.nowMs() + (which.pidUrl === undefined ? FILE_NOTICES_WITHIN_MS : PAGE_NOTICES_WITHIN_MS);
  while (systemClock.nowMs() < endMs && !signal.aborted) {
    if ((await pidOf(which).catch(() => undefined)) !== pid) return;
    await pause(5, signal);
  }
}

/** Says so if no process runs where the arguments lead. */
async function notBack(which: WhichProcess): Promise<readonly string[]> {
  const found = await livingProcess(which);
  return found === undefined ? [`no process runs under ${which.pidFile ?? which.pidUrl}`] : [];
}

/** Sends the signal; resolves with the proof that it was felt, undefined if it was not. */
async function sent(
  target: ProcessNow,
  name: (typeof SIGNALS)[number],
  abort: AbortSignal,
): Promise<string | undefined> {
  const { pid } = target;
  if (!signalled(target, name)) {
    throw new UserError("promiseBroken", `pid: process ${pid} has ended before the signal was sent`);
  }
  if (name === "SIGSTOP") {
    const isStopped = await becomes(() => sameProcess(target)?.state === "T", SHOWS_WITHIN_MS, abort);
    if (isStopped) return `process ${pid} is in state T`;
    // It was not seen, but the signal may still take hold.
    signalled(target, "SIGCONT");
    return undefined;
  }
  if (name === "SIGCONT") {
    const goesOn = await becomes(() => sameProcess(target)?.state !== "T", SHOWS_WITHIN_MS, abort);
    return goesOn ? `process ${pid} is not stopped` : undefined;
  }
  if (name === "SIGHUP" || name === "SIGUSR2") {
    const isAlive = sameProcess(target) !== undefined;
    return isAlive ? `${name} was delivered to process ${pid}` : `process ${pid} has ended`;
  }
  const isGone = await becomes(() => sameProcess(target) === undefined, SHOWS_WITHIN_MS, abort);
  if (isGone) return `process ${pid} has ended`;
  return name === "SIGKILL" ? undefined : `${name} was delivered to process ${pid}, which is still ending`;
}

function preparePauses(args: z.output<typeof pausesSchema>, context: InjectionContext): Promise<PreparedInjection> {
  const random = seededRandom(context.seed).fork("signal pauses");
  const between = (min: number, max: number): number => min + random.next() * (max - min);
  const shown = `stopped ${args.minStopMs} to ${args.maxStopMs} ms at random, seed ${context.seed}`;
  return prepareStops(args, context, shown, () => ({
    stopMs: between(args.minStopMs, args.maxStopMs),
    runMs: between(args.minRunMs, args.maxRunMs),
  }));
}

async function prepareStops(
  args: z.output<typeof cycleSchema> | z.output<typeof pausesSchema>,
  context: InjectionContext,
  shown: string,
  next: () => StopPlan,
): Promise<PreparedInjection> {
  const target = await chosenProcess(args);
  if (target.state === "T") throw new UserError("usage", `pid: process ${target.pid} is stopped already`);
  const lastsMs = Math.min(args.forMs ?? args.expiresAfterMs, args.expiresAfterMs);
  const episode = new Episode({
    label: `stopping process ${target.pid} again and again`,
    expiresAfterMs: lastsMs,
    signal: context.signal,
  });
  const counts: StopCounts = { stops: 0, stoppedMs: 0 };
  return {
    targets: [targetOf(args, "process", nameOf(args, target))],
    shown: `kill -STOP / -CONT ${target.pid}  # ${target.name}: ${shown}, for ${lastsMs} ms`,
    inverses: [episode.inverse, continuing(target)],
    expiresAfterMs: args.expiresAfterMs,
    async inject() {
      const first = Promise.withResolvers<void>();
      const work = episode.begin(() => stopsAndGoes(target, next, episode, counts, first.resolve));
      // An end before the first stop is a failure of the injection.
      await Promise.race([first.promise, work]);
      if (counts.stops === 0) throw new UserError("promiseBroken", `pid: process ${target.pid} was not seen to stop`);
      return { pid: target.pid, forMs: lastsMs };
    },
    felt: async () =>
      counts.stops === 0
        ? undefined
        : `process ${target.pid} was in state T ${counts.stops} times, ${Math.round(counts.stoppedMs)} ms in all`,
    async remaining() {
      const goesOn = await episode.remaining();
      if (goesOn.length > 0) return goesOn;
      return sameProcess(target)?.state === "T" ? [`process ${target.pid} is stopped`] : [];
    },
  };
}

async function prepareLoop(args: z.output<typeof loopSchema>, context: InjectionContext): Promise<PreparedInjection> {
  const first = await chosenProcess(args);
  if (args.readyUrl !== undefined) refuseOthers("readyUrl", new URL(args.readyUrl).hostname, args.allowRemote);
  const episode = new Episode({
    label: `killing the process of ${args.pidFile ?? args.pidUrl} each time it is ready`,
    expiresAfterMs: args.expiresAfterMs,
    signal: context.signal,
  });
  const killed: number[] = [];
  return {
    targets: [targetOf(args, "process", nameOf(args, first))],
    shown: `kill -KILL ${first.pid}  # of ${args.pidFile ?? args.pidUrl}, each time it is ready, at most ${args.times} times`,
    inverses: [episode.inverse, ...restartOf(args.restart, args.allowRemote)],
    expiresAfterMs: args.expiresAfterMs,
    async inject() {
      const begun = Promise.withResolvers<void>();
      const work = episode.begin(() =>
        killLoop(args, episode, (pid) => {
          killed.push(pid);
          begun.resolve();
        }),
      );
      await Promise.race([begun.promise, work]);
      if (killed.length === 0) throw new UserError("promiseBroken", `pidFile: nothing was ready to be killed`);
      return { killed: killed.length, times: args.times };
    },
    felt: async () =>
      killed.length === 0 ? undefined : `${killed.length} processes were killed when ready: ${killed.join(", ")}`,
    async remaining() {
      const goesOn = await episode.remaining();
      if (goesOn.length > 0 || args.restart === undefined) return goesOn;
      return notBack(args);
    },
  };
}
