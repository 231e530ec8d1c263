/**
 * Planted bugs in whose failure it was: what is held against a station and what is not, and how
 * soon. Most of them were in the code once (issue 10): ordinary errors, slow routes, uploads and
 * shortages of our own moved the active role.
 */
import type { Mutant } from "./mutant.ts";

const DISPATCH = "resilience/src/core/failover/dispatch.ts";
const EVIDENCE = "resilience/src/core/failover/evidence/evidence.ts";
const USUAL_TIMES = "resilience/src/core/failover/learned/usual-times.ts";

export const EVIDENCE_MUTANTS: readonly Mutant[] = [
  {
    name: "silence-after-timeout",
    bug: "attempts are never overdue: silence counts only when they time out",
    file: "resilience/src/core/failover/learned/answer-times.ts",
    edits: [
      { find: "const known = this.#total >= MIN_ANSWERS;", replace: "const known = this.#total >= 1e9 * MIN_ANSWERS;" },
    ],
    invariants: ["takes-over", "fit-is-promoted"],
  },
  {
    name: "refusals-open-the-circuit",
    bug: "refused connections are failures to the circuit",
    file: DISPATCH,
    edits: [
      {
        find: "        this.#router.trialFailed(station, true, nowMs);\n        break;",
        replace:
          "        this.#router.trialFailed(station, true, nowMs);\n        if (permit !== undefined) breaker?.failure(permit, nowMs);\n        return;",
      },
    ],
    invariants: ["breaker-trips-on-evidence"],
  },
  {
    name: "given-up-is-an-answer",
    bug: "an attempt that is given up because nobody knows what became of its call counts as an answer of its station",
    file: "resilience/src/core/outcomes/error-evidence.ts",
    edits: [{ find: '  "AMBIGUOUS_OUTCOME",\n', replace: "" }],
    invariants: ["fit-is-promoted"],
  },
  {
    name: "circuit-stays-open",
    bug: "the circuit of a station that was down stays open although its heartbeats are back",
    file: "resilience/src/core/failover/station.ts",
    edits: [{ find: "    this.parts.breaker?.reset(atMs);\n", replace: "" }],
    invariants: ["breaker-counts-its-own", "fit-is-promoted", "serves-after-heal"],
  },
  {
    name: "parked-instead-of-compared",
    bug: "a repeatable call that failed is parked until later, and does not go to the other station",
    file: DISPATCH,
    edits: [
      {
        find: "    if (call.visits?.length === 1 && source.skipsComparison()) {",
        replace:
          "    if (call.attempts === 1) return this.#park(call, 5_000, nowMs);\n    if (call.visits?.length === 1 && source.skipsComparison()) {",
      },
    ],
    invariants: ["ordinary-error-is-prompt"],
  },
  {
    name: "own-errors-are-evidence",
    bug: "an error that both stations give counts against the first",
    file: DISPATCH,
    edits: [
      {
        find: "        source.noteAgreement();\n",
        replace:
          "      for (const visit of failures.slice(0, 1)) visit.station.evidence.noteServedElsewhere(visit.lastStartedMs);\n",
      },
    ],
    invariants: ["no-role-change-without-fault", "promotes-on-evidence"],
  },
  {
    name: "uploads-judged-by-age",
    bug: "an attempt whose body is still being sent is judged by its age",
    file: DISPATCH,
    edits: [
      {
        find: "    if (attempt.place < 0 || attempt.isUploading === isUploading) return;\n",
        replace: "    if (attempt.place < nowMs || isUploading) return;\n",
      },
    ],
    invariants: ["quiet-is-served", "no-role-change-without-fault"],
  },
  {
    name: "hang-ups-are-evidence",
    bug: "a caller who hangs up is held against the station",
    file: DISPATCH,
    edits: [
      {
        find: "      const { station } = attempt;\n      this.#noteSwallowed",
        replace:
          "      const { station } = attempt;\n      station.evidence.noteLost(attempt.startedMs);\n      this.#noteSwallowed",
      },
    ],
    invariants: ["no-role-change-without-fault", "promotes-on-evidence"],
  },
  {
    name: "slow-routes-are-overdue",
    bug: "an attempt is overdue by what other routes take, although its own always takes long",
    file: USUAL_TIMES,
    edits: [
      {
        find: "(isUsual ? usualMs : this",
        replace:
          "(isUsual ? Math.min(attempt.call.source.overdueAfterMs, attempt.station.answerTimes.overdueAfterMs()) : this",
      },
      {
        find: "return source.isKnown ? Math.max(source.overdueAfterMs, afterMs) : afterMs;",
        replace: "return source.isKnown ? Math.min(source.overdueAfterMs, afterMs) : afterMs;",
      },
    ],
    invariants: ["no-role-change-without-fault", "promotes-on-evidence"],
  },
  {
    name: "shortage-is-a-refusal",
    bug: "what this machine lacks is booked as the station's refusal",
    file: DISPATCH,
    edits: [
      {
        find: '      case "ignored":\n      case "local-shortage":\n        break;\n    }',
        replace:
          '      case "ignored":\n        break;\n      case "local-shortage":\n        evidence.noteRefused(startedMs);\n        break;\n    }',
      },
    ],
    invariants: ["no-role-change-without-fault", "promotes-on-evidence"],
  },
  {
    name: "stall-books-timeouts",
    bug: "timeouts that fall due while this process stood still are booked at once",
    file: DISPATCH,
    edits: [
      {
        find: "        this.roles.distrustUntilMs = Math.max(this.roles.distrustUntilMs, input.untilMs);\n",
        replace: "",
      },
      {
        find: "const readUntilMs = readUntil(lateByMs, nowMs);",
        replace: "const readUntilMs = nowMs;",
      },
    ],
    invariants: ["abstention-is-kept", "no-role-change-without-fault"],
  },
  {
    name: "doubt-promotes",
    bug: "a doubt, which is there to move new calls, moves the active role",
    file: EVIDENCE,
    edits: [
      {
        find: "    if (!this.isSuspect) return false;\n",
        replace: "    if (!this.isSuspect) return false;\n    if (this.isDoubted) return true;\n",
      },
      {
        find: "    if (this.#refused >= this.#refusalsToDeclare) return `",
        replace:
          "    if (this.isDoubted) return this.doubt;\n    if (this.#refused >= this.#refusalsToDeclare) return `",
      },
    ],
    invariants: ["no-role-change-without-fault", "promotes-on-evidence"],
  },
  {
    name: "doubt-for-ever",
    bug: "a station in doubt gets no call that could end the doubt",
    file: "resilience/src/core/failover/router.ts",
    edits: [
      {
        find: "if (!call.terms.isRepeatable || nowMs < station.nextTrialMs || !station.admits(nowMs)) return false;",
        replace: "if (!call.terms.isRepeatable || nowMs > 0 || !station.admits(nowMs)) return false;",
      },
    ],
    invariants: ["doubt-ends"],
  },
  {
    name: "answers-end-no-silence",
    bug: "overdue attempts are counted, whatever was answered between them",
    file: EVIDENCE,
    edits: [
      {
        find: "    this.#late.noteWell();\n    this.#silentSinceMs = Number.POSITIVE_INFINITY;\n",
        replace: "",
      },
    ],
    invariants: ["no-role-change-without-fault", "promotes-on-evidence"],
  },
  {
    name: "one-caller-is-many",
    bug: "one source that repeats a failing request counts as many",
    file: DISPATCH,
    edits: [
      {
        find: '    if (whose !== "unknown") return;\n    if (!call.isRepeatable) station.evidence.noteFailedForGood(source, startedMs);\n    const several = station.evidence.noteFailed(source, source.hasBeenServedBy(station.number), startedMs, nowMs);',
        replace: "    const several = station.evidence.noteFailed(source, true, startedMs, nowMs);",
      },
    ],
    invariants: ["no-role-change-without-fault"],
  },
  {
    name: "some-failures-are-no-news",
    bug: "a station that fails half of the commands that may not run twice, and serves the rest, is compared with nobody",
    file: DISPATCH,
    edits: [
      {
        find: "    if (!call.isRepeatable) station.evidence.noteFailedForGood(source, startedMs);\n",
        replace: "",
      },
    ],
    invariants: ["goodput-comes-back"],
  },
  {
    name: "comparison-needs-a-thousand",
    bug: "what the other station served counts only after a thousand failures",
    file: "resilience/src/core/failover/evidence/evidence.ts",
    edits: [
      {
        find: "const VERDICTS = 20;",
        replace: "const VERDICTS = 2_000;",
      },
      {
        find: "const MIN_LOST = 5;",
        replace: "const MIN_LOST = 1_000;",
      },
      {
        find: "const DOUBTED_AFTER_LOST = 3;",
        replace: "const DOUBTED_AFTER_LOST = 1_000;",
      },
    ],
    invariants: ["fit-is-promoted", "takes-over"],
  },
  {
    name: "late-results-count",
    bug: "results of calls from before a station was promoted, or heard again, count in its new time",
    file: "resilience/src/core/failover/evidence/evidence.ts",
    edits: [
      {
        find: "    if (startedMs < this.#beginsMs) return;\n    this.#refused++;",
        replace: "    this.#refused++;",
      },
      {
        find: "    if (startedMs < this.#beginsMs) return;\n    this.#lost++;",
        replace: "    this.#lost++;",
      },
      {
        find: "    if (startedMs < this.#beginsMs || startedMs < this.#servedFromMs) return;\n    this.#late.note();",
        replace: "    if (startedMs < this.#servedFromMs) return;\n    this.#late.note();",
      },
      {
        find: "    if (startedMs >= this.#beginsMs) this.#addVerdict(1);",
        replace: "    if (startedMs < Number.POSITIVE_INFINITY) this.#addVerdict(1);",
      },
      {
        find: "    if (startedMs < this.#beginsMs || startedMs < this.#servedFromMs) return false;\n",
        replace: "    if (startedMs < this.#servedFromMs) return false;\n",
      },
    ],
    invariants: ["promotes-on-evidence"],
  },
  {
    name: "a-second-is-enough",
    bug: "an attempt may take a second where nothing is written, however long commands take here",
    file: "gateway/src/config/commands.ts",
    edits: [
      {
        find: "timeoutMs: timeout ?? deadline,",
        replace: "timeoutMs: timeout ?? Math.min(1_000, deadline),",
      },
    ],
    invariants: ["quiet-is-served", "no-role-change-without-fault"],
    scenario: "wide-swarm",
  },
  {
    name: "the-slowest-are-silence",
    bug: "calls that are out long after later ones were served speak against their station: the last ones out are always the slowest",
    file: "resilience/src/core/failover/evidence/evidence.ts",
    edits: [
      {
        find: "    if (startedMs < this.#beginsMs || startedMs < this.#servedFromMs) return;\n    this.#late.note();",
        replace: "    if (startedMs < this.#beginsMs) return;\n    this.#late.note();",
      },
    ],
    invariants: ["no-role-change-without-fault"],
    scenario: "wide-swarm",
  },
];
