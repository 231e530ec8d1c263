/**
 * The timing budget: from the settings alone, the longest time from a fault of the active station
 * until another station serves commands. It is a sum of six terms for each fault that the failover
 * recognizes. Each part of a term is one setting (or one assumption about the surroundings) times a
 * small number, and each function below says why no run takes longer. Rule F8; the idea of a sum of
 * worst cases is response time analysis (Joseph and Pandya, 1986).
 *
 * The bounds hold whatever the detector, the answer times and the limits have learned, as long as
 * the {@link Surroundings} hold and another station is eligible.
 */
import { checked } from "../options.ts";
import type {
  Surroundings,
  TakeoverBound,
  TakeoverFault,
  TimingPart,
  TimingSettings,
  TimingSource,
  TimingTermName,
} from "./timing-terms.ts";

/** The terms of a bound, in the order in which their time passes. */
export const TIMING_TERMS: readonly TimingTermName[] = ["detect", "sustain", "decide", "lease", "promote", "drain"];

/** What is assumed of the surroundings if nothing is said. */
export const USUAL_SURROUNDINGS: Surroundings = {
  pathMs: 250,
  lostInRow: 2,
  stallMs: 100,
  answerMs: 1_000,
  callIntervalMs: 500,
  callDelayMs: 0,
  loadRatio: 0.5,
};

/**
 * `LivenessSupervisor` abstains at most this often in a row before it decides, each time for as
 * long as it was late.
 */
const ABSTENTIONS_IN_A_ROW = 3;
/**
 * A timer that fires this much late is no pause of the process. Four of them lie on the longest
 * way: suspect, declare, hear the backup, and look at waiting calls.
 */
const TIMER_LATE_MS = 50;
const TIMERS = 4;
/** `Roles`: how soon a candidate is looked at again. */
const CONFIRM_MS = 10;
/** `Dispatcher`: how soon a parked call is looked at again. */
const LOOK_MS = 250;
/**
 * So many attempts in a row are overdue by chance in one of a million cases, if one of fifty is
 * usually late, and one of five of those that follow a late one (`accidents.ts`). It is 3 where
 * hardly any is late.
 */
const OVERDUE_ATTEMPTS = 8;
/**
 * An attempt is overdue after this many times the slowest answer of its source, if one answer is
 * known (`call-sources.ts`). It is 1.05 where many are.
 */
const OVERDUE_RATIO = 2.05;
/**
 * So many commands that another station served are proof: 40 % of the last 20 (`evidence.ts`).
 */
const COMPARED_FAILURES = 8;

/**
 * The longest takeover after each fault, in the order of `docs/guide/timing-budget.md`.
 * Throws `ConfigurationError` if a number is NaN or negative.
 *
 * @example
 * ```ts
 * import { takeoverBounds } from "ground-station-failover/core";
 *
 * const [silence] = takeoverBounds({
 *   intervalMs: 50,
 *   ceilingMs: 1_000,
 *   sustainMs: 0,
 *   gracePeriodMs: 5_000,
 *   maxAbstentionMs: 50,
 *   recheckMs: 50,
 *   failingForMs: 1_000,
 *   minFailures: 5,
 *   refusalsToDeclare: 2,
 *   unansweredAfterMs: 250,
 *   leaseMs: 0,
 *   keyStatusTimeoutMs: 0,
 *   capacityPerSecond: Number.POSITIVE_INFINITY,
 *   maxWaitMs: 15_000,
 *   budgetRatio: 0.1,
 * });
 * console.log(silence?.fault, (silence?.totalMs ?? 0) < 30_000); // silence true
 * ```
 */
export function takeoverBounds(
  settings: TimingSettings,
  surroundings: Partial<Surroundings> = {},
): readonly TakeoverBound[] {
  const around: Surroundings = { ...USUAL_SURROUNDINGS, ...surroundings };
  refuseNonsense(settings, around);
  const sum = new Sum(settings, around);
  const bounds = [sum.silence(), sum.neverHeard(), sum.refused(), sum.unanswered(), sum.lost(), sum.failed()];
  const circuit = sum.circuit();
  return circuit === undefined ? bounds : [...bounds, circuit];
}

function refuseNonsense(settings: TimingSettings, around: Surroundings): void {
  const range = { min: 0, max: Number.POSITIVE_INFINITY };
  for (const [name, value] of [...Object.entries(settings), ...Object.entries(around)] as [string, unknown][])
    if (value !== undefined) checked("takeoverBounds", name, value as number, range);
}

interface Evidence {
  readonly detect: readonly TimingPart[];
  readonly sustain?: readonly TimingPart[];
  /** Commands that are needed as evidence. */
  readonly commands: number;
  /**
   * True if commands get no answer meanwhile, so that they wait and go on after the promotion. A
   * command that is refused, lost or failed does not wait: it goes to the other station, or its
   * caller is told.
   */
  readonly waits: boolean;
}

class Sum {
  readonly #settings: TimingSettings;
  readonly #around: Surroundings;

  constructor(settings: TimingSettings, around: Surroundings) {
    this.#settings = settings;
    this.#around = around;
  }

  /**
   * The last heartbeat may be on its way at the instant of the fault; it arrives within `pathMs`,
   * and an answer to a probe also within the probe's timeout. From then on the detector's level is
   * the largest number once `ceilingMs` is over, whatever was learned, and the supervisor wakes at
   * that instant: it asked the detector for it. A cut-off observer withholds a declaration only
   * until the ceiling.
   */
  silence(): TakeoverBound {
    const { ceilingMs, timeoutMs = Number.POSITIVE_INFINITY } = this.#settings;
    const { pathMs } = this.#around;
    const detect: TimingPart[] = [
      timeoutMs < pathMs
        ? { source: "timeoutMs", ms: timeoutMs, what: "the answer to a probe that was out at the fault" }
        : { source: "pathMs", ms: pathMs, what: "the last heartbeat on its way" },
      { source: "ceilingMs", ms: ceilingMs, what: "silence that is always declared" },
    ];
    return this.#bound("silence", { detect, sustain: this.#sustained(), commands: 0, waits: true });
  }

  /** Counted from the start of this process, because there is no last heartbeat. */
  neverHeard(): TakeoverBound {
    const { gracePeriodMs } = this.#settings;
    const detect: TimingPart[] = [
      { source: "gracePeriodMs", ms: gracePeriodMs, what: "a station may stay unheard after the start" },
    ];
    return this.#bound("never-heard", { detect, sustain: this.#sustained(), commands: 0, waits: true });
  }

  /**
   * Each refused connection counts, and this many in a row are proof. A refusal needs the way there
   * and back.
   */
  refused(): TakeoverBound {
    const { refusalsToDeclare } = this.#settings;
    const detect = [
      this.#commands(refusalsToDeclare, "refusalsToDeclare", "refused connections that are proof"),
      { source: "pathMs", ms: 2 * this.#around.pathMs, what: "there and back" } as const,
    ];
    return this.#bound("refused", { detect, commands: refusalsToDeclare, waits: false });
  }

  /**
   * An attempt is overdue when it is out for longer than nearly all answers of its station and its
   * source took. If so many in a row are overdue that chance does not explain it, and nothing is
   * answered for `unansweredAfterMs` more, that is proof. It needs commands of callers and routes
   * that have been answered before, and a station that has answered 20.
   */
  unanswered(): TakeoverBound {
    const { unansweredAfterMs } = this.#settings;
    const detect = [
      this.#commands(OVERDUE_ATTEMPTS, "callIntervalMs", "commands that are not answered"),
      { source: "answerMs", ms: times(OVERDUE_RATIO, this.#around.answerMs), what: "until they are overdue" } as const,
    ];
    const sustain: TimingPart[] = [
      { source: "unansweredAfterMs", ms: unansweredAfterMs, what: "nothing is answered for as long again" },
    ];
    return this.#bound("unanswered", { detect, sustain, commands: OVERDUE_ATTEMPTS, waits: true });
  }

  /**
   * Attempts that were sent and lost are proof once there are `minFailures` of them, the first of
   * which was sent `failingForMs` ago, and none succeeded in between. New commands avoid the
   * station from the second one on.
   */
  lost(): TakeoverBound {
    const { minFailures, failingForMs } = this.#settings;
    const detect = [
      this.#commands(minFailures, "minFailures", "commands that are lost one after the other"),
      { source: "answerMs", ms: this.#around.answerMs, what: "until the last of them is lost" } as const,
    ];
    const sustain: TimingPart[] = [{ source: "failingForMs", ms: failingForMs, what: "failing for so long" }];
    return this.#bound("lost", { detect, sustain, commands: minFailures, waits: false });
  }

  /**
   * A repeatable command that fails here goes to the other station at once; if that one serves it,
   * it counts against this one. Eight of the last 20 are proof. (So a caller gets his answer with
   * the first one; this bound is for the active role.)
   */
  failed(): TakeoverBound {
    const { answerMs } = this.#around;
    const what = "commands that failed here and were served by the other station";
    const detect = [
      this.#commands(COMPARED_FAILURES, "callIntervalMs", what),
      { source: "answerMs", ms: answerMs, what: "the error" } as const,
    ];
    return this.#bound("failed", { detect, commands: COMPARED_FAILURES, waits: false });
  }

  /**
   * If a circuit opens at all, it opens before one window of failures is over: from then on the
   * window holds nothing else. At fewer commands than its minimum volume in one window it never
   * opens; the other rules judge then.
   */
  circuit(): TakeoverBound | undefined {
    const { breakerWindowMs } = this.#settings;
    if (breakerWindowMs === undefined) return undefined;
    const detect: TimingPart[] = [
      { source: "breakerWindowMs", ms: breakerWindowMs, what: "until the window holds only failures" },
      { source: "answerMs", ms: this.#around.answerMs, what: "the last of them" },
    ];
    return this.#bound("circuit", { detect, commands: 0, waits: false });
  }

  /**
   * The supervisor looks at least every `recheckMs` while a station is suspected: once to see the
   * level, once to see that it was sustained. A pause of this process begins the time anew, once:
   * after three abstentions in a row it decides.
   */
  #sustained(): TimingPart[] {
    const { sustainMs, recheckMs } = this.#settings;
    const again: TimingPart = { source: "sustainMs", ms: sustainMs, what: "once more, after a pause of this process" };
    return [
      { source: "sustainMs", ms: sustainMs, what: "the level must hold" },
      ...(sustainMs > 0 ? [again] : []),
      { source: "fixed", ms: 2 * recheckMs, what: "two evaluations" },
    ];
  }

  #commands(commands: number, source: TimingSource, what: string): TimingPart {
    const { callIntervalMs, callDelayMs } = this.#around;
    return {
      source,
      ms: commands === 0 ? 0 : callDelayMs + times(commands, callIntervalMs),
      what: `${commands} ${what}`,
    };
  }

  /**
   * After a pause of this process no station is declared for as long as the pause lasted, at most
   * for the time that a heartbeat needs; this happens three times in a row at most. Then the first
   * eligible backup must have been heard once more since the active station fell silent: by its
   * next heartbeat that is not lost. A backup that is not heard within the ceiling is down itself.
   */
  #decide(): TimingPart[] {
    const { intervalMs, timeoutMs, ceilingMs, maxAbstentionMs, recheckMs } = this.#settings;
    const { pathMs, lostInRow, stallMs } = this.#around;
    const gapMs = timeoutMs === undefined ? times(1 + lostInRow, intervalMs) + pathMs : intervalMs + timeoutMs;
    const confirm = { source: gapMs < ceilingMs ? "intervalMs" : "ceilingMs", ms: Math.min(gapMs, ceilingMs) } as const;
    const abstentionMs = Math.max(recheckMs, Math.min(stallMs, maxAbstentionMs));
    const pausesMs = ABSTENTIONS_IN_A_ROW * (stallMs + abstentionMs);
    return [
      { source: "stallMs", ms: pausesMs, what: "pauses of this process, and no decision just after them" },
      { ...confirm, what: "one more heartbeat of the backup" },
      { source: "fixed", ms: CONFIRM_MS, what: "looking for it" },
    ];
  }

  /**
   * Until the new active station has served a command: one that was out may have to be asked about
   * first; one that waits is looked at; a declared capacity lets one go; if none can go again, the
   * next one comes. Then its way there and back and its answer.
   */
  #firstServed(): TimingPart[] {
    const { keyStatusTimeoutMs, capacityPerSecond } = this.#settings;
    const { pathMs, answerMs } = this.#around;
    const parts: readonly TimingPart[] = [
      { source: "keyStatusTimeoutMs", ms: keyStatusTimeoutMs, what: "asking what became of a key" },
      { source: "capacityPerSecond", ms: 1_000 / Math.max(capacityPerSecond, 1e-9), what: "one place in the pace" },
      { source: "fixed", ms: LOOK_MS, what: "looking at what waits" },
      this.#commands(1, "callIntervalMs", "command, if none waits"),
      { source: "pathMs", ms: 2 * pathMs, what: "there and back" },
      { source: "answerMs", ms: answerMs, what: "its answer" },
    ];
    return parts.filter(({ ms }) => ms > 0);
  }

  /**
   * What came during a takeover of T waits, and more comes while it is served. With a load of u and
   * r extra attempts for each call, a backlog of T u is served with 1 - u (1 + r) of the capacity;
   * if that is nothing, the retries alone fill the station. No call waits longer than `maxWaitMs`
   * in any case: then it is refused.
   */
  #backlog(promotedMs: number): TimingPart {
    const { budgetRatio, maxWaitMs } = this.#settings;
    const { loadRatio } = this.#around;
    const spare = 1 - loadRatio * (1 + budgetRatio);
    const servedMs = spare > 0 ? times(loadRatio / spare, promotedMs) : Number.POSITIVE_INFINITY;
    if (servedMs < maxWaitMs) return { source: "budgetRatio", ms: servedMs, what: "serving what waited" };
    return { source: "maxWaitMs", ms: maxWaitMs, what: "serving what waited, or refusing it by then" };
  }

  #bound(fault: TakeoverFault, { detect, sustain = [], commands, waits }: Evidence): TakeoverBound {
    const { leaseMs } = this.#settings;
    const lease: TimingPart[] =
      leaseMs > 0 ? [{ source: "leaseMs", ms: leaseMs, what: "until the right to decide is free" }] : [];
    const timers: TimingPart = { source: "fixed", ms: TIMERS * TIMER_LATE_MS, what: "timers that fire late" };
    const before = { detect, sustain, decide: this.#decide(), lease, promote: [timers] };
    const promotedMs = sumMs(Object.values(before).flat());
    const first = this.#firstServed();
    const firstMs = sumMs(first);
    // Both begin with the promotion.
    const backlog = this.#backlog(promotedMs);
    const parts: Record<TimingTermName, readonly TimingPart[]> = {
      ...before,
      drain: waits && backlog.ms > firstMs ? [backlog] : first,
    };
    const terms = TIMING_TERMS.map((term) => ({ term, ms: sumMs(parts[term]), parts: parts[term] }));
    const firstServedMs = promotedMs + firstMs;
    return { fault, terms, firstServedMs, totalMs: sumMs(terms), commands };
  }
}

function sumMs(all: readonly { readonly ms: number }[]): number {
  return all.reduce((sum, { ms }) => sum + ms, 0);
}

/** The product; 0 if one of them is 0, although the other may be Infinity. */
function times(one: number, other: number): number {
  return one === 0 || other === 0 ? 0 : one * other;
}
