/** Planted bugs in who is active, what is sent where, and what callers are told. */
import type { Mutant } from "./mutant.ts";

const RUNTIME = "resilience/src/runtime";

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
    name: "blind-resend",
    bug: "a command without a key that a station had in hand is sent again",
    file: `${RUNTIME}/failover-call.ts`,
    edits: [{ find: "    return isRepeatable(this.#options);", replace: "    return this.#options !== undefined;" }],
    invariants: ["once-is-sent-once", "executed-once"],
  },
  {
    name: "timeout-reported-as-refused",
    bug: "a command that may have run is reported as not executed",
    file: "gateway/src/fleet/problem.ts",
    edits: [
      {
        find: 'const MAY_HAVE_RUN: ReadonlySet<string> = new Set(["AMBIGUOUS_OUTCOME", "ATTEMPT_TIMEOUT"]);',
        replace: "const MAY_HAVE_RUN: ReadonlySet<string> = new Set([]);",
      },
    ],
    invariants: ["failed-is-not-executed"],
  },
  {
    name: "deadline-proof-forgotten",
    bug: "a deadline that ends a command in flight is reported as never having run",
    file: `${RUNTIME}/failover-call.ts`,
    edits: [
      {
        find: "const mayHaveRun = error.mayHaveRun || this.#reached !== undefined;",
        replace: "const mayHaveRun = false;",
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
    bug: "each re-send begins its deadline anew",
    file: `${RUNTIME}/failover-call.ts`,
    edits: [
      {
        find: "if (this.#options.signal === undefined) return visit.begin(this.#operation, { ...this.#options, deadline });",
        replace:
          "if (this.#options.signal === undefined) return visit.begin(this.#operation, { ...this.#options, deadline });\n    if (this.failedAtMs > 0) return visit.begin(this.#operation, { ...this.#options, deadline: deadline + 30_000 });",
      },
    ],
    invariants: ["deadline-never-grows", "sent-before-deadline"],
  },
  {
    name: "sent-after-deadline",
    bug: "an attempt that could not finish is started all the same",
    file: "resilience/src/core/deadline.ts",
    edits: [
      {
        find: "if (leftMs > minimumMs) return undefined;",
        replace: "if (leftMs > minimumMs - 1e12) return undefined;",
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
    bug: "calls that are out at a lost station stay there",
    file: `${RUNTIME}/takeover.ts`,
    edits: [
      {
        find: "for (const call of inFlight) call.stationLost();",
        replace: "for (const call of inFlight.slice(0, 0)) call.stationLost();",
      },
    ],
    invariants: ["moves-what-was-in-flight", "takes-over", "answered-in-time"],
  },
  {
    name: "held-never-resumed",
    bug: "commands that were held for a promotion are not resumed by it",
    file: `${RUNTIME}/takeover.ts`,
    edits: [{ find: "    room.resumeHeld();\n", replace: "" }],
    invariants: ["waiting-moves", "moves-what-was-in-flight"],
  },
  {
    name: "waits-past-its-time",
    bug: "a command waits for somebody fit for as long as it takes",
    file: `${RUNTIME}/failover-call.ts`,
    edits: [
      { find: "    this.#patience.start(untilMs);", replace: "    if (untilMs < 0) this.#patience.start(untilMs);" },
    ],
    invariants: ["answered-in-time", "sources-are-told"],
  },
  {
    name: "waiting-room-without-bound",
    bug: "more commands wait than may",
    file: `${RUNTIME}/waiting-room.ts`,
    edits: [
      {
        find: "this.waiting >= Math.max(this.#options.maxWaiting, this.#pumping ? 1 : 0)",
        replace: "this.waiting >= Number.MAX_SAFE_INTEGER",
      },
    ],
    invariants: ["waiting-within-limit"],
  },
  {
    name: "backlog-at-once",
    bug: "what waits is released at once after a promotion",
    file: "resilience/src/core/ramp.ts",
    edits: [
      {
        find: "    this.#limit = concurrent;",
        replace: "    this.#limit = concurrent === 1 ? 1 : Number.POSITIVE_INFINITY;",
      },
    ],
    invariants: ["ramp-after-promotion"],
  },
  {
    name: "capacity-ignored",
    bug: "a station is offered more than it declares",
    file: "resilience/src/core/ramp.ts",
    edits: [
      {
        find: "if (this.#offered.total(0, nowMs) + 1 > this.capacityPerSecond) return false;",
        replace: "if (this.#offered.total(0, nowMs) + 1 > 4 * this.capacityPerSecond) return false;",
      },
    ],
    invariants: ["offered-within-capacity"],
  },
  {
    name: "ramp-never-left",
    bug: "a call that ends ignored does not leave the ramp",
    file: "resilience/src/core/ramp.ts",
    edits: [
      {
        find: "    this.#inFlight--;\n    if (!this.ramping",
        replace: '    if (outcome !== "ignored") this.#inFlight--;\n    if (!this.ramping',
      },
    ],
    invariants: ["counts-agree", "everything-returns"],
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
    edits: [
      { find: 'if (verdict === "counted") this.#failover', replace: 'if (verdict !== "counted") this.#failover' },
    ],
    invariants: ["epochs-are-learnt"],
  },
  {
    name: "put-is-safe",
    bug: "PUT and DELETE without a key are sent again",
    file: "gateway/src/fleet/command.ts",
    edits: [{ find: '"OPTIONS", "TRACE"]', replace: '"OPTIONS", "TRACE", "PUT", "DELETE"]' }],
    invariants: ["once-is-sent-once", "executed-once"],
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
    name: "report-ignored",
    bug: "a keyed command is re-sent although its group wants a report",
    file: `${RUNTIME}/failover.ts`,
    edits: [
      { find: 'ambiguousKeyed: ambiguousKeyed ?? "resend",', replace: 'ambiguousKeyed: ambiguousKeyed && "resend",' },
    ],
    invariants: ["report-is-not-resent"],
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
    name: "back-unproven",
    bug: "a station that failed need not answer a probe before failback",
    file: `${RUNTIME}/takeover.ts`,
    edits: [{ find: 'old.demoted(atMs, cause === "failure");', replace: "old.demoted(atMs, false);" }],
    invariants: ["failback-is-proven"],
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
    name: "waits-for-the-next",
    bug: "what waits is looked at only when another command comes or ends",
    file: `${RUNTIME}/waiting-room.ts`,
    edits: [
      {
        find: "      this.#timerAtMs = Number.POSITIVE_INFINITY;\n      this.pump();\n",
        replace: "      this.#timerAtMs = Number.POSITIVE_INFINITY;\n",
      },
    ],
    invariants: ["waiting-moves"],
  },
  {
    name: "held-looked-at-once",
    bug: "held commands are looked after once and never again",
    file: `${RUNTIME}/held-calls.ts`,
    edits: [
      {
        find: "    if (this.size > 0) this.#timer ??= this.#clock.at(nowMs + LOOK_INTERVAL_MS, () => this.#look());\n",
        replace: "",
      },
    ],
    invariants: ["held-moves"],
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
