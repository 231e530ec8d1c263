/**
 * Controls: what an experiment has done before and after each of its parts. Controls of the
 * experiment apply to every part unless they say `automatic: false`; a control of the same name
 * in a part takes the place of the experiment's. Chaos Toolkit runs only Python controls; ours may
 * be any provider but an injector. A control that fails is told and changes nothing; a control may
 * stop the run: a program by ending with status 4 (our own status for "interrupted"), a URL by
 * answering JSON with `"interrupt": true`.
 */
import type { Control, Json, JsonObject, Provider, Values } from "../experiment/experiment.ts";
import { substituted } from "../experiment/substitute.ts";
import type { Play } from "./play.ts";
import { runProvider } from "./provider.ts";

export type ControlLevel = "experiment" | "hypothesis" | "method" | "rollback" | "activity";

/** The status with which a program that is a control stops the run. */
const INTERRUPT_STATUS = 4;

/** A control asks to stop the run. */
export class ControlInterrupt extends Error {
  readonly control: string;

  constructor(control: string) {
    super(`the control ${control} stopped the run`);
    this.name = "ControlInterrupt";
    this.control = control;
  }
}

/** A part of an experiment that can have controls of its own. */
interface Controlled {
  readonly name?: string;
  readonly title?: string;
  readonly controls: readonly Control[];
}

/** Runs `body` between the controls of `level`. Those after it run also when it rejects. */
export async function withControls<Result>(
  level: ControlLevel,
  part: Controlled,
  play: Play,
  body: () => Promise<Result>,
): Promise<Result> {
  const controls = controlsOf(level, part, play.experiment.controls);
  const place = { level, name: part.name ?? part.title ?? "" };
  let result: Result;
  try {
    await runControls(controls, "before", place, play);
    result = await body();
  } catch (error) {
    await runControls(controls, "after", place, play).catch(() => undefined);
    throw error;
  }
  await runControls(controls, "after", place, play);
  return result;
}

/** Which controls apply to a part, the experiment's first. */
export function controlsOf(
  level: ControlLevel,
  part: Controlled,
  ofExperiment: readonly Control[],
): readonly Control[] {
  if (level === "experiment") return ofExperiment;
  const automatic = ofExperiment.filter((control) => control.automatic);
  if (level === "method" || level === "rollback") return automatic;
  const own = new Set(part.controls.map((control) => control.name));
  return [...automatic.filter((control) => !own.has(control.name)), ...part.controls];
}

export interface ControlPlace {
  readonly level: ControlLevel;
  readonly name: string;
}

/** Runs those of `controls` that apply before or after. Rejects only with `ControlInterrupt`. */
export async function runControls(
  controls: readonly Control[],
  scope: "before" | "after",
  place: ControlPlace,
  play: Play,
): Promise<void> {
  for (const control of controls) {
    if (control.scope !== undefined && control.scope !== scope) continue;
    const { signal, release } = signalFor(play);
    try {
      const values = withPlace(play.values, scope, place);
      const provider = substituted(control.provider as unknown as Json, values) as unknown as Provider;
      const output = await runProvider(provider, signal, play, async () => null);
      if (asksToStop(output)) throw new ControlInterrupt(control.name);
    } catch (error) {
      if (error instanceof ControlInterrupt) throw error;
      play.tell(`control ${control.name} (${scope} ${place.level}): failed: ${(error as Error).message}`);
    } finally {
      release();
    }
  }
}

/** Controls run also after a stop, but then only for a short time each. */
function signalFor(play: Play): { readonly signal: AbortSignal; readonly release: () => void } {
  const { signal } = play.stop;
  if (!signal.aborted) return { signal, release: () => undefined };
  const controller = new AbortController();
  const timer = play.clock.at(play.clock.nowMs() + AFTER_STOP_MS, () => controller.abort());
  return { signal: controller.signal, release: () => timer[Symbol.dispose]() };
}

/** How long a control may take once the run is stopped, in milliseconds. */
const AFTER_STOP_MS = 5_000;

/** A control can use `${control_level}`, `${control_scope}` and `${control_name}`. */
function withPlace(values: Values, scope: string, { level, name }: ControlPlace): Values {
  const place = { control_level: level, control_scope: scope, control_name: name };
  return { ...values, configuration: { ...place, ...values.configuration } };
}

function asksToStop(output: Json): boolean {
  if (typeof output !== "object" || output === null || Array.isArray(output)) return false;
  const { status, body } = output as JsonObject;
  if (status === INTERRUPT_STATUS) return true;
  return typeof body === "object" && body !== null && (body as JsonObject)["interrupt"] === true;
}
