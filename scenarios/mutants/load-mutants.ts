/**
 * Planted bugs in how much a station is given, and in what becomes of calls that cannot all be
 * served: the limit, the pace, the queue, what callers are believed to wait. Most of them were in
 * the code once (issue 10): a collapse under load that stayed after its cause was gone.
 */
import type { Mutant } from "./mutant.ts";

const ADMISSION = "resilience/src/core/failover/admission/admission.ts";
const DISPATCH = "resilience/src/core/failover/dispatch.ts";
const PATIENCE = "resilience/src/core/failover/learned/patience.ts";
const OUTLOOK = "resilience/src/core/failover/overload/outlook.ts";
/** An exhausted station is not left alone. */
const NO_REST = [
  { find: "if (this.#refusesAll(usualMs, nowMs)) return this.#rest(usualMs, nowMs);", replace: "" },
  { find: "if (this.#refusesMost) this.#rest(usualMs, nowMs);\n      else if", replace: "if" },
];

export const LOAD_MUTANTS: readonly Mutant[] = [
  {
    name: "limit-halved-per-refusal",
    bug: "each refused call halves the limit, not each round trip",
    file: ADMISSION,
    edits: [
      { find: "    if (nowMs < this.#loweredAtMs + 2 * Math.max(MIN_ROUND_MS, usualMs)) return;\n", replace: "" },
      {
        find: "else if (this.#isLearned && !this.#hasLeapt) return this.#lowerAgain(usualMs, nowMs);",
        replace: 'else if (sign === "overloaded") this.#lower(load / 2, usualMs, nowMs);',
      },
    ],
    invariants: ["goodput-comes-back"],
    scenario: "wide-swarm",
  },
  {
    name: "limit-never-lowered",
    bug: "refusals never lower what a station is given",
    file: ADMISSION,
    edits: [
      {
        find: "    this.#limit = Math.max(to, MIN_LIMIT);",
        replace: "    if (!this.#isBySilence && to < this.#limit) return;\n    this.#limit = Math.max(to, MIN_LIMIT);",
      },
    ],
    invariants: ["goodput-comes-back"],
    scenario: "wide-swarm",
  },
  {
    name: "hint-pauses-a-serving-station",
    bug: "a station that refuses one call with Retry-After gets none at all for so long, although it serves others",
    file: ADMISSION,
    edits: [
      {
        find: "    return nowMs - this.#finishedAtMs < FINISHED_LATELY_MS;",
        replace: "    return nowMs < this.#finishedAtMs;",
      },
      {
        find: "      this.#rests = 0;\n      this.#pausedUntilMs = Number.NEGATIVE_INFINITY;\n",
        replace: "      this.#rests = 0;\n",
      },
      { find: "nowMs + Math.min(forMs, MAX_PAUSE_MS)", replace: "nowMs + Math.max(forMs, MAX_PAUSE_MS)" },
    ],
    invariants: ["goodput-comes-back", "one-bad-route-hurts-nobody"],
  },
  {
    name: "hint-holds-a-place",
    bug: "a call that was refused with Retry-After keeps its place at the station",
    file: DISPATCH,
    edits: [
      {
        find: "    this.#bookUnserved(attempt, end, nowMs);\n    station",
        replace: "    this.#bookUnserved(attempt, end, nowMs);\n    if (end.retryAfterMs === undefined) station",
      },
    ],
    invariants: ["counts-agree", "everything-returns"],
  },
  {
    name: "patience-never-learned",
    bug: "nothing is learned from callers who hang up",
    file: PATIENCE,
    edits: [
      {
        find: "    this.#estimateMs = this.#estimate(nowMs);",
        replace: "    this.#estimateMs = this.#estimate(nowMs - 1e12);",
      },
      {
        find: "    const lately = this.#ages.filter((_, place) => nowMs - (this.#atMs[place] as number) <= MEMORY_MS);",
        replace: "    const lately = this.#ages.filter((_, place) => nowMs > (this.#atMs[place] as number));",
      },
    ],
    invariants: ["goodput-comes-back", "collapse-is-told"],
    scenario: "wide-swarm",
  },
  {
    name: "deadline-believed",
    bug: "the deadline that is written is believed, although callers are known to leave earlier",
    file: OUTLOOK,
    edits: [
      {
        find: "    if (estimateMs === undefined) return call.terms.deadline;",
        replace: "    if (estimateMs === undefined || call.terms.deadline > 0) return call.terms.deadline;",
      },
    ],
    invariants: ["goodput-comes-back", "collapse-is-told"],
    scenario: "wide-swarm",
  },
  {
    name: "no-early-refusal",
    bug: "calls are let in to wait although they cannot be answered in time, and told so when their time is over",
    file: DISPATCH,
    edits: [
      {
        find: "    if (waitMs > this.#outlook.acceptedWaitMs(call, nowMs)) {",
        replace: "    if (waitMs < 0) {",
      },
    ],
    invariants: ["nobody-waits-for-nothing"],
  },
  {
    name: "door-far-too-strict",
    bug: "whoever would have to wait is refused, also one who could be answered in time",
    file: DISPATCH,
    edits: [
      {
        find: "    if (waitMs > this.#outlook.acceptedWaitMs(call, nowMs)) {",
        replace: "    if (waitMs >= 0 && this.#outlook.limitMs(call) > nowMs) {",
      },
    ],
    invariants: ["goodput-comes-back", "serves-after-heal"],
  },
  {
    name: "collapse-untold",
    bug: "no event tells that goodput has collapsed",
    file: "resilience/src/core/failover/overload/goodput.ts",
    edits: [
      { find: "    if (!isNews) return undefined;", replace: "    if (!isNews || windowMs > 0) return undefined;" },
    ],
    invariants: ["collapse-is-told"],
  },
  {
    name: "backlog-at-once",
    bug: "what waits is released at once after a promotion",
    file: ADMISSION,
    edits: [
      {
        find: "      known ? Math.max(2, concurrent * FIRST_SHARE) : this.#initialConcurrent,",
        replace: "      known || concurrent < 1 ? ENDLESS : this.#initialConcurrent,",
      },
    ],
    invariants: ["ramp-after-promotion"],
  },
  {
    name: "capacity-ignored",
    bug: "a station is offered more than it declares",
    file: ADMISSION,
    edits: [
      {
        find: "      if (this.#declared !== undefined && !this.#declared.allows(nowMs)) return false;\n",
        replace: "",
      },
    ],
    invariants: ["offered-within-capacity"],
  },
  {
    name: "limit-never-raised",
    bug: "a limit that was lowered is never raised again",
    file: "resilience/src/core/failover/admission/admission.ts",
    edits: [
      {
        find: "  #raise(usualMs: number, nowMs: number, crowd: Crowd): void {\n",
        replace: "  #raise(usualMs: number, nowMs: number, crowd: Crowd): void {\n    if (this.#isLearned) return;\n",
      },
      {
        find: "      else if (nowMs - this.#boundAtMs >= Math.max(LIFT_AFTER_MS, 2 * usualMs)) this.#lift();",
        replace: "      else if (nowMs - this.#boundAtMs >= 1e12 + usualMs) this.#lift();",
      },
    ],
    invariants: ["goodput-comes-back", "serves-after-heal"],
  },
  {
    name: "abandoned-lower-the-limit",
    bug: "every call whose caller left lowers the limit",
    file: "resilience/src/core/failover/dispatch.ts",
    edits: [
      {
        find: "      station.crowding.noteAbandoned(nowMs);\n    }\n    this.#settle(call, { error: new CallAbortedError",
        replace:
          '      this.#noteLoad(station, "unanswered", nowMs);\n    }\n    this.#settle(call, { error: new CallAbortedError',
      },
    ],
    invariants: ["goodput-comes-back", "quiet-is-served", "one-bad-route-hurts-nobody"],
  },
  {
    name: "uploads-teach-patience",
    bug: "a caller who leaves while it is still sending is taken for one who waited for so long",
    file: "resilience/src/core/failover/dispatch.ts",
    edits: [
      {
        find: "    if (!isSending && nowMs >= this.roles.distrustUntilMs) this.patience.noteHangUp(",
        replace: "    if (nowMs >= this.roles.distrustUntilMs) this.patience.noteHangUp(",
      },
    ],
    invariants: ["patience-is-true"],
  },
  {
    name: "waiting-uploads-teach-patience",
    bug: "a caller who breaks off an upload that waits for a station is taken for one who waited for so long",
    file: "resilience/src/core/failover/dispatch.ts",
    edits: [{ find: "reason instanceof RequestCutError || call.out", replace: "call.out" }],
    invariants: ["patience-is-true"],
  },
  {
    name: "refused-without-a-hint",
    bug: "whom a gateway refuses for want of room is not told when to come back",
    file: "gateway/src/fleet/problem.ts",
    edits: [
      {
        find: "const hint = error.retryAfterMs ?? (status === 503 ? RETRY_AFTER_MS : undefined);",
        replace: "const hint = status === 503 ? undefined : error.retryAfterMs;",
      },
    ],
    invariants: ["nobody-waits-for-nothing"],
  },
  {
    name: "pace-ignored",
    bug: "what a station takes is learned as a number of calls in flight only: they come in bursts, and it is never left alone",
    file: ADMISSION,
    edits: [
      // Leaving an exhausted station alone makes up for it otherwise.
      ...NO_REST,
      {
        find: "      if (this.#learned.allows(nowMs)) return true;",
        replace: "      return true;",
      },
    ],
    invariants: ["goodput-comes-back"],
  },
  {
    name: "exhausted-and-pressed-on",
    bug: "a station whose refusals take all that it can do is not left alone, and its limit is halved again and again",
    file: ADMISSION,
    edits: [...NO_REST, { find: " || this.#finishedAtMs < this.#loweredAtMs) return;", replace: ") return;" }],
    invariants: ["goodput-comes-back"],
  },
  {
    name: "lull-without-end",
    bug: "calls are held back in a lull for as long as no answer comes",
    file: "resilience/src/core/failover/learned/lull.ts",
    edits: [{ find: "    return nowMs < this.endsAtMs(usualMs);", replace: "    return nowMs >= 0;" }],
    invariants: ["held-moves", "waiting-moves", "goodput-comes-back", "quiet-is-served", "fit-is-promoted"],
  },
  {
    name: "queue-opens-unnoticed",
    bug: "nobody is woken when the queue could move on: what waits goes when somebody else comes by",
    file: DISPATCH,
    edits: [
      {
        find: "return this.#queue.size > 0 ? Math.min(this.#decideAtMs, this.#queueOpensAtMs(nowMs)) : this.#decideAtMs;",
        replace: "return this.#decideAtMs;",
      },
    ],
    invariants: ["waiting-goes-by-itself"],
    scenario: "wide-swarm",
  },
];
