/** What the simulation found in the product itself (docs/findings.md), planted again: it must be found again. */
import type { Mutant } from "./mutant.ts";

const RUNTIME = "resilience/src/runtime";

export const RELAPSE_MUTANTS: readonly Mutant[] = [
  {
    name: "unsent-hides-sent",
    bug: "a refused connection takes the place of an earlier failure that may have run",
    file: `${RUNTIME}/retry-plan.ts`,
    edits: [
      {
        find: "if (!unsentAfterSent || this.failure === undefined) this.failure = failure;",
        replace: "if (!unsentAfterSent || this.failure !== null) this.failure = failure;",
      },
    ],
    invariants: ["not-executed-is-proven", "failed-is-not-executed"],
  },
  {
    name: "stopped-retry-proves",
    bug: "a retry that is stopped before it leaves makes its first attempt one that never ran",
    file: `${RUNTIME}/failover-call.ts`,
    edits: [
      {
        find: "if (visit.earlierFailure !== undefined && visit.stoppedWith(error))",
        replace: "if (visit.earlierFailure === null && visit.stoppedWith(error))",
      },
    ],
    invariants: ["not-executed-is-proven", "failed-is-not-executed"],
  },
  {
    name: "answered-and-resent",
    bug: "a success that opens the circuit is delivered, and its command sent to the other station as well",
    file: `${RUNTIME}/failover-call.ts`,
    edits: [{ find: 'if (!visit.begun || visit.outcome === "success") return;', replace: "if (!visit.begun) return;" }],
    invariants: ["nothing-sent-after-the-answer", "counts-agree"],
    scenario: "slow-primary",
  },
  {
    name: "oldest-first",
    bug: "who has waited longest goes first, also when no answer can reach it in time any more",
    file: `${RUNTIME}/waiting-room.ts`,
    edits: [
      {
        find: "    if (lane.onTrial) return this.#mostTimeLeft(true) ?? this.#mostTimeLeft(false);",
        replace: "    if (nowMs >= 0) return this.#next();",
      },
    ],
    invariants: ["serves-after-heal", "breakers-close", "waiting-moves"],
  },
  {
    name: "unfit-for-ever",
    bug: "failures of attempts from before a station was replaced are held against it for ever",
    file: "resilience/src/core/command-path.ts",
    edits: [
      {
        find: '} else if (outcome !== "ignored" && startedMs >= this.#beginsMs) {',
        replace: '} else if (outcome !== "ignored") {',
      },
    ],
    invariants: ["fit-again"],
  },
  {
    name: "one-attempt-counted-twice",
    bug: "a command that is given up while it backs off, or waits for a slot, counts as one more failed attempt",
    file: `${RUNTIME}/visit.ts`,
    edits: [
      {
        find: "const sinceMs = this.#call?.unansweredSinceMs;",
        replace: "const sinceMs = this.sent ? Number.NEGATIVE_INFINITY : undefined;",
      },
    ],
    invariants: ["promotes-on-evidence"],
  },
  {
    name: "weighed-at-the-end",
    bug: "what an attempt shows is weighed only when its call, with all its retries, has ended",
    file: `${RUNTIME}/lane.ts`,
    edits: [
      {
        find: "if (failed && this.callsChangedVerdict(endedMs)) this.callsSpoke?.();",
        replace: "if (!failed && this.callsChangedVerdict(endedMs)) this.callsSpoke?.();",
      },
    ],
    invariants: ["fit-is-promoted", "takes-over"],
  },
  {
    name: "failed-for-want-of-budget",
    bug: "a command that comes back to a station which was lost with it is failed when others succeed there",
    file: `${RUNTIME}/held-calls.ts`,
    edits: [{ find: "(call.owed ? this.#owed : this.#undecided).add(call);", replace: "this.#undecided.add(call);" }],
    invariants: ["resend-is-not-reported"],
  },
  {
    name: "leaves-by-the-queue",
    bug: "a keyed command that was put back into the queue goes to another station, though its group wants a report",
    file: `${RUNTIME}/failover-call.ts`,
    edits: [
      {
        find: "if (this.#reached !== lane && this.#reached !== this.#left) return this.#goElsewhere();",
        replace: "",
      },
    ],
    invariants: ["report-is-not-resent"],
  },
  {
    name: "back-to-the-unproven",
    bug: "a failback that drains is not given up when its station turns out not to be well",
    file: "resilience/src/core/failover.ts",
    edits: [
      {
        find: 'if (station.assessment.fit && cause === "failback" && !station.assessment.proven)',
        replace: 'if (station.assessment.fit && cause === "failback" && station.failedAtMs.length > 99)',
      },
    ],
    invariants: ["failback-is-proven"],
  },
  {
    name: "half-of-the-news",
    bug: "stations are weighed after each declaration of a look, and not after all of them",
    file: `${RUNTIME}/failover.ts`,
    edits: [
      {
        find: "if (declaration === together[0]) for (const one of together) this.#takeover.lane(one.node).declared(one);",
        replace: "this.#takeover.lane(declaration.node).declared(declaration);",
      },
      {
        find: "if (declaration === together.at(-1)) this.#takeover.evaluate();",
        replace: "this.#takeover.evaluate();",
      },
    ],
    invariants: ["promotes-on-evidence", "unfit-is-not-promoted"],
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
];
