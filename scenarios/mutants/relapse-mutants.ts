/**
 * What the simulation found in the product itself (docs/findings.md), planted again: it must be
 * found again.
 */
import type { Mutant } from "./mutant.ts";

const FAILOVER = "resilience/src/core/failover";
const DISPATCH = `${FAILOVER}/dispatch.ts`;

export const RELAPSE_MUTANTS: readonly Mutant[] = [
  {
    name: "unsent-hides-sent",
    bug: "a refused connection takes the place of an earlier failure that may have run",
    file: DISPATCH,
    edits: [{ find: 'if (result !== "unreachable" || visit.attempts === 0) {', replace: "if (visit.attempts >= 0) {" }],
    invariants: ["not-executed-is-proven", "failed-is-not-executed"],
  },
  {
    name: "stopped-retry-proves",
    bug: "a call that goes back into the queue forgets where it has been",
    file: DISPATCH,
    edits: [
      {
        find: 'call.visits = call.visits?.filter((visit) => visit.last !== "unreachable" || visit.attempts > 0);',
        replace: "call.visits = undefined;",
      },
    ],
    invariants: ["not-executed-is-proven", "failed-is-not-executed"],
  },
  {
    name: "answered-and-resent",
    bug: "a command that has its answer is sent to the other station, because another attempt of it failed",
    file: DISPATCH,
    edits: [
      {
        find: "if (call.state === DONE || attempt.isAbandoned) return this.#look(station, nowMs);",
        replace: 'if (call.state === DONE && end.result !== "lost") return this.#look(station, nowMs);',
      },
      {
        find: '    if (call.state.phase !== "running" || call.out !== undefined) return;\n    this.#goOn(',
        replace: "    if (call.out !== undefined) return;\n    this.#goOn(",
      },
    ],
    invariants: ["nothing-sent-after-the-answer", "counts-agree"],
  },
  {
    name: "one-attempt-counted-twice",
    bug: "an attempt that timed out counts as two failed ones",
    file: DISPATCH,
    edits: [
      {
        find: "    if (isNews) station.evidence.noteLost(startedMs);",
        replace:
          "    if (isNews || !isNews) station.evidence.noteLost(startedMs);\n    station.evidence.noteLost(startedMs);",
      },
    ],
    invariants: ["promotes-on-evidence", "no-role-change-without-fault"],
  },
  {
    name: "weighed-at-the-end",
    bug: "what a failed attempt shows is weighed only when another one succeeds",
    file: DISPATCH,
    edits: [
      {
        find: "    else this.#failed(attempt, end, nowMs);\n    this.#look(station, nowMs);\n",
        replace:
          '    else this.#failed(attempt, end, nowMs);\n    if (end.result === "served") this.#look(station, nowMs);\n',
      },
    ],
    invariants: ["fit-is-promoted", "takes-over"],
  },
  {
    name: "failed-for-want-of-budget",
    bug: "a command whose station was lost is failed when nobody can take it at this instant",
    file: DISPATCH,
    edits: [
      {
        find: "    if (!this.roles.isUsable(station, nowMs) || this.#router.hasNext(call, nowMs)) return this.#enqueue(call, nowMs);\n",
        replace:
          "    if (!this.roles.isUsable(station, nowMs) || this.#router.hasNext(call, nowMs)) return this.#giveUp(call, nowMs);\n",
      },
    ],
    invariants: ["resend-is-not-reported"],
  },
  {
    name: "epoch-judged-at-arrival",
    bug: "a command that waits at a station while a newer epoch is seen is carried on",
    file: "gateway/src/fleet/station-guard.ts",
    edits: [
      {
        find: '    if (this.#isOver(epoch)) return { type: "stale", epochSeen: this.#epochSeen };\n    const timeLeftMs',
        replace:
          '    if (this.#isOver(epoch) && nowMs < 0) return { type: "stale", epochSeen: this.#epochSeen };\n    const timeLeftMs',
      },
    ],
    invariants: ["stations-refuse-old-epochs"],
  },
  {
    name: "oldest-first",
    bug: "who has waited longest goes first, also when no answer can reach it in time any more",
    file: "resilience/src/core/failover/dispatch.ts",
    edits: [
      {
        find: "const isTooLate = this.#outlook.limitMs(call) < nowMs + this.#usual.serviceMs;",
        replace: "const isTooLate = call.terms.deadline < nowMs;",
      },
    ],
    invariants: ["nobody-is-sent-in-vain", "goodput-comes-back"],
  },
  {
    name: "unfit-for-ever",
    bug: "what calls have shown of an idle station is held against it for ever",
    file: "resilience/src/core/failover/station.ts",
    edits: [
      {
        find: "    if (failing === undefined) return;\n    this.evidence.startAfresh(nowMs);\n",
        replace: "    if (failing === undefined || nowMs > 0) return;\n    this.evidence.startAfresh(nowMs);\n",
      },
    ],
    invariants: ["fit-again"],
  },
  {
    name: "back-to-the-unproven",
    bug: "a failback waits for no proof, and is not given up when its station turns out not to be well",
    file: "resilience/src/core/failover/failover.ts",
    edits: [
      { find: "if (!assessment.eligible || !assessment.proven) station", replace: "if (!assessment.eligible) station" },
      {
        find: "if (station.assessment.eligible && isOwnIdea && !station.assessment.proven)",
        replace: "if (station.assessment.eligible && isOwnIdea && station.failedAtMs.length > 99)",
      },
    ],
    invariants: ["failback-is-proven"],
  },
  {
    name: "kept-itself-down",
    bug: "what a station takes at leisure is kept across promotions, and not learned anew while its limit is in force",
    file: DISPATCH,
    edits: [
      { find: "    const { leisureSinceMs } = crowding;\n", replace: "    const leisureSinceMs = 0;\n" },
      {
        find: "noteSent(station.number, era, nowMs)",
        replace: "noteSent(station.number, { ...era, sinceMs: 0 }, nowMs)",
      },
      {
        find: "crowding.stretch < (admission.isLearned ? FULL : CROWDED)",
        replace: "crowding.stretch < CROWDED",
      },
    ],
    invariants: ["goodput-comes-back"],
    scenario: "wide-swarm",
  },
  {
    name: "half-of-the-news",
    bug: "of the declarations of a look only the first is passed on",
    file: "resilience/src/runtime/failover/failover.ts",
    edits: [
      {
        find: 'if (change === together.at(-1)) this.#driver.input({ type: "declared", declarations: together });',
        replace: 'if (change === together[0]) this.#driver.input({ type: "declared", declarations: [change] });',
      },
    ],
    invariants: ["suspicions-clear", "declarations-alternate"],
  },
];
