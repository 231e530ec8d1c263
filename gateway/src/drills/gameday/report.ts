/**
 * The report of a game day, in seven parts: what was tried and whether it went as predicted, the
 * timeline, surprises, findings, numbers against targets, what was not tested, and how to run it
 * again. Three rules: no finding without an owner and a date, a stop by a guardrail is the
 * guardrail's success, and a run whose fault nobody felt is invalid and no pass.
 */
import type { Block, Report, Section } from "../pictures/document.ts";
import { shownDay, shownDuration, shownMinute, shownTime } from "../pictures/durations.ts";
import { shellWord } from "../pictures/escaping.ts";
import type { Shape } from "../pictures/svg.ts";
import { timeline } from "../pictures/timeline.ts";
import { ROLES } from "./events.ts";
import { type DayView, overdueParts } from "./fold.ts";
import { earlyDetections, isJudged, predictionResults, repeatFindings } from "./numbers.ts";
import { untestedSection } from "./report-coverage.ts";
import { type DayReportInput, outcomeText } from "./report-input.ts";
import { numbersSection } from "./report-numbers.ts";

/** The report of a day. */
export function dayReport(input: DayReportInput): Report {
  const { view } = input;
  return {
    title: `Game day: ${view.plan.title}`,
    opening: opening(view),
    sections: [
      triedSection(view),
      timelineSection(view),
      surpriseSection(view),
      findingSection(input),
      numbersSection(input),
      untestedSection(input),
      againSection(view),
    ],
  };
}

function opening(view: DayView): Block[] {
  const { plan, roles, status, id } = view;
  const window =
    plan.from === "" && plan.until === "" ? "" : `, window ${shownWindow(plan.from)} to ${shownWindow(plan.until)}`;
  const tampered = view.problems.filter(({ kind }) => kind !== "torn");
  return [
    ...tampered.map(
      ({ line, text }): Block => ({
        kind: "warning",
        text: `the record of this day is not as it was written: line ${line} ${text}.`,
      }),
    ),
    ...view.damage.map(
      (text): Block => ({ kind: "warning", text: `an earlier look found the record damaged: ${text}.` }),
    ),
    ...(plan.objective === "" ? [] : [{ kind: "text", text: plan.objective } as const]),
    {
      kind: "list",
      items: [
        `${id}, ${status}; environment ${plan.environment}${window}`,
        `Systems: ${plan.systems.length === 0 ? "none named" : plan.systems.join(", ")}`,
        `Roles: ${ROLES.map((role) => `${role} ${roles.get(role) ?? "(nobody)"}`).join(", ")}`,
        `Record: ${view.entries} events, last hash ${view.headHash}`,
      ],
    },
    ...view.problems
      .filter(({ kind }) => kind === "torn")
      .map(({ line, text }): Block => ({ kind: "text", text: `Line ${line} of the record ${text}.` })),
  ];
}

function shownWindow(instant: string): string {
  return instant === "" ? "open" : `${shownMinute(Date.parse(instant))} UTC`;
}

function triedSection(view: DayView): Section {
  const results = predictionResults(view);
  const rows = view.runs.map((run) => {
    const predicted = results.filter(
      ({ prediction }) => prediction.experiment === run.experiment && prediction.seal === "sealed",
    );
    const isFirst = predicted.some((one) => one.run === run);
    const right = predicted.filter(({ isOutcomeRight }) => isOutcomeRight).length;
    return [
      `${run.number} ${run.experiment}`,
      run.title,
      predicted.length === 0
        ? "nothing"
        : predicted
            .map(({ prediction: { who, expected, confidence } }) => `${who}: ${expected} (${confidence} %)`)
            .join("; "),
      outcomeText(run),
      isFirst
        ? `${right} of ${predicted.length}`
        : isJudged(run) && predicted.length > 0
          ? "a repetition"
          : "cannot be said",
    ];
  });
  const predictions = results.map(({ prediction: one, isOutcomeRight, isDetectionRight, isRecoveryRight }) => [
    one.who,
    one.team === "" ? "none" : one.team,
    one.experiment,
    `${one.expected}, ${one.confidence} %${one.text === "" ? "" : `: ${one.text}`}`,
    judged(isOutcomeRight),
    one.detectWithinMs === null ? "nothing said" : `${shownDuration(one.detectWithinMs)}: ${judged(isDetectionRight)}`,
    one.recoverWithinMs === null ? "nothing said" : `${shownDuration(one.recoverWithinMs)}: ${judged(isRecoveryRight)}`,
    one.seal === "sealed"
      ? `sealed ${shownTime(one.atMs).slice(0, 8)}`
      : one.seal === "late"
        ? "LATE, does not count"
        : "CHANGED, does not count",
  ]);
  return {
    title: "1. What was tried, and whether it went as predicted",
    blocks: [
      rows.length === 0
        ? { kind: "text", text: "Nothing was run." }
        : {
            kind: "table",
            caption: "Runs",
            head: ["Run", "Experiment", "Predicted", "Result", "Predictions that were right"],
            rows,
          },
      ...(predictions.length === 0
        ? []
        : [
            {
              kind: "table",
              caption: "Predictions",
              head: ["Who", "Team", "Experiment", "Expected", "Right?", "Detected within", "Recovered within", "Seal"],
              rows: predictions,
            } as const,
          ]),
    ],
  };
}

function judged(isRight: boolean | null): string {
  return isRight === null ? "cannot be said" : isRight ? "yes" : "no";
}

const MARK_SHAPES: Readonly<Record<string, Shape>> = {
  recovered: "good",
  mitigated: "good",
  surprise: "bad",
  halt: "stopped",
};

function timelineSection(view: DayView): Section {
  const blocks = view.runs.flatMap((run): Block[] => {
    const { ended, marks, number, experiment } = run;
    const t0Ms = ended?.t0Ms ?? null;
    const rowOf = (source: "system" | "human"): Array<{ atMs: number; shape: Shape; text: string }> =>
      marks
        .filter((mark) => mark.source === source)
        .map(({ atMs, kind, text, by }) => ({
          atMs,
          shape: MARK_SHAPES[kind] ?? (source === "system" ? "system" : "slow"),
          text:
            source === "system" ? (kind === "note" ? text : kind) : `${kind}${text === "" ? "" : `: ${text}`} (${by})`,
        }));
    const svg = timeline({
      title: `Run ${number}, ${experiment}: the fault as a band, and what the system and people marked. The table below has the same.`,
      bands: t0Ms === null ? [] : [{ fromMs: t0Ms, toMs: ended?.t1Ms ?? null, text: "fault" }],
      lanes: [
        { label: "system", marks: rowOf("system") },
        { label: "people", marks: rowOf("human") },
      ],
    });
    const rows = marks.map(({ atMs, kind, source, by, text, writtenLaterMs }) => [
      shownTime(atMs),
      t0Ms === null ? "unknown" : shownDuration(atMs - t0Ms),
      source === "system" ? "system" : by,
      kind,
      `${text}${writtenLaterMs === 0 ? "" : ` (written ${shownDuration(writtenLaterMs)} later)`}`,
    ]);
    const fault =
      t0Ms === null
        ? "the instant of the fault is not known"
        : `fault at ${shownTime(t0Ms)}, ${ended?.t1Ms == null ? "no lift is recorded" : `lifted after ${shownDuration(ended.t1Ms - t0Ms)}`}`;
    return [
      { kind: "figure", svg, caption: `Run ${number}, ${experiment}; times are UTC and since the fault.` },
      rows.length === 0
        ? { kind: "text", text: `Run ${number}, ${experiment}: ${fault}; no marks.` }
        : {
            kind: "table",
            caption: `Run ${number}, ${experiment}: ${fault}`,
            head: ["Time", "Since the fault", "Who", "Mark", "Text"],
            rows,
          },
    ];
  });
  const other = view.otherMarks.map(({ atMs, kind, by, text }) => [
    `${shownDay(atMs)} ${shownTime(atMs)}`,
    by,
    kind,
    text,
  ]);
  return {
    title: "2. Timeline",
    blocks: [
      ...(blocks.length === 0 ? [{ kind: "text", text: "There was no run." } as const] : blocks),
      ...(other.length === 0
        ? []
        : [
            {
              kind: "table",
              caption: "Marks outside of runs",
              head: ["Time", "Who", "Mark", "Text"],
              rows: other,
            } as const,
          ]),
    ],
  };
}

/** From this confidence on, being wrong is a surprise. */
const SURE = 50;

function surpriseSection(view: DayView): Section {
  const marks = [...view.runs.flatMap((run) => run.marks), ...view.otherMarks].filter(
    ({ kind }) => kind === "surprise",
  );
  const wrong = predictionResults(view).filter(
    ({ prediction, isOutcomeRight }) =>
      isOutcomeRight === false && prediction.seal === "sealed" && prediction.confidence >= SURE,
  );
  const early = view.runs.flatMap((run) => earlyDetections(run).map((mark) => ({ run, mark })));
  const items = [
    ...marks.map(
      ({ text, by, atMs }) =>
        `${text === "" ? "a surprise without words" : text} (${by}, ${shownTime(atMs).slice(0, 8)})`,
    ),
    ...wrong.map(
      ({ prediction: { who, experiment, expected, confidence }, run }) =>
        `${who} was ${confidence} % sure that ${experiment} would be ${expected}; it was ${run?.ended?.outcome ?? "not known"}`,
    ),
    ...early.map(
      ({ run, mark }) =>
        `run ${run.number}: "detected" ${shownDuration((run.ended?.t0Ms ?? 0) - mark.atMs)} before the fault: a false alarm, or a clock that is wrong`,
    ),
  ];
  return {
    title: "3. What surprised us",
    blocks: [
      items.length === 0
        ? { kind: "text", text: "No surprise was marked, and no confident prediction was wrong." }
        : { kind: "list", items },
    ],
  };
}

function findingSection({ view, others, nowMs }: DayReportInput): Section {
  const repeats = new Map(repeatFindings(view, others).map((repeat) => [repeat.finding.id, repeat]));
  const today = shownDay(nowMs);
  const rows = view.findings.map((finding) => {
    const repeat = repeats.get(finding.id);
    const actions = finding.actions.map(({ text, owner, due }) => `${text} (${owner}, ${due})`);
    return [
      finding.id,
      `${finding.severity}, ${finding.class}`,
      `${finding.title}${repeat === undefined ? "" : ` (REPEATS ${repeat.day}/${repeat.earlier.id})`}`,
      `${finding.expected || "nothing written"} / ${finding.observed || "nothing written"}`,
      finding.owner,
      `${finding.due}${overdueParts(finding, today).length === 0 ? "" : " OVERDUE"}`,
      `${finding.status}${finding.verifiedByRun === undefined ? "" : ` by ${finding.verifiedByRun}`}`,
      [...actions, ...finding.evidence, ...(finding.ticket === "" ? [] : [finding.ticket])].join("; "),
    ];
  });
  return {
    title: "4. Findings",
    blocks: [
      rows.length === 0
        ? { kind: "text", text: "No finding was written down." }
        : {
            kind: "table",
            caption: "Severity 1 is the worst",
            head: [
              "Id",
              "Severity, class",
              "Finding",
              "Expected / observed",
              "Owner",
              "Due",
              "Status",
              "Actions, evidence, ticket",
            ],
            rows,
          },
    ],
  };
}

function againSection(view: DayView): Section {
  const lines = view.runs.flatMap(({ ended, file, commit, number }) => {
    const seed = ended?.seed ?? null;
    return [
      `# run ${number}${commit === "" ? ", commit not known" : `, commit ${commit}`}${ended === undefined || ended.specHash === "" ? "" : `, experiment ${ended.specHash}`}`,
      `gsf drill run ${shellWord(file)}${seed === null ? "" : ` --seed ${seed}`} --environment ${shellWord(view.plan.environment)}`,
    ];
  });
  return {
    title: "7. How to run it again",
    blocks: [lines.length === 0 ? { kind: "text", text: "There was no run." } : { kind: "code", lines }],
  };
}
