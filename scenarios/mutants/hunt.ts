/**
 * Looking for a planted bug: the simulator runs in a copy of the source that has it, until the
 * invariant that is meant is violated.
 */
import type { SourceCopy } from "./copy.ts";
import type { Mutant } from "./mutant.ts";

/** What was found of a planted bug. */
export interface Found {
  readonly mutant: string;
  readonly scenario: string;
  /** Which of its invariants was violated. */
  readonly invariant: string;
  readonly seed: number;
  /** CPU seconds until then, all seeds before it included. */
  readonly cpuSeconds: number;
  /** The smallest case: faults that it takes, and events until the violation. */
  readonly faults: number;
  readonly steps: number;
}

/** It was not found; `seen`: what was violated instead, and how often. */
export interface Missed {
  readonly mutant: string;
  readonly seeds: number;
  readonly seen: Readonly<Record<string, number>>;
  /** What went wrong with the hunt itself, if something did. */
  readonly trouble: string;
}

export interface HuntOptions {
  readonly firstSeed: number;
  readonly seeds: number;
  /** Runs that shrinking may take; 0: how small the case can be is not asked. */
  readonly shrinkRuns: number;
}

/** What `npm run sim -- --json` prints, as far as it is needed here. */
interface Printed {
  readonly cpuMs: number;
  readonly seen: Readonly<Record<string, number>>;
  readonly failures: readonly {
    readonly failure: {
      readonly seed: number;
      readonly violation: { readonly invariant: string; readonly step: number };
    };
    readonly faults?: number;
    readonly steps?: number;
  }[];
}

/** Hunts `mutant` in `copy`, which is left as it was. */
export async function hunt(mutant: Mutant, copy: SourceCopy, options: HuntOptions): Promise<Found | Missed> {
  const scenario = mutant.scenario ?? "swarm";
  copy.plant(mutant);
  try {
    const { stdout, stderr } = await copy.simulate(
      ...[
        "--scenario",
        scenario,
        "--first-seed",
        String(options.firstSeed),
        "--seeds",
        String(options.seeds),
        "--json",
      ],
      ...["--determinism", "0"],
      ...(options.shrinkRuns === 0 ? ["--no-keep"] : ["--shrink-runs", String(options.shrinkRuns)]),
      // What else it breaks is not what it is hunted for, and must not end the run before that.
      ...["--until", ...mutant.invariants, "--only", ...mutant.invariants],
    );
    return judged(mutant, scenario, options.seeds, stdout, stderr);
  } finally {
    copy.restore();
  }
}

function judged(mutant: Mutant, scenario: string, seeds: number, stdout: string, stderr: string): Found | Missed {
  let printed: Printed;
  try {
    printed = JSON.parse(stdout) as Printed;
  } catch {
    return { mutant: mutant.name, seeds, seen: {}, trouble: `${stderr}\n${stdout}`.trim().slice(0, 2_000) };
  }
  const found = printed.failures.find(({ failure }) => mutant.invariants.includes(failure.violation.invariant));
  if (found === undefined) return { mutant: mutant.name, seeds, seen: printed.seen, trouble: "" };
  const { seed, violation } = found.failure;
  return {
    mutant: mutant.name,
    scenario,
    invariant: violation.invariant,
    seed,
    cpuSeconds: Math.round(printed.cpuMs / 100) / 10,
    faults: found.faults ?? -1,
    steps: found.steps ?? violation.step,
  };
}
