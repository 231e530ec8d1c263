/** Planted bugs in what guards one call: breaker, bulkhead, retries and their budget. */
import type { Mutant } from "./mutant.ts";

const BREAKER = "resilience/src/core/guard/breaker.ts";
const BUDGET = "resilience/src/core/guard/retry-budget.ts";
const DISPATCH = "resilience/src/core/failover/dispatch.ts";

export const GUARD_MUTANTS: readonly Mutant[] = [
  {
    name: "retries-without-budget",
    bug: "the budget never says no",
    file: BUDGET,
    edits: [
      {
        find: "return Math.max(this.ratio * this.#calls.total(0, nowMs), this.reserve);",
        replace: "return Number.POSITIVE_INFINITY * Math.max(1, nowMs);",
      },
    ],
    invariants: ["retries-within-budget", "budget-keeps-books"],
  },
  {
    name: "budget-counts-calls",
    bug: "the budget counts calls that retry, not attempts",
    file: DISPATCH,
    edits: [
      {
        find: "    if (budget?.withdraw(nowMs) === false) return this.#refuseRetry(call, station, budget, nowMs);\n    if (budget !== undefined) call.charged = station;\n    this.#park(call, delayMs, nowMs);",
        replace:
          "    if (tried < 2 && budget?.withdraw(nowMs) === false) return false;\n    if (budget !== undefined && tried < 2) call.charged = station;\n    this.#park(call, delayMs, nowMs);",
      },
      {
        find: "if (tried === 0 || call.charged === station) return true;",
        replace: "if (tried !== 1 || call.charged === station) return true;",
      },
    ],
    invariants: ["retries-within-budget", "budget-keeps-books"],
  },
  {
    name: "resends-beside-budget",
    bug: "commands that leave the queue for a station where they have been are not charged to its budget",
    file: DISPATCH,
    edits: [
      {
        find: "    if (budget === undefined) return true;\n",
        replace: "    if (budget === undefined || tried < maxAttempts) return true;\n",
      },
    ],
    invariants: ["retries-within-budget", "budget-keeps-books"],
  },
  {
    name: "budget-forgets-the-sleeping",
    bug: "retries in backoff are not counted when they are sent",
    file: BUDGET,
    edits: [
      {
        find: "    if (allowed) this.#sent.add(0, nowMs);\n    else this.#refused++;",
        replace: "    if (!allowed) this.#refused++;",
      },
    ],
    invariants: ["retries-within-budget", "budget-keeps-books"],
  },
  {
    name: "budget-leaks",
    bug: "a planned retry that is given up stays on the books for ever",
    file: DISPATCH,
    edits: [
      {
        find: "    if (call.charged !== undefined) this.#refund(call);\n    this.goodput",
        replace: "    this.goodput",
      },
    ],
    invariants: ["counts-agree", "everything-returns"],
  },
  {
    name: "ghosts-in-the-queue",
    bug: "a caller that gives up keeps its place in the queue",
    file: DISPATCH,
    edits: [
      {
        find: '    if (call.state.phase === "done") return;\n    // A caller',
        replace: '    if (call.state.phase === "done" || call.state.phase === "waiting") return;\n    // A caller',
      },
    ],
    invariants: ["nobody-waits-for-nothing", "goodput-comes-back", "collapse-is-told"],
  },
  {
    name: "ghosts-among-the-parked",
    bug: "a caller that gives up while its call is parked is counted as parked for ever",
    file: DISPATCH,
    edits: [
      {
        find: "    else this.#parked--;\n",
        replace: "    else if (call.state !== PARKED) this.#parked--;\n",
      },
    ],
    invariants: ["counts-agree", "queues-are-bounded", "everything-returns"],
  },
  {
    name: "answers-after-the-deadline",
    bug: "a running call is not looked at when its deadline passes",
    file: DISPATCH,
    edits: [
      { find: "Math.min(call.deadline, this.#lookAtMs(attempt, nowMs))", replace: "this.#lookAtMs(attempt, nowMs)" },
      { find: "let atMs = deadline;", replace: "let atMs = answerEndsMs === undefined ? ENDLESS : deadline;" },
    ],
    invariants: ["answered-in-time"],
  },
  {
    name: "breaker-counts",
    bug: "the breaker trips on a count of 50, not on a rate",
    file: BREAKER,
    edits: [
      { find: "if (failures / calls >= this.#failureRateThreshold) {", replace: "if (failures >= 50) {" },
      { find: "if (calls < this.#minimumVolume) return this.#judgeQuiet(nowMs);", replace: "" },
    ],
    invariants: ["breaker-trips-when-due"],
  },
  {
    name: "breaker-never-forgets",
    bug: "the window is not a window: failures of an hour ago count",
    file: "resilience/src/core/guard/rate-window.ts",
    edits: [
      {
        find: "for (let step = 1; step <= elapsed; step++)",
        replace: "for (let step = 1; step <= elapsed - 1e9; step++)",
      },
    ],
    invariants: ["breaker-trips-on-evidence", "offered-within-capacity", "retries-within-budget", "budget-keeps-books"],
  },
  {
    name: "no-minimum-volume",
    bug: "5 of 5 trips",
    file: BREAKER,
    edits: [{ find: "if (calls < this.#minimumVolume) return this.#judgeQuiet(nowMs);", replace: "" }],
    invariants: ["breaker-trips-on-evidence"],
  },
  {
    name: "half-open-lets-all",
    bug: "half-open lets every call through",
    file: BREAKER,
    edits: [
      {
        find: "return this.#probes - this.#leases.length - this.#probeSuccesses - this.#probeFailures;",
        replace: "return this.#probes;",
      },
    ],
    invariants: ["breaker-probes-are-bounded"],
  },
  {
    name: "breaker-never-closes",
    bug: "a probe's success is not counted",
    file: BREAKER,
    edits: [{ find: "    this.#probeSuccesses++;\n", replace: "" }],
    invariants: ["breakers-close", "serves-after-heal"],
  },
  {
    name: "probe-wedges",
    bug: "the lease of a hung probe never ends",
    file: BREAKER,
    edits: [
      {
        find: "++this.#issued;\n    this.#leases.push({ permit, endsMs: nowMs + this.probeLeaseMs });",
        replace: "++this.#issued;\n    this.#leases.push({ permit, endsMs: Number.POSITIVE_INFINITY });",
      },
      {
        find: "const place = permit === this.#generation ? 0 : this.#leases.findIndex((lease) => lease.permit === permit);",
        replace: "const place = permit < 0 ? 0 : -1;",
      },
    ],
    invariants: ["breaker-probes-return", "breakers-close", "serves-after-heal"],
  },
  {
    name: "rejections-count-as-failures",
    bug: "a call that waited too long to be sent is booked as the station's failure",
    file: DISPATCH,
    edits: [
      {
        find: "    if (call.visits !== undefined) return this.#outOfTime(call, nowMs);\n",
        replace:
          "    this.roles.active.evidence.noteLost(nowMs);\n    if (call.visits !== undefined) return this.#outOfTime(call, nowMs);\n",
      },
    ],
    invariants: ["promotes-on-evidence", "no-role-change-without-fault", "comparisons-are-few"],
  },
  {
    name: "aborts-count-as-failures",
    bug: "a caller that hangs up is booked as the station's failure",
    file: DISPATCH,
    edits: [
      {
        find: "    else if (counts) breaker.failure(permit, nowMs);",
        replace: "    else if (isAbandoned && !distrusted) breaker.failure(permit, nowMs);",
      },
    ],
    invariants: ["breaker-trips-on-evidence"],
  },
  {
    name: "slot-kept-at-recall",
    bug: "the slot of an attempt that nobody waits for any more never comes back",
    file: DISPATCH,
    edits: [
      {
        find: "if (sharedSlots !== undefined && !sharedSlots.release())",
        replace: "if (sharedSlots !== undefined && !attempt.isAbandoned && !sharedSlots.release())",
      },
    ],
    invariants: ["counts-agree", "everything-returns"],
  },
  {
    name: "bulkhead-without-bound",
    bug: "more run at one station than may",
    file: "resilience/src/runtime/failover/create-stations.ts",
    edits: [
      {
        find: "      maxConcurrent: parts.bulkhead?.slots.maxConcurrent ?? Number.POSITIVE_INFINITY,\n",
        replace: "",
      },
      { find: "    sharedSlots: parts.bulkhead?.slots,", replace: "    sharedSlots: undefined," },
    ],
    invariants: ["in-flight-within-limit"],
  },
  {
    name: "attempt-never-times-out",
    bug: "an attempt has no timeout of its own",
    file: "resilience/src/core/failover/call.ts",
    edits: [
      {
        find: "Number.POSITIVE_INFINITY : judgedFromMs + station.parts.timeoutMs;",
        replace: "Number.POSITIVE_INFINITY : judgedFromMs + 1_000 * station.parts.timeoutMs;",
      },
    ],
    invariants: ["attempts-time-out", "takes-over"],
  },
  {
    name: "open-for-nothing",
    bug: "an open circuit is half-open at once",
    file: "resilience/src/core/guard/breaker.ts",
    edits: [
      {
        find: "this.#openUntilMs = Math.max(atMs + this.#openForMs(), this.#hintUntilMs);",
        replace: "this.#openUntilMs = atMs;",
      },
    ],
    invariants: ["breaker-probes-are-bounded", "breaker-transitions-are-legal"],
  },
  {
    name: "permit-kept-on-abort",
    bug: "a probe that is aborted keeps its permit",
    file: "resilience/src/core/guard/breaker.ts",
    edits: [
      {
        find: 'if (this.#state === "half-open" || this.#state === "open") this.#returnProbe(permit, nowMs);',
        replace: 'if (this.#state === "closed") this.#returnProbe(permit, nowMs);',
      },
    ],
    invariants: ["breaker-probes-return", "breaker-transitions-are-legal"],
  },
  {
    name: "everybody-in-step",
    bug: "back-off without jitter",
    file: "resilience/src/core/guard/backoff.ts",
    edits: [
      {
        find: "        return this.#random.next() * bound;",
        replace: "        return bound;",
      },
    ],
    invariants: ["retries-are-spread"],
  },
];
