/** Planted bugs in who is declared down, and when. */
import type { Mutant } from "./mutant.ts";

const PHI = "resilience/src/core/detection/fitted-machine.ts";
const NODE = "resilience/src/core/detection/fitted-node.ts";
const SUPERVISOR = "resilience/src/core/detection/supervisor.ts";
const RUNTIME_SUPERVISOR = "resilience/src/runtime/detection/supervisor.ts";

export const DETECTOR_MUTANTS: readonly Mutant[] = [
  {
    name: "tuned-for-another-network",
    bug: "four minutes to declare",
    file: "gateway/src/config/group.ts",
    edits: [
      {
        find: 'return Math.max(1_000, (kind === "http" ? 5 : 20) * intervalMs);',
        replace: 'return Math.max(240_000, (kind === "http" ? 5 : 20) * intervalMs);',
      },
      {
        find: 'return model === "adaptive" ? Math.max(20, (intervalMs + 150) / 10) : Math.max(50, intervalMs / 4);',
        replace: 'return model === "adaptive" ? 40_000 : Math.max(40_000, intervalMs / 4);',
      },
    ],
    invariants: ["suspicion-fits-the-beats", "takes-over"],
  },
  {
    name: "one-model-for-all",
    bug: "the model that is configured is not the one that judges",
    file: "gateway/src/fleet/group-options.ts",
    edits: [{ find: "    model,\n", replace: '    model: "normal",\n' }],
    invariants: ["suspicion-fits-the-beats"],
  },
  {
    name: "adaptive-hears-nobody",
    bug: "the adaptive model does not tell that anybody was heard",
    file: "resilience/src/core/detection/adaptive/adaptive.ts",
    edits: [{ find: "    return this.#newestMs;", replace: "    return Number.NEGATIVE_INFINITY;" }],
    invariants: ["doubts-with-reason"],
  },
  {
    name: "no-ceiling",
    bug: "silence is not always declared",
    file: PHI,
    edits: [{ find: "if (nowMs >= state.lastMs + this.options.ceilingMs) return Number.MAX_VALUE;", replace: "" }],
    invariants: ["suspicion-fits-the-beats", "silence-is-declared"],
  },
  {
    name: "nan-suspicion",
    bug: "a window without spread gives a suspicion that is no number",
    file: NODE,
    edits: [
      {
        find: "let scale = Math.max(this.#window.deviation, model.leastScale);",
        replace: "let scale = this.#window.count > 60 ? this.#window.deviation - this.#window.deviation : 50;",
      },
    ],
    invariants: ["suspicion-is-a-number", "suspicion-fits-the-beats"],
  },
  {
    name: "hair-trigger",
    bug: "the least deviation is not kept to: one late beat is an outage",
    file: NODE,
    edits: [
      {
        find: "let scale = Math.max(this.#window.deviation, model.leastScale);",
        replace: "let scale = Math.max(this.#window.deviation / 50, 0.01);",
      },
    ],
    invariants: ["suspicion-fits-the-beats", "declaration-after-silence"],
  },
  {
    name: "learns-lost-beats",
    bug: "a gap in which beats were lost is taken for an ordinary one",
    file: NODE,
    edits: [
      {
        find: 'if (succession === "next" && gapMs >= 0',
        replace: 'if ((succession === "next" || succession === "skip") && gapMs >= 0',
      },
    ],
    invariants: ["suspicion-fits-the-beats"],
  },
  {
    name: "wrong-gap-leaves",
    bug: "another gap than the oldest leaves the window",
    file: "resilience/src/core/detection/arrival-window.ts",
    edits: [
      {
        find: "tally(this.#cells, this.#first, LEAVING, place, -1);",
        replace: "tally(this.#cells, this.#first, LEAVING, this.#first + RING + ((this.#next + 1) % this.size), -1);",
      },
    ],
    invariants: ["suspicion-fits-the-beats"],
  },
  {
    name: "sustain-survives-a-stall",
    bug: "suspicion from before an observer's own stall goes on counting",
    file: SUPERVISOR,
    edits: [
      {
        find: "if (look.level < this.options.declareThreshold || abstaining) watched",
        replace: "if (look.level < this.options.declareThreshold) watched",
      },
    ],
    invariants: ["abstention-is-kept"],
  },
  {
    name: "never-doubts-itself",
    bug: "an observer that stood still declares everybody",
    file: RUNTIME_SUPERVISOR,
    edits: [
      { find: "if (lateByMs <= this.#stallToleranceMs) return", replace: "if (lateByMs < Number.MAX_VALUE) return" },
    ],
    invariants: ["abstains-after-a-stall"],
  },
  {
    name: "never-clears",
    bug: "who was declared down stays so",
    file: SUPERVISOR,
    edits: [
      {
        find: 'return clear && nowMs >= watched.dwellEndsMs ? "alive" : "down";',
        replace: 'return clear && nowMs < watched.dwellEndsMs - 1e12 ? "alive" : "down";',
      },
    ],
    invariants: ["suspicions-clear"],
  },
  {
    name: "sustain-forgotten",
    bug: "suspicion need not be sustained",
    file: SUPERVISOR,
    edits: [
      { find: "nowMs >= watched.aboveSinceMs + this.options.sustainMs", replace: "nowMs >= watched.aboveSinceMs" },
    ],
    invariants: ["declaration-is-sustained"],
  },
  {
    name: "learns-the-outage",
    bug: "the gap of an outage goes into the window, so that the next one is declared late",
    file: NODE,
    edits: [
      {
        find: 'if (succession === "next" && gapMs >= 0 && gapMs < this.#settings.ceilingMs) this.#learn',
        replace: 'if (succession !== "restart" && gapMs >= 0) this.#learn',
      },
      { find: "      if (this.#outagesInRow < SLOWER_FOR_GOOD) return;\n", replace: "" },
    ],
    invariants: ["suspicion-fits-the-beats", "declaration-when-due"],
  },
  {
    name: "old-challenge-taken",
    bug: "a station answers a challenge that somebody has recorded, and locks itself out",
    file: "gateway/src/fleet/station-heartbeats.ts",
    edits: [{ find: "if (sequence <= this.#challengedAt || sequence", replace: "if (sequence" }],
    invariants: ["old-challenges-are-ignored"],
  },
  {
    name: "wrong-wake",
    bug: "the supervisor wakes for the wrong instant and finds an outage late",
    file: SUPERVISOR,
    edits: [
      {
        find: "return Math.min(Math.max(accuseMs, this.#abstainUntilMs), latestMs);",
        replace: "return Math.max(accuseMs, this.#abstainUntilMs, latestMs) + 20_000;",
      },
    ],
    invariants: ["silence-is-declared", "takes-over"],
  },
  {
    name: "deaf-and-sure",
    bug: "an observer that hears nobody at all takes everybody for lost",
    file: RUNTIME_SUPERVISOR,
    edits: [{ find: "this.#deaf = silent ?", replace: "this.#deaf = silent && lastMs > nowMs ?" }],
    invariants: ["doubts-its-hearing"],
  },
  {
    name: "hears-only-itself",
    bug: "each group doubts its hearing by its own stations only, whoever else is heard",
    file: "gateway/src/compose.ts",
    edits: [{ find: "        observer,\n", replace: "        observer: new ObserverHealth(),\n" }],
    invariants: ["doubts-with-reason"],
  },
  {
    name: "doubt-that-passes",
    bug: "who doubts its hearing says so, and declares at the next look",
    file: RUNTIME_SUPERVISOR,
    edits: [
      {
        find: "this.#machine.withholdUntil(this.#deaf === undefined ?",
        replace: "this.#machine.withholdUntil(!begins || this.#deaf === undefined ?",
      },
    ],
    invariants: ["abstention-is-kept"],
  },
  {
    name: "cleared-too-soon",
    bug: "below the threshold that suspects is as good as below the one that clears",
    file: "resilience/src/core/detection/supervisor.ts",
    edits: [
      {
        find: "return look.level < this.options.clearThreshold && !this.#isPastCeiling(look, nowMs);",
        replace: "return look.level < this.options.suspectThreshold && !this.#isPastCeiling(look, nowMs);",
      },
    ],
    invariants: ["declaration-follows-level"],
    scenario: "narrow-swarm",
  },
  {
    name: "slow-at-first",
    bug: "a detector begins with an interval of three times the one that is written",
    file: "gateway/src/fleet/group-options.ts",
    edits: [
      {
        find: "expectedIntervalMs: heartbeat.intervalMs,",
        replace: "expectedIntervalMs: 3 * heartbeat.intervalMs,",
      },
    ],
    invariants: ["suspicion-fits-the-beats", "declaration-when-due"],
  },
  {
    name: "ticks-made-up",
    bug: "heartbeats that a stall has swallowed are asked for all at once after it",
    file: "gateway/src/fleet/station-prober.ts",
    edits: [
      {
        find: "dueMs += everyMs * (1 + Math.floor(Math.max(0, clock.nowMs() - dueMs) / everyMs));",
        replace: "dueMs += everyMs;",
      },
    ],
    invariants: ["pulls-are-not-made-up"],
  },
];
