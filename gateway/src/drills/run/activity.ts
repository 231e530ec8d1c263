/**
 * Plays one activity: controls, pause, provider, pause. The result is a record with Chaos Toolkit's
 * names; it is made whatever happens, so that a journal shows each activity that began. The
 * duration leaves the pauses out. Values are filled in here and not before, because a dynamic
 * configuration is known only when the run has begun.
 */
import type { Activity, DryStrategy, Json, JsonObject, Pauses, Provider } from "../experiment/experiment.ts";
import { substituted } from "../experiment/substitute.ts";
import type { ActivityRun } from "../injection.ts";
import { ActivityFailed, ActivityInterrupted, exceptionLines } from "./activity-failure.ts";
import { withControls } from "./controls.ts";
import type { Play } from "./play.ts";
import { runProvider } from "./provider.ts";

/** Plays `activity`. Rejects only with `ControlInterrupt`, when a control asks to stop the run. */
export async function playActivity(activity: Activity, play: Play): Promise<ActivityRun> {
  return await withControls("activity", activity, play, async () => {
    const { signal } = play.stop;
    const isDry = isLeftOut(activity, play);
    const isPaused = !isDry && dryOf(activity, play) !== "pause";
    if (isPaused) await pause(activity.pauses, "before", play, signal);
    const run = await timed(activity, play, isDry, signal);
    if (isPaused && !signal.aborted) await pause(activity.pauses, "after", play, signal);
    return run;
  });
}

async function timed(activity: Activity, play: Play, isDry: boolean, signal: AbortSignal): Promise<ActivityRun> {
  const start = play.now();
  const startMs = play.clock.nowMs();
  let result: Json = null;
  let failure: unknown;
  try {
    if (signal.aborted) throw new ActivityInterrupted();
    if (!isDry) result = await output(activity, play, signal);
  } catch (error) {
    failure = error;
  }
  const run: ActivityRun = {
    activity: activity.source,
    output: result,
    start,
    status: failure === undefined ? "succeeded" : "failed",
    end: play.now(),
    duration: (play.clock.nowMs() - startMs) / 1_000,
    ...(failure === undefined ? {} : { exception: exceptionLines(failure) }),
  };
  play.tell(activityLine(activity, run, failure, isDry));
  return run;
}

function activityLine(activity: Activity, run: ActivityRun, failure: unknown, isDry: boolean): string {
  const what = `${activity.type} ${activity.name}`;
  if (isDry) return `${what}: left out (dry)`;
  if (failure !== undefined) return `${what}: failed: ${(failure as Error)?.message ?? String(failure)}`;
  return `${what}: done in ${run.duration.toFixed(run.duration < 10 ? 1 : 0)} s`;
}

/** Fills in the values and runs the provider. */
async function output(activity: Activity, play: Play, signal: AbortSignal): Promise<Json> {
  const provider = substituted(activity.provider as unknown as Json, play.values) as unknown as Provider;
  return await runProvider(provider, signal, play, (own) => play.inject(activity, own, signal));
}

function dryOf(activity: Activity, play: Play): DryStrategy | undefined {
  return activity.dry ?? play.dry;
}

/** True if a dry run leaves this activity out. */
function isLeftOut(activity: Activity, play: Play): boolean {
  const dry = dryOf(activity, play);
  if (dry === "activities") return true;
  return (dry === "probes" && activity.type === "probe") || (dry === "actions" && activity.type === "action");
}

async function pause(pauses: Pauses, side: keyof Pauses, play: Play, signal: AbortSignal): Promise<void> {
  const written = (substituted(pauses as JsonObject, play.values) as JsonObject)[side];
  const seconds = Number(written ?? 0);
  if (Number.isNaN(seconds) || seconds < 0) throw new ActivityFailed(`pauses.${side} is ${JSON.stringify(written)}`);
  if (seconds === 0) return;
  play.tell(`pause of ${seconds} s`);
  // An abort ends the pause; what follows looks at the signal itself.
  await play.clock.sleepUntil(play.clock.nowMs() + seconds * 1_000, signal).catch(() => undefined);
}
