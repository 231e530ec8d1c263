/**
 * What incident CN-2702-003 teaches about a setting. A primary died, and the takeover took eight
 * minutes instead of 30 s, for three reasons: a detector tuned for another path, a breaker that
 * counted, and retries all at once. Where a configuration asks for one of these, the refusal says
 * which. Some cannot be written at all, because there is no such field; then the refusal of the
 * field says why there is none.
 */
import type { TimingSetting } from "ground-station-failover/core";
import type { FieldPath } from "./field-path.ts";

const DETECTOR =
  "reason 1 of incident CN-2702-003: its detector was tuned for a slower path, and took 4 minutes to declare";
const BREAKER =
  "reason 2 of incident CN-2702-003: its breaker tripped on a count of 50 failures, which at that traffic were a day";
const STORM =
  "reason 3 of incident CN-2702-003: what had queued up was retried all at once, and overloaded the backup for 5 " +
  "more minutes";

const LESSONS: Partial<Readonly<Record<TimingSetting, string>>> = {
  ceilingMs: DETECTOR,
  sustainMs: DETECTOR,
  intervalMs: DETECTOR,
  timeoutMs: DETECTOR,
  failingForMs: BREAKER,
  minFailures: BREAKER,
  refusalsToDeclare: BREAKER,
  unansweredAfterMs: BREAKER,
  breakerWindowMs: BREAKER,
  maxWaitMs: STORM,
  budgetRatio: STORM,
};

/** Which reason of the incident a too large value of `setting` is; undefined if none. */
export function lessonOf(setting: TimingSetting): string | undefined {
  return LESSONS[setting];
}

/** Names by which other products call what there is no field for here, below a group. */
const MISSING: readonly { readonly names: RegExp; readonly why: string }[] = [
  {
    names: /^heartbeat\.timeout(Ms)?$|^detector\.(timeouts?|timeout(Ms)?|miss(es|ed)?|maxMissed|missedBeats|retries)$/i,
    why:
      "a fixed time-out or a count of missed heartbeats fits one path only, so there is none: silence is judged by what " +
      `is learned of the path, and at the latest at detector.ceiling (${DETECTOR})`,
  },
  {
    names:
      /^breaker\.(failures?|count|failureCount|failureThreshold|maxFailures|consecutive\w*|threshold|errors?\w*|trip\w*)$/i,
    why: `the circuit does not count failures; it opens on their rate, breaker.failureRateThreshold (${BREAKER})`,
  },
  {
    names:
      /^retry\.(jitter|back-?off\w*|delay\w*|interval\w*|immediate\w*|unlimited|budget|forever)$|^(ramp|queue|replay)$/i,
    why:
      "it cannot be switched off that attempts are spread (full jitter), charged to a budget (retry.budgetRatio), and " +
      `paced after a promotion (${STORM})`,
  },
];

/** Why there is no field at `path`, if that is a lesson of the incident. */
export function whyNoField(path: FieldPath): string | undefined {
  const [first, place, ...below] = path;
  if (first !== "groups" || typeof place !== "number") return undefined;
  const name = below.join(".");
  return MISSING.find(({ names }) => names.test(name))?.why;
}
