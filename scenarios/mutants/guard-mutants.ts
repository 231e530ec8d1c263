/** Planted bugs in what guards one call: breaker, bulkhead, retries and their budget. */
import type { Mutant } from "./mutant.ts";

const BREAKER = "resilience/src/core/breaker.ts";
const BUDGET = "resilience/src/core/retry-budget.ts";

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
    file: "resilience/src/runtime/retry-plan.ts",
    edits: [
      {
        find: "if (budget?.withdraw(nowMs) === false) return UNAFFORDABLE;\n    this.#charged = true;",
        replace:
          "if (attempts === 1 && budget?.withdraw(nowMs) === false) return UNAFFORDABLE;\n    this.#charged = attempts === 1;",
      },
    ],
    invariants: ["retries-within-budget", "budget-keeps-books"],
  },
  {
    name: "resends-beside-budget",
    bug: "re-sends of held commands are not charged to the budget",
    file: "resilience/src/runtime/fare.ts",
    edits: [
      {
        find: "return lane.client.maxAttempts > 1 && lane.client.budget?.withdraw(nowMs) !== false;",
        replace: "return lane.client.maxAttempts > 0 || lane.client.budget?.withdraw(nowMs) !== false;",
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
    file: "resilience/src/runtime/call.ts",
    edits: [{ find: "    this.#retry?.refund();\n", replace: "" }],
    invariants: ["counts-agree", "everything-returns"],
  },
  {
    name: "budget-forgets-the-planned",
    bug: "retries that are planned and not sent yet do not count when the next is planned",
    file: BUDGET,
    edits: [
      { find: "this.#sent.total(0, nowMs) + this.#pending + 1 <=", replace: "this.#sent.total(0, nowMs) + 1 <=" },
    ],
    invariants: ["budget-keeps-books"],
  },
  {
    name: "ghosts-in-the-queue",
    bug: "a caller that gives up keeps its place in the queue for a slot",
    file: "resilience/src/runtime/call.ts",
    edits: [
      {
        find: "    if (this.#waiter !== undefined) this.#parts.bulkhead?.slots.remove(this.#waiter);\n",
        replace: "",
      },
    ],
    invariants: ["counts-agree"],
  },
  {
    name: "answers-after-the-deadline",
    bug: "a retry is planned that cannot begin before the deadline",
    file: "resilience/src/runtime/retry-plan.ts",
    edits: [
      {
        find: "if (nowMs + delayMs + minimumTimeLeftMs >= deadline)",
        replace: "if (nowMs + minimumTimeLeftMs >= deadline)",
      },
    ],
    invariants: ["answered-in-time"],
  },
  {
    name: "breaker-counts",
    bug: "the breaker trips on a count of 50, not on a rate",
    file: BREAKER,
    edits: [
      { find: "if (failures / calls >= this.#failureRateThreshold) {", replace: "if (failures >= 50) {" },
      { find: "if (calls < this.#minimumVolume) return;", replace: "" },
    ],
    invariants: ["breaker-trips-when-due"],
  },
  {
    name: "breaker-never-forgets",
    bug: "the window is not a window: failures of an hour ago count",
    file: "resilience/src/core/rate-window.ts",
    edits: [
      {
        find: "else for (let step = 1; step <= elapsed; step++)",
        replace: "else for (let step = 1; step <= elapsed - 1e9; step++)",
      },
    ],
    invariants: ["breaker-trips-on-evidence", "offered-within-capacity", "retries-within-budget", "budget-keeps-books"],
  },
  {
    name: "no-minimum-volume",
    bug: "5 of 5 trips",
    file: BREAKER,
    edits: [{ find: "if (calls < this.#minimumVolume) return;", replace: "" }],
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
    name: "open-for-nothing",
    bug: "an open circuit is half-open at once",
    file: BREAKER,
    edits: [{ find: "this.#openUntilMs = atMs + this.#openDurationMs;", replace: "this.#openUntilMs = atMs;" }],
    invariants: ["breaker-transitions-are-legal", "breaker-probes-are-bounded"],
  },
  {
    name: "breaker-never-closes",
    bug: "a probe's success is not counted",
    file: BREAKER,
    edits: [{ find: "      this.#probeSuccesses++;\n", replace: "" }],
    invariants: ["breakers-close", "serves-after-heal"],
  },
  {
    name: "probe-wedges",
    bug: "the lease of a hung probe never ends",
    file: BREAKER,
    edits: [
      {
        find: "this.#leases.push({ permit, endsMs: nowMs + this.probeLeaseMs });",
        replace: "this.#leases.push({ permit, endsMs: Number.POSITIVE_INFINITY });",
      },
      {
        find: "const place = permit === this.#generation ? 0 : this.#leases.findIndex((lease) => lease.permit === permit);",
        replace: "const place = permit < 0 ? 0 : -1;",
      },
    ],
    invariants: ["breaker-probes-return", "breakers-close", "serves-after-heal"],
  },
  {
    name: "late-results-count",
    bug: "results of calls from before the trip count in the new generation",
    file: BREAKER,
    edits: [
      {
        find: '  success(permit: Permit, nowMs: number, slow = false): void {\n    if (this.#state === "closed" && permit === this.#generation) {',
        replace: '  success(permit: Permit, nowMs: number, slow = false): void {\n    if (this.#state === "closed") {',
      },
      {
        find: '  failure(permit: Permit, nowMs: number, slow = false): void {\n    if (this.#state === "closed" && permit === this.#generation) {',
        replace: '  failure(permit: Permit, nowMs: number, slow = false): void {\n    if (this.#state === "closed") {',
      },
    ],
    invariants: ["breaker-counts-its-own", "breaker-trips-on-evidence"],
  },
  {
    name: "rejections-count-as-failures",
    bug: "a wait for a slot that was too long is booked as the station's failure",
    file: "resilience/src/runtime/call.ts",
    edits: [
      {
        find: "    this.#refuse(this.#tooLate(nowMs) ?? this.#parts.bulkhead?.timeoutError(nowMs));",
        replace:
          "    const { breaker } = this.#parts;\n    breaker?.noteFailure(breaker.tryAcquire(nowMs), nowMs, false);\n    this.#refuse(this.#tooLate(nowMs) ?? this.#parts.bulkhead?.timeoutError(nowMs));",
      },
    ],
    invariants: ["breaker-trips-on-evidence"],
  },
  {
    name: "aborts-count-as-failures",
    bug: "a caller that hangs up is booked as the station's failure",
    file: "resilience/src/runtime/call.ts",
    edits: [
      {
        find: "      this.#parts.breaker?.release(attempt.permit, this.clock.nowMs());\n      attempt.giveUp(error);",
        replace:
          "      this.#parts.breaker?.noteFailure(attempt.permit, this.clock.nowMs(), false);\n      attempt.giveUp(error);",
      },
    ],
    invariants: ["breaker-trips-on-evidence"],
  },
  {
    name: "slot-kept-on-timeout",
    bug: "the slot of an attempt that timed out never comes back",
    file: "resilience/src/runtime/call.ts",
    edits: [
      {
        find: "  failed(attempt: Attempt, error: unknown): void {\n    if (this.#current !== attempt) return this.#parts.bulkhead?.leave();",
        replace: "  failed(attempt: Attempt, error: unknown): void {\n    if (this.#current !== attempt) return;",
      },
    ],
    invariants: ["counts-agree", "everything-returns"],
  },
  {
    name: "bulkhead-without-bound",
    bug: "more run at one station than may",
    file: "resilience/src/core/slots.ts",
    edits: [
      {
        find: "if (this.#running >= this.maxConcurrent) return false;",
        replace: "if (this.#running >= 2 * this.maxConcurrent) return false;",
      },
    ],
    invariants: ["in-flight-within-limit"],
  },
  {
    name: "permit-kept-on-abort",
    bug: "a probe that is aborted keeps its permit",
    file: BREAKER,
    edits: [
      {
        find: 'if (this.#state !== "closed") this.#returnProbe(permit, nowMs);',
        replace: 'if (this.#state === "closed") this.#returnProbe(permit, nowMs);',
      },
    ],
    invariants: ["breaker-probes-return"],
  },
  {
    name: "attempt-never-times-out",
    bug: "an attempt has no timeout of its own",
    file: "resilience/src/runtime/call.ts",
    edits: [
      {
        find: "const endMs = Math.min(nowMs + timeoutMs, this.deadline);",
        replace: "const endMs = Math.min(nowMs + 1_000 * timeoutMs, this.deadline);",
      },
    ],
    invariants: ["attempts-time-out", "takes-over"],
  },
  {
    name: "everybody-in-step",
    bug: "back-off without jitter",
    file: "resilience/src/core/backoff.ts",
    edits: [{ find: "        return this.#random.next() * bound;", replace: "        return bound;" }],
    invariants: ["retries-are-spread"],
  },
];
