/**
 * What must hold of asynchronous commands, whatever happens to the gateway, its disk and the
 * stations. The service behind the stations remembers keys.
 *
 * - `async-executed-once`: no command takes effect twice.
 * - `async-acknowledged-is-kept`: a command that was answered 202 is known ever after.
 * - `async-states-are-true`: done means executed; cancelled, expired and refused, each with
 *   certainty, mean not executed; nothing fails.
 * - `async-ends`: at the end of a run every accepted command has ended.
 * - `async-within-bounds`: no more are on their way than the bounds say.
 * - `async-not-after-expiry`: nothing is given to a station after its time.
 * - `live-goes-first`: while a backlog is worked off, live commands are answered soon.
 */
import type { Fleet } from "../fleet/fleet.ts";
import type { Attempt, FleetObserver } from "../fleet/observer.ts";
import { healedAtMs } from "../fleet/plan.ts";
import type { AsyncNote, CallerLedger } from "./caller-program.ts";

/** After healing, a take-over and a gateway's restart may still be under way for this long. */
const SETTLED_AFTER_MS = 8_000;
const LIVE_WITHIN_MS = 2_500;
/**
 * A round that is under way at the expiry ends by its deadline; an attempt may be sent just before.
 */
const EXPIRY_MARGIN_MS = 50;

export function asyncChecks(fleet: Fleet, ledger: CallerLedger): FleetObserver {
  const { world } = fleet;
  const out = new Set<Attempt>();
  const maxInFlight = fleet.settings.groups[0]?.asyncCommands?.maxInFlight ?? 0;
  const noteOf = (id: string): AsyncNote | undefined => ledger.notes.find(({ command }) => command.id === id);
  return {
    gatewayStarted: () => out.clear(),
    attemptBegan(attempt) {
      const note = noteOf(attempt.command.id);
      if (note === undefined) return;
      out.add(attempt);
      const commands = new Set([...out].map(({ command }) => command));
      if (commands.size > 2 * maxInFlight)
        world.violate("async-within-bounds", `${commands.size} on their way; ${maxInFlight} may be, twice`);
      const { acceptedAtMs, expiresAfterMs } = note;
      if (acceptedAtMs !== undefined && world.nowMs > acceptedAtMs + expiresAfterMs + EXPIRY_MARGIN_MS)
        world.violate("async-not-after-expiry", `${attempt.command.id} goes to ${attempt.station} after its time`);
    },
    attemptEnded: (attempt) => void out.delete(attempt),
    executed({ command }) {
      if (command.executions > 1)
        world.violate("async-executed-once", `${command.id} took effect ${command.executions} times`);
    },
    tick() {
      for (const note of ledger.notes) {
        if (note.isForgotten) world.violate("async-acknowledged-is-kept", `${note.command.id} is not known any more`);
        const untruth = untruthIn(note);
        if (untruth !== undefined) world.violate("async-states-are-true", `${note.command.id}: ${untruth}`);
      }
    },
    ended() {
      for (const { command, id, view } of ledger.notes) {
        if (id !== undefined && view?.endedAtMs === undefined)
          world.violate("async-ends", `${command.id} is ${view?.state ?? "not told"} at the end`);
      }
      if (ledger.notes.some(({ view }) => view?.state === "done" && view.attempts > 1)) world.sometimes("async again");
      checkLive(fleet, ledger);
    },
  };
}

function untruthIn({ view, command, isSurelyRefused, id }: AsyncNote): string | undefined {
  const { executions } = command;
  if (id === undefined) return undefined;
  if (isSurelyRefused && executions > 0) return "refused, and executed";
  if (view === undefined) return undefined;
  const { state, status, outcomeUnknown } = view;
  if (state === "failed") return `failed: ${view.reason}`;
  if (state === "done" && status === 200 && executions === 0) return "done, and not executed";
  const isSure = (state === "expired" && !outcomeUnknown) || state === "cancelled";
  return isSure && executions > 0 ? `${state}, and executed` : undefined;
}

function checkLive({ world, plan }: Fleet, { live, notes }: CallerLedger): void {
  const fromMs = healedAtMs(plan) + SETTLED_AFTER_MS;
  const isBacklog = notes.some(({ view }) => (view?.endedAtMs ?? 0) > 0 && (view?.attempts ?? 0) > 0);
  if (isBacklog) world.sometimes("async executed");
  for (const { command, sentAtMs, answeredAtMs, status } of live) {
    if (sentAtMs < fromMs) continue;
    const tookMs = (answeredAtMs ?? world.nowMs) - sentAtMs;
    if (status !== 200 || tookMs > LIVE_WITHIN_MS)
      world.violate("live-goes-first", `${command.id} was answered ${status} after ${Math.round(tookMs)} ms`);
  }
}
