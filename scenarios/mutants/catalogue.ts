/**
 * The planted bugs: each a change of the source that ships, applied to a copy and never to it, and
 * each with the invariant that has to see it. A simulator that finds nothing has shown nothing
 * until it has found these. What the catalogue of the study names and this one lacks (leases,
 * journals, several gateways) waits for the parts it breaks.
 */
import { ASYNC_MUTANTS } from "./async-mutants.ts";
import { COMPARISON_MUTANTS } from "./comparison-mutants.ts";
import { DECISION_MUTANTS } from "./decision-mutants.ts";
import { DETECTOR_MUTANTS } from "./detector-mutants.ts";
import { EVIDENCE_MUTANTS } from "./evidence-mutants.ts";
import { FAILOVER_MUTANTS } from "./failover-mutants.ts";
import { GUARD_MUTANTS } from "./guard-mutants.ts";
import { LEDGER_MUTANTS } from "./ledger-mutants.ts";
import { LOAD_MUTANTS } from "./load-mutants.ts";
import type { Mutant } from "./mutant.ts";
import { RELAPSE_MUTANTS } from "./relapse-mutants.ts";
import { STATE_MUTANTS } from "./state-mutants.ts";
import { TIMING_MUTANTS } from "./timing-mutants.ts";

export const MUTANTS: readonly Mutant[] = [
  ...DECISION_MUTANTS,
  ...FAILOVER_MUTANTS,
  ...EVIDENCE_MUTANTS,
  ...LOAD_MUTANTS,
  ...GUARD_MUTANTS,
  ...DETECTOR_MUTANTS,
  ...RELAPSE_MUTANTS,
  ...COMPARISON_MUTANTS,
  ...LEDGER_MUTANTS,
  ...STATE_MUTANTS,
  ...ASYNC_MUTANTS,
  ...TIMING_MUTANTS,
];
