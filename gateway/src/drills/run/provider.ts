/** Runs a provider whose values are filled in, and returns its output. */
import type { InjectorProvider, Json, Provider } from "../experiment/experiment.ts";
import { runHttp } from "./http-activity.ts";
import { runProcess } from "./process-activity.ts";
import { type PythonPlay, runPython } from "./python-activity.ts";

/** `own`: plays one of our own injectors. Rejects with `ActivityFailed` if the provider fails. */
export async function runProvider(
  provider: Provider,
  signal: AbortSignal,
  play: PythonPlay,
  own: (provider: InjectorProvider) => Promise<Json>,
): Promise<Json> {
  switch (provider.type) {
    case "http":
      return await runHttp(provider, signal);
    case "process":
      return await runProcess(provider, play.environment, signal);
    case "python":
      return await runPython(provider, play, signal);
    default:
      return await own(provider);
  }
}
