/** The injectors, guardrails and stages of this program. */
import { injectors } from "../injectors/index.ts";
import type { DrillParts } from "./drill-parts.ts";
import { stages } from "../stage/stage.ts";
import { pendingGuardrails } from "./pending.ts";

export function ownParts(): DrillParts {
  return { injectors, guardrails: pendingGuardrails, stages };
}
