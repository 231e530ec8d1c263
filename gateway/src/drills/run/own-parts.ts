/** The injectors, guardrails and stages of this program. */
import { DrillGuardrails } from "../guardrails/guardrails.ts";
import { injectors } from "../injectors/index.ts";
import { stages } from "../stage/stage.ts";
import type { DrillParts } from "./drill-parts.ts";

export function ownParts(): DrillParts {
  return { injectors, guardrails: new DrillGuardrails(), stages };
}
