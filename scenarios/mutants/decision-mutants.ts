/** Planted bugs in who is active, and on what evidence. */
import type { Mutant } from "./mutant.ts";

const FAILOVER = "resilience/src/core/failover";

export const DECISION_MUTANTS: readonly Mutant[] = [
  {
    name: "epoch-not-raised",
    bug: "a promotion does not raise the epoch",
    file: `${FAILOVER}/failover.ts`,
    edits: [{ find: "    this.#setEpoch(this.#epoch + 1);\n", replace: "" }],
    invariants: ["epoch-rises", "one-active-per-epoch"],
  },
  {
    name: "never-promotes",
    bug: "there is no failover: an ineligible station is kept",
    file: `${FAILOVER}/failover.ts`,
    edits: [{ find: "const next = this.#replacement();", replace: "const next = undefined as Station | undefined;" }],
    invariants: ["fit-is-promoted", "takes-over"],
  },
  {
    name: "promotes-the-dead",
    bug: "a station from which nothing is heard may be promoted",
    file: `${FAILOVER}/failover.ts`,
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
    file: "resilience/src/core/detection/supervisor.ts",
    edits: [
      {
        find: "return look.level < this.options.clearThreshold && !this.#isPastCeiling(look, nowMs);",
        replace: "return look.level < this.options.suspectThreshold && !this.#isPastCeiling(look, nowMs);",
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
    file: `${FAILOVER}/station.ts`,
    edits: [
      {
        find: 'if (failing !== undefined) against("calls", failing);',
        replace: 'if (failing !== undefined && liveness !== "alive") against("calls", failing);',
      },
      {
        find: 'if (open !== undefined) against("breaker", open);',
        replace: 'if (open !== undefined && liveness !== "alive") against("breaker", open);',
      },
    ],
    invariants: ["takes-over", "fit-is-promoted"],
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
    file: `${FAILOVER}/failover.ts`,
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
    file: `${FAILOVER}/failover.ts`,
    edits: [{ find: "    this.#setEpoch(epoch + 1);\n", replace: "" }],
    invariants: ["epoch-rises", "serves-after-heal"],
  },
  {
    name: "equal-epoch-taken-for-own",
    bug: "an epoch equal to its own is taken for its own, though nothing was sent under it",
    file: `${FAILOVER}/failover.ts`,
    edits: [
      {
        find: "return epoch < this.#epoch || (epoch === this.#epoch && this.#isEpochUsed);",
        replace: "return epoch <= this.#epoch;",
      },
    ],
    invariants: ["epochs-are-learnt"],
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
    file: `${FAILOVER}/station.ts`,
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
    file: `${FAILOVER}/failover.ts`,
    edits: [{ find: "    if (!next.assessment.confirmed) return undefined;\n", replace: "" }],
    invariants: ["heard-since-is-promoted"],
  },
  {
    name: "last-fit-first",
    bug: "the last of the eligible stations is promoted, not the first",
    file: `${FAILOVER}/failover.ts`,
    edits: [
      {
        find: "eligible.find((station) => station.assessment.confirmed)",
        replace: "eligible.findLast((station) => station.assessment.confirmed)",
      },
    ],
    invariants: ["promotes-the-first-fit"],
  },
  {
    name: "cooldown-forgotten",
    bug: "a station that was replaced for its calls is as good as any at once",
    file: `${FAILOVER}/station.ts`,
    edits: [{ find: "if (nowMs < this.#cooldownUntilMs) {", replace: "if (nowMs < this.#cooldownUntilMs - 1e12) {" }],
    invariants: ["unfit-is-not-promoted"],
  },
  {
    name: "cooldown-ends-unnoticed",
    bug: "nobody is woken when a cooldown is over",
    file: `${FAILOVER}/station.ts`,
    edits: [
      {
        find: "    if (this.#cooldownUntilMs > nowMs) nextMs = Math.min(nextMs, this.#cooldownUntilMs);\n",
        replace: "",
      },
    ],
    invariants: ["fit-is-promoted"],
  },
  {
    name: "failback-never-grows",
    bug: "a failback goes on with a tenth of the calls for ever, and never makes its station active",
    file: `${FAILOVER}/failback.ts`,
    edits: [{ find: "      this.#share *= 2;\n", replace: "" }],
    invariants: ["handover-ends", "failback-comes"],
  },
  {
    name: "failback-without-canary",
    bug: "a failback begins with every call at once, and not with one that can be repeated",
    file: `${FAILOVER}/failback.ts`,
    edits: [
      {
        find: 'if (this.#stage === "canary") return call.terms.isRepeatable && this.to.inFlight === 0;',
        replace: 'if (this.#stage === "canary") return call.id >= 0;',
      },
    ],
    invariants: ["failback-begins-with-one"],
  },
  {
    name: "switchover-not-preferred",
    bug: "failback undoes what a person decided",
    file: `${FAILOVER}/failover.ts`,
    edits: [
      {
        find: 'if (cause === "switchover") this.#preferred = station;',
        replace: 'if (cause === "maintenance") this.#preferred = station;',
      },
    ],
    invariants: ["prefers-whom-it-should"],
  },
  {
    name: "refusals-ever",
    bug: "refused connections are counted, whatever came between them",
    file: `${FAILOVER}/evidence/evidence.ts`,
    edits: [{ find: "    if (startedMs >= this.#refusedSinceMs) this.#clearRefused();\n", replace: "" }],
    invariants: ["promotes-on-evidence", "fit-again", "serves-after-heal"],
  },
  {
    name: "failing-noticed-late",
    bug: "calls that come to nothing are weighed only when heartbeats change",
    file: `${FAILOVER}/dispatch.ts`,
    edits: [
      {
        find: "    this.#isWakeStale = true;\n    if (station.hasNews(nowMs)) this.#needsDecision = true;\n",
        replace: "",
      },
      {
        find: "    if (this.roles.stations.some((station) => station.hasNews(nowMs))) this.#needsDecision = true;\n",
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
  {
    name: "twins-taken-for-one",
    bug: "two processes that send heartbeats under one name are taken for one that begins again and again",
    file: "gateway/src/fleet/heartbeat-sessions.ts",
    edits: [
      {
        find: "if (nowMs - at.returnedAtMs <= quietMs) at.conflict =",
        replace: "if (nowMs < at.returnedAtMs) at.conflict =",
      },
    ],
    invariants: ["twins-are-told", "twins-prove-nothing"],
    scenario: "narrow-swarm",
  },
  {
    name: "twin-hides-a-death",
    bug: "a conflict of names is over with the next heartbeat: the twin of a station that has died proves its life at once",
    file: "gateway/src/fleet/heartbeat-sessions.ts",
    edits: [{ find: "untilMs: nowMs + quietMs };", replace: "untilMs: nowMs + quietMs / 20 };" }],
    invariants: ["twins-prove-nothing"],
    scenario: "narrow-swarm",
  },
  {
    name: "epoch-kept-at-switchover",
    bug: "a planned switchover does not raise the epoch",
    file: `${FAILOVER}/failover.ts`,
    edits: [
      {
        find: "    this.#setEpoch(this.#epoch + 1);\n",
        replace: '    if (cause !== "switchover") this.#setEpoch(this.#epoch + 1);\n',
      },
    ],
    invariants: ["epoch-rises", "one-active-per-epoch"],
  },
  {
    name: "failback-fails-unnoticed",
    bug: "a failback goes on although its station fails what it is given",
    file: "resilience/src/core/failover/dispatch.ts",
    edits: [
      {
        find: "if (loser === this.roles.failback?.to) this.#endFailback(",
        replace: "if (loser === this.roles.failback?.to && this.waiting < 0) this.#endFailback(",
      },
      {
        find: "if (station !== failback?.to || failback.race !== undefined) return;",
        replace: "if (station !== failback?.to || failback.race !== undefined || this.waiting >= 0) return;",
      },
    ],
    invariants: ["failback-is-given-up"],
  },
  {
    name: "replaces-while-in-doubt-of-itself",
    bug: "a gateway that stood still replaces stations all the same",
    file: "resilience/src/core/failover/roles.ts",
    edits: [
      {
        find: "if (!this.isLeaseHeld(nowMs) || nowMs < this.distrustUntilMs) return undefined;",
        replace: "if (!this.isLeaseHeld(nowMs)) return undefined;",
      },
    ],
    invariants: ["abstention-is-kept"],
  },
];
