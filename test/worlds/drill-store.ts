/**
 * A store of drills in a temporary directory, with journals and experiments as a test wants them.
 * What is not said is plain: a drill of the category network that held in a second.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DrillRecord } from "../../gateway/src/drills/injection.ts";
import { readRuns } from "../../gateway/src/drills/rotation/journals.ts";

export interface MadeJournal extends Partial<Omit<DrillRecord, "targets" | "detectWithinMs">> {
  /** undefined: there is no target. */
  readonly detectWithinMs?: number | "never" | undefined;
  readonly title?: string;
  /** RFC 3339. */
  readonly start?: string;
  readonly targets?: readonly string[];
  /** Milliseconds from the start to the fault; null: there was none. */
  readonly faultAfterMs?: number | null;
}

/** The journal of a run as `gsf drill run` writes it. */
export function journalOf(made: MadeJournal = {}): object {
  const {
    title = "A drill",
    start = "2026-11-30T12:00:00.000Z",
    targets = ["station-a"],
    faultAfterMs = 1_000,
    ...record
  } = made;
  const startMs = Date.parse(start);
  const at = (afterMs: number): string => new Date(startMs + afterMs).toISOString();
  const fault = faultAfterMs === null ? [] : [{ at: at(faultAfterMs), kind: "fault", text: "SIGKILL" }];
  const lifted = faultAfterMs === null ? [] : [{ at: at(faultAfterMs + 8_000), kind: "lifted", text: "" }];
  const id = record.id ?? "drill-a";
  return {
    "chaoslib-version": "1.54.0",
    platform: "test",
    node: "test",
    experiment: { title, description: "", method: [] },
    start,
    end: at(12_000),
    duration: 12,
    status: "completed",
    deviated: record.outcome === "deviated",
    steady_states: { before: null, after: null, during: [] },
    run: [],
    rollbacks: [],
    gsf: {
      runId: `${start.replaceAll(/[-:.]/g, "")}-${id}`,
      id,
      category: "network",
      weight: 1,
      specHash: `hash-of-${id}`,
      seed: 7,
      environment: "test",
      outcome: "held",
      targets: targets.map((name) => ({ kind: "process", name, isStation: true, share: 1 })),
      felt: { kill: "state Z" },
      mttdMs: 500,
      mttrMs: 1_000,
      detectWithinMs: 1_000,
      recoverWithinMs: 3_000,
      trips: [],
      marks: [...fault, { at: at(1_500), kind: "detected", text: "suspect" }, ...lifted],
      ...record,
    },
  };
}

/** An experiment that is a drill. */
export function experimentOf(id: string, category = "network", title = `Drill ${id}`): object {
  return {
    title,
    description: title,
    method: [],
    extensions: [{ name: "gsf", id, category }],
  };
}

export class DrillStore implements Disposable {
  readonly path: string = mkdtempSync(join(tmpdir(), "gsf-drill-store-"));

  /** Writes a journal, and returns its path. */
  journal(made: MadeJournal = {}): string {
    const journal = journalOf(made) as { gsf: DrillRecord };
    return this.write(`journals/${journal.gsf.runId}.json`, JSON.stringify(journal));
  }

  /** Writes an experiment below `drills`, and returns its path. */
  experiment(id: string, category?: string, title?: string): string {
    return this.write(`drills/${id}.json`, JSON.stringify(experimentOf(id, category, title)));
  }

  write(name: string, content: string): string {
    const path = join(this.path, name);
    mkdirSync(join(path, ".."), { recursive: true });
    writeFileSync(path, content);
    return path;
  }

  runs(): ReturnType<typeof readRuns>["runs"] {
    return readRuns(this.path).runs;
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
