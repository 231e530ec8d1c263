import { playInverse } from "../guardrails/inverse.ts";
import type { GuardrailTrip } from "../injection.ts";
import type { Guardrails, PlannedInjection, Stages } from "./hooks.ts";

export const pendingStages: Stages = {
  problems: () => [],
  missing: async () => "no stage yet",
  start: async () => {
    throw new Error("no stage yet");
  },
};

export const pendingGuardrails: Guardrails = {
  problems: () => [],
  begin: async () => {
    const done: PlannedInjection[] = [];
    const trips: GuardrailTrip[] = [];
    return {
      kind: "session",
      stopRequested: new AbortController().signal,
      beforeInjection: async (planned) => {
        done.push(planned);
        return undefined;
      },
      afterInjection: async () => undefined,
      lift: async () => {
        const problems: string[] = [];
        for (const { prepared } of done.toReversed())
          for (const inverse of prepared.inverses)
            await playInverse(inverse).catch((error: unknown) => problems.push(String(error)));
        return problems;
      },
      proveClean: async () => (await Promise.all(done.map((one) => one.prepared.remaining()))).flat(),
      trips: () => trips,
      end: async () => undefined,
    };
  },
};
