/**
 * A game day as its events tell it: a pure function from the chain to a view. The order in which
 * marks were written does not matter for what is derived from them, only when they happened; people
 * write a mark a minute late, and in the heat in the wrong order. Whether a prediction came before
 * the injection is decided here, from the chain, and not by what anybody says about it.
 */
import type {
  Check,
  Finding,
  FindingState,
  MarkKind,
  Planned,
  PlannedExperiment,
  Prediction,
  Role,
  RunEnded,
} from "./events.ts";
import { MARK_KINDS } from "./events.ts";
import type { Chain, Entry, Problem } from "./seal.ts";

type DayStatus = "planned" | "briefed" | "running" | "debriefed" | "closed";

export interface Mark {
  readonly atMs: number;
  /** Written much later than it happened, in milliseconds; 0: at once. */
  readonly writtenLaterMs: number;
  readonly by: string;
  readonly kind: MarkKind;
  readonly source: "human" | "system";
  readonly text: string;
  readonly run: number | null;
}

export interface MadePrediction extends Prediction {
  readonly who: string;
  readonly atMs: number;
  readonly hash: string;
  /**
   * Before the injection, after it ("late"), or in a line that was changed afterwards ("broken").
   * Only sealed ones count in a calibration.
   */
  readonly seal: "sealed" | "late" | "broken";
}

export interface DayRun {
  readonly number: number;
  readonly experiment: string;
  readonly title: string;
  readonly file: string;
  readonly commit: string;
  readonly fileHash: string;
  readonly startedMs: number;
  readonly startedBy: string;
  /** undefined: it is in progress, or its process died. */
  readonly ended: RunEnded | undefined;
  readonly endedMs: number | undefined;
  /** By time; of people and of the system. */
  readonly marks: readonly Mark[];
}

interface Action {
  readonly text: string;
  readonly owner: string;
  readonly due: string;
}

export interface DayFinding extends Omit<Finding, "kind"> {
  readonly status: FindingState;
  readonly foundMs: number;
  readonly foundBy: string;
  /** The experiment of its run; undefined: it belongs to none. */
  readonly experiment: string | undefined;
  readonly actions: readonly Action[];
  readonly verifiedByRun: string | undefined;
  /** What was said at each change, oldest first. */
  readonly history: readonly string[];
}

export interface DayView {
  readonly id: string;
  readonly plan: Omit<Planned, "kind" | "id">;
  /** When the day was planned. */
  readonly plannedMs: number;
  readonly status: DayStatus;
  readonly roles: ReadonlyMap<Role, string>;
  readonly predictions: readonly MadePrediction[];
  readonly rehearsed: ReadonlyMap<string, string>;
  readonly haltTest: { readonly atMs: number; readonly latencyMs: number; readonly isReleased: boolean } | undefined;
  /** Of the last briefing; empty: there was none. */
  readonly checks: readonly Check[];
  /** The last briefing found nothing missing. */
  readonly isBriefed: boolean;
  readonly runs: readonly DayRun[];
  /** Marks that belong to no run, by time. */
  readonly otherMarks: readonly Mark[];
  readonly findings: readonly DayFinding[];
  readonly problems: readonly Problem[];
  /** What appends found damaged, oldest first. */
  readonly damage: readonly string[];
  readonly headHash: string;
  readonly entries: number;
}

/** A mark that was written at most this long after it happened counts as written at once. */
const AT_ONCE_MS = 5_000;

export function foldDay(id: string, chain: Chain): DayView {
  const { entries } = chain;
  const plan = entries.map(({ event }) => event).find((event) => event.kind === "planned");
  const experiments = plan?.experiments ?? [];
  const marks = entries.flatMap(humanMark);
  const runs = foldRuns(entries, experiments, marks);
  const briefs = entries.flatMap(({ event }) => (event.kind === "brief" ? [event] : []));
  const haltTests = entries.flatMap(({ event, atMs }) => (event.kind === "halt-tested" ? [{ ...event, atMs }] : []));
  return {
    id,
    plan: plan ?? { title: id, objective: "", systems: [], environment: "", from: "", until: "", experiments: [] },
    plannedMs: entries[0]?.atMs ?? 0,
    status: statusOf(entries),
    roles: new Map(entries.flatMap(({ event }) => (event.kind === "role" ? [[event.role, event.name] as const] : []))),
    predictions: entries.flatMap((entry) => foldPrediction(entry, runs, entries)),
    rehearsed: new Map(
      entries.flatMap(({ event }) => (event.kind === "rehearsed" ? [[event.experiment, event.text] as const] : [])),
    ),
    haltTest: haltTests.at(-1),
    checks: briefs.at(-1)?.checks ?? [],
    isBriefed: briefs.at(-1)?.checks.every(({ isMet }) => isMet) ?? false,
    runs,
    otherMarks: marks.filter(({ run }) => run === null || !runs.some(({ number }) => number === run)).toSorted(byTime),
    findings: foldFindings(entries, runs),
    problems: chain.problems,
    damage: entries.flatMap(({ event }) => (event.kind === "damage" ? [event.text] : [])),
    headHash: chain.head.hash,
    entries: entries.length,
  };
}

function statusOf(entries: readonly Entry[]): DayStatus {
  let status: DayStatus = "planned";
  for (const { event } of entries) {
    if (event.kind === "brief" && status === "planned" && event.checks.every(({ isMet }) => isMet)) status = "briefed";
    else if (event.kind === "run-started" && status !== "closed") status = "running";
    else if (event.kind === "status") status = event.status;
  }
  return status;
}

function byTime(a: Mark, b: Mark): number {
  return a.atMs - b.atMs || MARK_KINDS.indexOf(a.kind) - MARK_KINDS.indexOf(b.kind) || (a.text < b.text ? -1 : 1);
}

function humanMark({ event, atMs, by }: Entry): Mark[] {
  if (event.kind !== "mark") return [];
  const writtenLaterMs = atMs - event.happenedAtMs;
  return [
    {
      atMs: event.happenedAtMs,
      writtenLaterMs: writtenLaterMs > AT_ONCE_MS ? writtenLaterMs : 0,
      by,
      kind: event.mark,
      source: "human",
      text: event.text,
      run: event.run,
    },
  ];
}

function foldRuns(
  entries: readonly Entry[],
  experiments: readonly PlannedExperiment[],
  marks: readonly Mark[],
): DayRun[] {
  const runs = new Map<number, DayRun>();
  for (const { event, atMs, by } of entries) {
    if (event.kind === "run-started") {
      const title = experiments.find(({ id }) => id === event.experiment)?.title ?? event.experiment;
      const { run: number, experiment, file, commit, fileHash } = event;
      runs.set(number, {
        ...{ number, experiment, title, file, commit, fileHash },
        startedMs: atMs,
        startedBy: by,
        ended: undefined,
        endedMs: undefined,
        marks: marks.filter(({ run }) => run === number).toSorted(byTime),
      });
    }
    if (event.kind === "run-ended") {
      const run = runs.get(event.run);
      if (run === undefined) continue;
      const human = run.marks.filter(({ source }) => source === "human");
      const all = [...human, ...systemMarks(event)].toSorted(byTime);
      runs.set(event.run, { ...run, ended: event, endedMs: atMs, marks: all });
    }
  }
  return [...runs.values()].toSorted((a, b) => a.number - b.number);
}

function systemMarks({ marks, run }: RunEnded): Mark[] {
  return marks.map(({ atMs, kind, text }) => ({
    atMs,
    writtenLaterMs: 0,
    by: "system",
    kind: (MARK_KINDS as readonly string[]).includes(kind) ? (kind as MarkKind) : "note",
    source: "system",
    text: (MARK_KINDS as readonly string[]).includes(kind) ? text : `${kind}${text === "" ? "" : `: ${text}`}`,
    run,
  }));
}

function foldPrediction(entry: Entry, runs: readonly DayRun[], entries: readonly Entry[]): MadePrediction[] {
  const { event, by, atMs, hash, isSound, number } = entry;
  if (event.kind !== "prediction") return [];
  const begun = entries.some(
    (one) => one.number < number && one.event.kind === "run-started" && one.event.experiment === event.experiment,
  );
  // A run that was held without this program has its instant from the journal.
  const injected = runs.some(
    ({ experiment, ended }) => experiment === event.experiment && (ended?.t0Ms ?? Number.POSITIVE_INFINITY) < atMs,
  );
  const seal = isSound ? (begun || injected ? "late" : "sealed") : "broken";
  return [{ ...event, who: by, atMs, hash, seal }];
}

function foldFindings(entries: readonly Entry[], runs: readonly DayRun[]): DayFinding[] {
  const findings = new Map<string, DayFinding>();
  for (const { event, atMs, by } of entries) {
    if (event.kind === "finding") {
      const { kind: _, ...finding } = event;
      findings.set(event.id, {
        ...finding,
        status: "open",
        foundMs: atMs,
        foundBy: by,
        experiment: runs.find(({ number }) => number === event.run)?.experiment,
        actions: [],
        verifiedByRun: undefined,
        history: [],
      });
      continue;
    }
    if (event.kind !== "finding-changed" && event.kind !== "action" && event.kind !== "verified") continue;
    const finding = findings.get(event.finding);
    if (finding === undefined) continue;
    if (event.kind === "finding-changed") {
      const { status, owner, due, ticket, text } = event;
      findings.set(finding.id, {
        ...finding,
        status: status ?? finding.status,
        owner: owner ?? finding.owner,
        due: due ?? finding.due,
        ticket: ticket ?? finding.ticket,
        verifiedByRun: status === undefined ? finding.verifiedByRun : undefined,
        history: text === "" ? finding.history : [...finding.history, text],
      });
    } else if (event.kind === "action") {
      const { text, owner, due } = event;
      findings.set(finding.id, { ...finding, actions: [...finding.actions, { text, owner, due }] });
    } else findings.set(finding.id, { ...finding, status: "verified", verifiedByRun: event.runId });
  }
  return [...findings.values()];
}

/** Whether work is left to do for the finding. "fixed" waits for the run that proves it. */
export function isOpen({ status }: DayFinding): boolean {
  return status === "open" || status === "accepted" || status === "fixed";
}

/** What is overdue on a day (a date in UTC): the finding itself, or one of its actions. */
export function overdueParts(finding: DayFinding, today: string): string[] {
  if (!isOpen(finding)) return [];
  const actions = finding.actions.filter(({ due }) => due < today);
  return [
    ...(finding.due < today ? [`due ${finding.due}, owner ${finding.owner}`] : []),
    ...actions.map(({ text, due, owner }) => `action "${text}" due ${due}, owner ${owner}`),
  ];
}
