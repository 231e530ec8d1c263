import type { GuardrailTrip } from "../injection.ts";
import type { Guardrails, PlannedInjection } from "./hooks.ts";

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
      lift: async () => [],
      proveClean: async () => (await Promise.all(done.map((one) => one.prepared.remaining()))).flat(),
      trips: () => trips,
      end: async () => undefined,
    };
  },
};
