/** Planted bugs in what is sent where, and in what callers are told. */
import type { Mutant } from "./mutant.ts";

const DISPATCH = "resilience/src/core/failover/dispatch.ts";

export const FAILOVER_MUTANTS: readonly Mutant[] = [
  {
    name: "no-fence-at-spacecraft",
    bug: "the spacecraft does not check the epoch, and the station neither",
    file: "gateway/src/demo/spacecraft.ts",
    edits: [{ find: "epoch !== undefined && epoch < this.#epochSeen", replace: "epoch !== undefined && epoch < 0" }],
    invariants: ["epochs-never-decrease"],
  },
  {
    name: "no-deduplication",
    bug: "the spacecraft executes a repeated key again",
    file: "gateway/src/demo/spacecraft.ts",
    edits: [{ find: "if (first !== undefined) {", replace: "if (first !== undefined && this.#remembered < 0) {" }],
    invariants: ["executed-once"],
  },
  {
    name: "no-fence-at-station",
    bug: "a station carries on what an older epoch sends",
    file: "gateway/src/fleet/station-guard.ts",
    edits: [{ find: "epoch !== undefined && epoch < this.#epochSeen", replace: "epoch !== undefined && epoch < 0" }],
    invariants: ["stations-refuse-old-epochs"],
  },
  {
    name: "blind-resend",
    bug: "a command without a key that a station had in hand is sent again",
    file: DISPATCH,
    edits: [
      { find: "    if (!isRepeatable) {\n", replace: '    if (!isRepeatable && result !== "lost") {\n' },
      { find: "(!isRepeatable || !this.#mayResend(call))", replace: "isRepeatable && !this.#mayResend(call)" },
    ],
    invariants: ["once-is-sent-once", "executed-once"],
  },
  {
    name: "timeout-reported-as-refused",
    bug: "a command that may have run is reported as not executed",
    file: "gateway/src/fleet/problem.ts",
    edits: [
      {
        find: "  return wasConnectionLost(error);\n",
        replace: "  return false && wasConnectionLost(error);\n",
      },
    ],
    invariants: ["failed-is-not-executed"],
  },
  {
    name: "deadline-proof-forgotten",
    bug: "a deadline that ends a command in flight is reported as never having run",
    file: DISPATCH,
    edits: [
      {
        find: "    const mayHaveRun = call.mayHaveRun;\n",
        replace: "    const mayHaveRun = call.mayHaveRun && call.id < 0;\n",
      },
    ],
    invariants: ["failed-is-not-executed"],
  },
  {
    name: "acknowledged-early",
    bug: "a command that was lost with its station is answered as if it had succeeded",
    file: "gateway/src/fleet/answer.ts",
    edits: [
      {
        find: "  } catch (error) {\n",
        replace:
          '  } catch (error) {\n    if (request.method === "POST") return { type: "reply", reply: { ...OURSELVES, status: 200 } };\n',
      },
    ],
    invariants: ["acknowledged-is-executed"],
  },
  {
    name: "deadline-restarts",
    bug: "each further attempt begins its deadline anew",
    file: "resilience/src/runtime/failover/request.ts",
    edits: [
      {
        find: "    return this.record.call.terms.deadline as Deadline;",
        replace: "    return this.record.call.terms.deadline + (this.record.number - 1) * 30_000;",
      },
    ],
    invariants: ["deadline-never-grows", "sent-before-deadline"],
  },
  {
    name: "sent-after-deadline",
    bug: "a call that waits is sent although its deadline has passed",
    file: DISPATCH,
    edits: [
      {
        find: "this.#due.set(call, Math.min(call.terms.deadline, untilMs, call.timeoutAtMs));",
        replace: "this.#due.set(call, Math.min(untilMs, call.timeoutAtMs));",
      },
      {
        find: "      if (nowMs >= call.terms.deadline) {",
        replace: "      if (nowMs >= (call.waitEndsMs ?? ENDLESS)) {",
      },
      {
        find: "const isTooLate = this.#outlook.limitMs(call) < nowMs + this.#usual.serviceMs;",
        replace: "const isTooLate = (call.waitEndsMs ?? ENDLESS) < nowMs;",
      },
    ],
    invariants: ["sent-before-deadline", "answered-in-time"],
  },
  {
    name: "station-ignores-deadline",
    bug: "a station carries on what is past its deadline",
    file: "gateway/src/fleet/station-guard.ts",
    edits: [
      { find: 'return timeLeftMs <= 0 ? { type: "late" }', replace: 'return timeLeftMs <= -1e12 ? { type: "late" }' },
    ],
    invariants: ["stations-drop-the-late"],
  },
  {
    name: "old-station-keeps-calls",
    bug: "calls that are out at a silent station stay there",
    file: DISPATCH,
    edits: [
      {
        find: "    for (const attempt of [...this.#out.at(station)]) {\n      const { call } = attempt;\n",
        replace:
          "    for (const attempt of [...this.#out.at(station)].slice(0, 0)) {\n      const { call } = attempt;\n",
      },
    ],
    invariants: ["moves-what-was-in-flight", "takes-over", "answered-in-time"],
  },
  {
    name: "parked-never-resumed",
    bug: "a call that waits for an instant is not looked at before its deadline",
    file: DISPATCH,
    edits: [
      {
        find: "    this.#rest(call, nowMs + forMs);",
        replace: "    this.#rest(call, ENDLESS);",
      },
    ],
    invariants: ["held-moves", "waiting-moves"],
  },
  {
    name: "waits-past-its-time",
    bug: "a command waits for somebody eligible for as long as it takes",
    file: DISPATCH,
    edits: [
      {
        find: "    this.#rest(call, call.waitEndsMs);",
        replace: "    this.#due.remove(call);",
      },
    ],
    invariants: ["answered-in-time", "sources-are-told"],
  },
  {
    name: "queue-without-bound",
    bug: "more commands wait than may",
    file: DISPATCH,
    edits: [
      {
        find: "if (this.#queue.size >= this.#options.maxWaiting) {",
        replace: "if (this.#queue.size >= Number.MAX_SAFE_INTEGER) {",
      },
    ],
    invariants: ["waiting-within-limit", "queues-are-bounded"],
  },
  {
    name: "place-never-left",
    bug: "a call that ends ignored keeps its place at the station",
    file: DISPATCH,
    edits: [
      {
        find: "    this.#bookUnserved(attempt, end, nowMs);\n    station",
        replace: '    this.#bookUnserved(attempt, end, nowMs);\n    if (end.result !== "ignored") station',
      },
    ],
    invariants: ["counts-agree", "everything-returns"],
  },
  {
    name: "put-is-safe",
    bug: "PUT and DELETE without a key are sent again",
    file: "gateway/src/fleet/command.ts",
    edits: [{ find: '"OPTIONS", "TRACE"]', replace: '"OPTIONS", "TRACE", "PUT", "DELETE"]' }],
    invariants: ["once-is-sent-once", "executed-once"],
  },
  {
    name: "report-ignored",
    bug: "a keyed command is re-sent although its group wants a report",
    file: "resilience/src/runtime/failover/failover.ts",
    edits: [
      {
        find: 'resendsKeyed: (options.ambiguousKeyed ?? "resend") === "resend",',
        replace: 'resendsKeyed: (options.ambiguousKeyed ?? "resend").length > 0,',
      },
    ],
    invariants: ["report-is-not-resent"],
  },
  {
    name: "waits-for-the-next",
    bug: "what waits is looked at only when another command comes or ends",
    file: DISPATCH,
    edits: [
      {
        find: "return opensMs > nowMs ? opensMs : nowMs + QUEUE_RECHECK_MS;",
        replace: "return opensMs + 1e9;",
      },
    ],
    invariants: ["waiting-moves"],
  },
  {
    name: "hop-without-limit",
    bug: "a call that failed goes to every station again and again",
    file: "resilience/src/core/failover/router.ts",
    edits: [
      {
        find: "    return call.visitAt(station) === undefined;",
        replace: "    return (call.visits?.at(-1)?.station ?? station) !== station || call.attempts > 1;",
      },
    ],
    invariants: ["ordinary-error-is-prompt", "retries-within-budget"],
  },
  {
    name: "once-is-hedged",
    bug: "a command without a key that is overdue gets a second attempt elsewhere",
    file: DISPATCH,
    edits: [
      {
        find: 'if (call.state.phase !== "running" || !this.#mayResend(call) || call.out?.length !== 1) return;',
        replace: 'if (call.state.phase !== "running" || call.out?.length !== 1) return;',
      },
    ],
    invariants: ["once-is-sent-once", "executed-once"],
  },
  {
    name: "hedged-although-reported",
    bug: "an overdue keyed command gets a second attempt elsewhere, though its group wants a report",
    file: DISPATCH,
    edits: [
      {
        find: 'if (call.state.phase !== "running" || !this.#mayResend(call) || call.out?.length !== 1) return;',
        replace: 'if (call.state.phase !== "running" || !call.terms.isRepeatable || call.out?.length !== 1) return;',
      },
    ],
    invariants: ["report-is-not-resent"],
  },
  {
    name: "hedges-without-budget",
    bug: "every overdue call gets a second attempt elsewhere, however many there are",
    file: DISPATCH,
    edits: [
      {
        find: "    if (next === undefined || !this.#hedges.withdraw(nowMs)) return;\n    this.#hedges.send(nowMs);\n",
        replace: "    if (next === undefined) return;\n",
      },
    ],
    invariants: ["second-attempts-are-few"],
    scenario: "wide-swarm",
  },
  {
    name: "once-finds-out",
    bug: "a command without a key finds out whether a silent station lives, while others wait that can be repeated",
    file: "resilience/src/core/failover/router.ts",
    edits: [
      {
        find: '      if (station.liveness === "down" && !call.terms.isRepeatable && !station.evidence.isRefusing) continue;\n',
        replace: "",
      },
    ],
    invariants: ["once-is-not-spent"],
  },
  {
    name: "full-station-takes-more",
    bug: "a call that goes on to the other station goes there however much that has to do",
    file: "resilience/src/core/failover/router.ts",
    edits: [
      {
        find: "      if (!this.#isFresh(call, station, nowMs)) continue;\n      if (station.admits(nowMs)) return station;\n",
        replace: "      if (!this.#isFresh(call, station, nowMs)) continue;\n      return station;\n",
      },
    ],
    invariants: ["in-flight-within-limit", "offered-within-capacity"],
  },
  {
    name: "moved-counts-as-lost",
    bug: "a command that went on without its attempt may have run, although that attempt never arrived",
    file: DISPATCH,
    edits: [{ find: "    if (attempt.isMoved && NEVER_RAN.has(result)) undoLoss(call, station);\n", replace: "" }],
    invariants: ["unknown-is-possible"],
  },
];
