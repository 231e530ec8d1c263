/**
 * The guardrails as the runner sees them: they check what must be so before a drill, take the
 * locks, begin the undo journal, start the watchdog and watch the baseline. A refusal leaves
 * nothing behind. Source of the rules: what the chaos tools of others learned (AWS FIS, Chaos Mesh,
 * Litmus, Gremlin, Chaos Monkey), in docs/guide/guardrails.md.
 */
import type { Clock } from "ground-station-failover";
import { systemClock } from "ground-station-failover";
import type { JsonObject } from "../experiment/experiment.ts";
import { substituted } from "../experiment/substitute.ts";
import type { GuardrailTrip } from "../injection.ts";
import type { GuardrailSession, Guardrails, Plan, PlannedInjection, Refusal } from "../run/hooks.ts";
import { distinctTargets, shownTargets, targetsHash } from "./blast-radius.ts";
import { signalsIn } from "./condition.ts";
import { reasonOf } from "./inverse.ts";
import { allPasses, brokenPreconditions, leverBreach, resolved } from "./preconditions.ts";
import { ownIdentity } from "./process-identity.ts";
import { RunSession } from "./session.ts";
import { type GuardrailSettings, readSettings } from "./settings.ts";
import type { SignalSource } from "./signal-source.ts";
import { TargetLocks } from "./target-locks.ts";
import { UndoJournal } from "./undo-journal.ts";
import { WatchdogLink } from "./watchdog-link.ts";
import type { WatchOrder } from "./watchdog-messages.ts";

/** How often the hypothesis is looked at in the baseline, in ms. */
const BASELINE_EVERY_MS = 1_000;

export interface DrillGuardrailsOptions {
  /** Default: the system's. */
  readonly clock?: Clock;
  /**
   * Milliseconds since 1970: hours, passes and ages are of the calendar. Default: the machine's.
   */
  readonly wallMs?: () => number;
}

/** The session of a dry run: nothing is put in force, so there is nothing to watch or lift. */
class DrySession implements GuardrailSession {
  readonly kind = "session" as const;
  readonly stopRequested: AbortSignal = new AbortController().signal;

  async beforeInjection({ activity }: PlannedInjection): Promise<GuardrailTrip> {
    const observed = `"${activity}" is not put in force in a dry run`;
    return { rule: "dry-run", at: new Date().toISOString(), observed, abortLatencyMs: null };
  }

  async afterInjection(): Promise<void> {}

  async lift(): Promise<readonly string[]> {
    return [];
  }

  async proveClean(): Promise<readonly string[]> {
    return [];
  }

  trips(): readonly GuardrailTrip[] {
    return [];
  }

  async end(): Promise<void> {}
}

/** Our guardrails. */
export class DrillGuardrails implements Guardrails {
  readonly #clock: Clock;
  readonly #wallMs: () => number;

  constructor({ clock = systemClock, wallMs = () => Date.now() }: DrillGuardrailsOptions = {}) {
    this.#clock = clock;
    this.#wallMs = wallMs;
  }

  problems(settings: JsonObject): readonly string[] {
    return readSettings(settings).problems ?? [];
  }

  halted(store: string): Refusal | undefined {
    const reasons = leverBreach(store);
    return reasons.length === 0 ? undefined : { kind: "refused", reasons };
  }

  async begin(plan: Plan): Promise<Refusal | GuardrailSession> {
    try {
      const written = substituted(plan.experiment.drill?.guardrails ?? {}, plan.values) as JsonObject;
      const { settings, problems } = readSettings(written);
      if (settings === undefined) return refusedFor("settings", problems);
      const broken = await brokenPreconditions(plan, settings, this.#wallMs());
      if (broken.length > 0) return { kind: "refused", reasons: broken };
      this.#showTargets(plan);
      if (plan.isDry) return new DrySession();
      return await this.#opened(plan, settings);
    } catch (error) {
      return refusedFor("guardrails", [reasonOf(error)]);
    }
  }

  #showTargets(plan: Plan): void {
    const targets = distinctTargets(resolved(plan).flatMap((one) => one.targets));
    if (targets.length > 0) plan.tell(`targets: ${shownTargets(targets)}; hash ${targetsHash(targets)}`);
  }

  async #opened(plan: Plan, settings: GuardrailSettings): Promise<Refusal | GuardrailSession> {
    const identity = ownIdentity();
    const locks = new TargetLocks(plan.store, plan.runId, identity);
    const conflict = locks.take(resolved(plan).flatMap((one) => one.targets));
    if (conflict !== undefined) return refusedFor("lock", [`${conflict.target}: ${conflict.observed}`]);
    const now = (): string => new Date(this.#wallMs()).toISOString();
    let session: RunSession | undefined;
    try {
      const journal = UndoJournal.begin(plan.store, plan.runId, identity, now);
      const opened = new RunSession({ plan, settings, journal, locks, clock: this.#clock, now });
      session = opened;
      opened.watchedBy(await this.#watchdogOf(opened, plan, settings));
      const reason = await this.#baseline(opened.stopRequested, plan, settings);
      if (reason === undefined) return opened;
      await opened.end();
      return { kind: "refused", reasons: [reason] };
    } catch (error) {
      if (session === undefined) locks.release();
      else await session.end();
      return refusedFor("watchdog", [reasonOf(error)]);
    }
  }

  #watchdogOf(session: RunSession, plan: Plan, settings: GuardrailSettings): Promise<WatchdogLink> {
    return WatchdogLink.start({
      order: orderOf(plan, settings),
      clock: this.#clock,
      onTripped: ({ rule, observed, seenAgoMs }) => session.trip(rule, observed, seenAgoMs),
      onLifted: ({ abortLatencyMs, failed }) => session.liftedByWatchdog(abortLatencyMs, failed),
      onLost: (observed) => session.trip("watchdog", `the watchdog is lost: ${observed}`),
    });
  }

  /** Why the drill may not go on; undefined: the steady state held for the whole time. */
  async #baseline(
    stopRequested: AbortSignal,
    plan: Plan,
    { baselineMs, baselineWithinMs }: GuardrailSettings,
  ): Promise<Refusal["reasons"][number] | undefined> {
    const needed = plan.injections.length === 0 ? 0 : baselineMs;
    let startedMs = this.#clock.nowMs();
    const limitMs = startedMs + baselineWithinMs;
    const stopped = AbortSignal.any([plan.signal, stopRequested]);
    for (let shown = -1; ; ) {
      if (stopRequested.aborted) return stopRequested.reason as Refusal["reasons"][number];
      if (plan.signal.aborted) return { rule: "interrupted", observed: "the run was stopped" };
      const passedMs = this.#clock.nowMs() - startedMs;
      if (passedMs >= needed) return undefined;
      if ((await unlessStopped(plan.steadyStateHolds(), stopped)) === false) {
        startedMs = this.#clock.nowMs() + BASELINE_EVERY_MS;
        if (startedMs + needed > limitMs) {
          const observed = `the steady state was missed after ${Math.round(passedMs)} of the ${needed} ms that it has to hold before the first fault`;
          return { rule: "baseline", observed };
        }
        plan.tell("baseline: the steady state was missed; it begins anew");
        shown = -1;
        await this.#clock.sleepUntil(startedMs, stopped).catch(() => undefined);
        continue;
      }
      const tenth = Math.floor((passedMs * 10) / needed);
      if (tenth > shown) plan.tell(`baseline: ${Math.round(passedMs / 1_000)} of ${Math.round(needed / 1_000)} s`);
      shown = tenth;
      const untilMs = Math.min(this.#clock.nowMs() + BASELINE_EVERY_MS, startedMs + needed);
      await this.#clock.sleepUntil(untilMs, stopped).catch(() => undefined);
    }
  }
}

/** Undefined if the run was stopped before the answer: a probe that hangs holds nobody up. */
async function unlessStopped(answer: Promise<boolean>, stopped: AbortSignal): Promise<boolean | undefined> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const onAbort = (): void => resolve(undefined);
  if (stopped.aborted) onAbort();
  stopped.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([answer, promise]);
  } finally {
    stopped.removeEventListener("abort", onAbort);
  }
}

function orderOf(plan: Plan, settings: GuardrailSettings): WatchOrder {
  const { stop, blindAfterMs, incident, passMarginMs, maxDurationMs } = settings;
  const passes = allPasses(settings);
  return {
    store: plan.store,
    runId: plan.runId,
    stop: stop.map(({ text }) => text),
    signals: { ...stageSignals(plan, settings), ...settings.signals },
    blindAfterMs,
    incident,
    // Passes that cannot be read have refused the drill already.
    protectedPasses: typeof passes === "string" ? [] : passes,
    passMarginMs,
    maxDurationMs,
  };
}

/** Signals without a source of their own are members of the stage's document. */
function stageSignals({ signalsUrl }: Plan, { stop }: GuardrailSettings): Record<string, SignalSource> {
  if (signalsUrl === undefined) return {};
  const names = stop.flatMap(({ condition }) => signalsIn(condition));
  return Object.fromEntries(names.map((name) => [name, { url: signalsUrl, jsonpath: `$[${JSON.stringify(name)}]` }]));
}

function refusedFor(rule: string, observed: readonly string[]): Refusal {
  return { kind: "refused", reasons: observed.map((one) => ({ rule, observed: one })) };
}
