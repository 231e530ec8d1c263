/** Planted bugs in what is sent where, and in what callers are told. */
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
    name: "put-is-safe",
    bug: "PUT and DELETE without a key are sent again",
    file: "gateway/src/fleet/command.ts",
    edits: [{ find: '"OPTIONS", "TRACE"]', replace: '"OPTIONS", "TRACE", "PUT", "DELETE"]' }],
    invariants: ["once-is-sent-once", "executed-once"],
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
];
