/** Planted bugs in who is active, and on what evidence. */
import type { Mutant } from "./mutant.ts";

const RUNTIME = "resilience/src/runtime";

export const DECISION_MUTANTS: readonly Mutant[] = [
  {
    name: "epoch-not-raised",
    bug: "a promotion does not raise the epoch",
    file: "resilience/src/core/failover.ts",
    edits: [{ find: "    this.#epoch++;\n", replace: "" }],
    invariants: ["epoch-rises", "one-active-per-epoch"],
  },
  {
    name: "never-promotes",
    bug: "there is no failover: an unfit station is kept",
    file: "resilience/src/core/failover.ts",
    edits: [{ find: "const next = this.#replacement();", replace: "const next = undefined as Station | undefined;" }],
    invariants: ["fit-is-promoted", "takes-over"],
  },
  {
    name: "promotes-the-dead",
    bug: "a station from which nothing is heard may be promoted",
    file: "resilience/src/core/failover.ts",
    edits: [
      {
        find: "({ assessment }) => !assessment.silent && assessment.confirmed && !isResting(assessment),",
        replace: "({ assessment }) => assessment.silent && !isResting(assessment),",
      },
    ],
    invariants: ["silent-is-not-promoted"],
  },
  {
    name: "no-hysteresis",
    bug: "what is below the clear threshold for an instant is alive again, and there is no dwell",
    file: "resilience/src/core/supervisor.ts",
    edits: [
      {
        find: "const clear = look.level < clearThreshold && !pastCeiling;",
        replace: "const clear = look.level < suspectThreshold && !pastCeiling;",
      },
      {
        find: 'return clear && nowMs >= watched.dwellEndsMs ? "alive" : "down";',
        replace: 'return clear ? "alive" : "down";',
      },
    ],
    invariants: ["declarations-dwell", "no-needless-role-change"],
  },
  {
    name: "beats-outvote-commands",
    bug: "heartbeats prove life although the command path is dead",
    file: `${RUNTIME}/lane.ts`,
    edits: [
      {
        find: 'if (failing !== undefined) against("calls", failing);',
        replace: 'if (failing !== undefined && standing !== "alive") against("calls", failing);',
      },
      {
        find: 'if (open !== undefined) against("breaker", open);',
        replace: 'if (open !== undefined && standing !== "alive") against("breaker", open);',
      },
    ],
    invariants: ["takes-over"],
  },
  {
    name: "lying-200-believed",
    bug: "an error inside a 200 answer counts as success",
    file: "gateway/src/fleet/command.ts",
    edits: [
      {
        find: "return errorBody && reply.status < 300 && reportsError(reply.json);",
        replace: "return errorBody && reply.status < 0 && reportsError(reply.json);",
      },
    ],
    invariants: ["breaker-trips-when-due", "takes-over", "serves-after-heal"],
  },
  {
    name: "failback-without-proof",
    bug: "going back does not wait for the hold-down",
    file: "resilience/src/core/failover.ts",
    edits: [
      {
        find: "return station.provenSinceMs + this.holdDownMs(station.name, station.provenSinceMs);",
        replace: "return station.provenSinceMs;",
      },
    ],
    invariants: ["failback-holds-down"],
  },
  {
    name: "epoch-not-adopted",
    bug: "a restarted gateway does not learn the epoch that stations have seen",
    file: "resilience/src/core/failover.ts",
    edits: [{ find: "    this.#epoch = epoch + 1;\n", replace: "" }],
    invariants: ["epoch-rises", "serves-after-heal"],
  },
  {
    name: "beats-teach-no-epoch",
    bug: "the epoch that a heartbeat tells of is ignored",
    file: "gateway/src/fleet/group.ts",
    edits: [{ find: "      this.#failover.noteEpochSeen(epochSeen);\n", replace: "" }],
    invariants: ["epochs-are-learnt"],
  },
  {
    name: "maintenance-ignored",
    bug: "who was taken out of service is as good as any",
    file: `${RUNTIME}/lane.ts`,
    edits: [
      {
        find: "if (this.maintenance !== undefined) against(",
        replace: 'if (this.maintenance?.reason === "") against(',
      },
    ],
    invariants: ["unfit-is-not-promoted"],
  },
  {
    name: "promoted-unheard",
    bug: "a backup is promoted without one more heartbeat since the active station fell silent",
    file: "resilience/src/core/failover.ts",
    edits: [{ find: "    if (!next.assessment.confirmed) return undefined;\n", replace: "" }],
    invariants: ["heard-since-is-promoted"],
  },
  {
    name: "last-fit-first",
    bug: "the last of the fit stations is promoted, not the first",
    file: "resilience/src/core/failover.ts",
    edits: [
      {
        find: "fit.find((station) => station.assessment.confirmed)",
        replace: "fit.findLast((station) => station.assessment.confirmed)",
      },
    ],
    invariants: ["promotes-the-first-fit"],
  },
  {
    name: "doubt-forgotten",
    bug: "a station that was replaced for its calls is as good as any at once",
    file: `${RUNTIME}/lane.ts`,
    edits: [{ find: "if (nowMs < this.#doubtUntilMs) {", replace: "if (nowMs < this.#doubtUntilMs - 1e12) {" }],
    invariants: ["unfit-is-not-promoted"],
  },
  {
    name: "doubt-ends-unnoticed",
    bug: "nobody is woken when a doubt is over",
    file: `${RUNTIME}/lane.ts`,
    edits: [
      {
        find: "const instants = [this.commandPath.nextWakeMs, this.#doubtUntilMs,",
        replace: "const instants = [this.commandPath.nextWakeMs,",
      },
    ],
    invariants: ["fit-is-promoted"],
  },
  {
    name: "drained-not-noticed",
    bug: "a handover waits for all its time although nothing is in flight any more",
    file: `${RUNTIME}/takeover.ts`,
    edits: [{ find: "    this.#handover.drained();\n", replace: "" }],
    invariants: ["drained-is-done"],
  },
  {
    name: "switchover-not-preferred",
    bug: "failback undoes what a person decided",
    file: "resilience/src/core/failover.ts",
    edits: [
      {
        find: 'if (cause === "switchover") this.#preferred = station;',
        replace: 'if (cause === "maintenance") this.#preferred = station;',
      },
    ],
    invariants: ["prefers-whom-it-should"],
  },
  {
    name: "replaces-while-in-doubt-of-itself",
    bug: "a gateway that stood still replaces stations all the same",
    file: `${RUNTIME}/takeover.ts`,
    edits: [
      {
        find: "if (!this.#parts.leaseHeld() || nowMs < this.active.distrustUntilMs) return;",
        replace: "if (!this.#parts.leaseHeld()) return;",
      },
    ],
    invariants: ["abstention-is-kept"],
  },
  {
    name: "refusals-ever",
    bug: "refused connections are counted, whatever came between them",
    file: "resilience/src/core/command-path.ts",
    edits: [
      {
        find: 'this.#refusals = outcome === "never-sent" ? this.#refusals + 1 : 0;',
        replace: 'if (outcome === "never-sent") this.#refusals++;',
      },
    ],
    invariants: ["promotes-on-evidence"],
  },
  {
    name: "failing-noticed-late",
    bug: "calls that come to nothing are weighed only when heartbeats change",
    file: `${RUNTIME}/takeover.ts`,
    edits: [
      {
        find: "if (lane.inQuestion && lane.callsChangedVerdict(this.#clock.nowMs())) this.evaluate();",
        replace: "if (lane.inQuestion && lane.maintenance !== undefined) this.evaluate();",
      },
      {
        find: "for (const lane of this.#parts.lanes.values()) atMs = Math.min(atMs, lane.nextWakeMs(nowMs));",
        replace: "",
      },
    ],
    invariants: ["fit-is-promoted", "takes-over"],
  },
  {
    name: "replayed-beats-count",
    bug: "a recorded heartbeat that is sent again counts as life",
    file: "gateway/src/fleet/heartbeat-sessions.ts",
    edits: [{ find: 'if (sequence <= running.lastSequence) return { type: "replay" };', replace: "" }],
    invariants: ["old-beats-prove-nothing"],
  },
];
