/**
 * The timing budget of a group as data: what `timing-proof.ts` computes, and the same with the
 * field and line of each part (`timing-lines.ts`), which is what `gsf check --json` prints.
 */
import type { Surroundings, TakeoverBound } from "ground-station-failover/core";

/** The timing budget of one group. */
export interface GroupTiming {
  readonly group: string;
  readonly objectiveMs: number;
  readonly assumptions: Surroundings;
  /** The longest takeover after any fault that is judged. */
  readonly worstMs: number;
  readonly faults: readonly FaultTiming[];
  /** What the file does not bound, each with its number. */
  readonly notes: readonly string[];
}

export interface FaultTiming extends TakeoverBound {
  /**
   * False if it is not compared with the objective, because it is no takeover from a station that
   * served.
   */
  readonly isJudged: boolean;
  readonly isInTime: boolean;
}

/** A part of a term: what takes the time, and where it is set. */
export interface LocatedPart {
  readonly what: string;
  readonly ms: number;
  /** `assumption`: a field of `assume`. `fixed`: of the product. */
  readonly kind: "setting" | "assumption" | "fixed";
  /** The field, such as `groups[0].detector.ceiling`; undefined for what is fixed. */
  readonly field: string | undefined;
  /** Line of the field; undefined if it is not written. */
  readonly line: number | undefined;
}

interface LocatedTerm {
  readonly term: string;
  readonly ms: number;
  readonly parts: readonly LocatedPart[];
}

export interface LocatedFault extends Omit<FaultTiming, "terms"> {
  readonly terms: readonly LocatedTerm[];
}

export interface LocatedTiming extends Omit<GroupTiming, "faults"> {
  readonly faults: readonly LocatedFault[];
}
