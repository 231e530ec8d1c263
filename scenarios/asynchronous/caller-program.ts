/**
 * A caller of asynchronous commands as a process of the world. It sends commands under keys of its
 * own, again under the same key if no 202 came, cancels a few, and asks again and again what became
 * of those that were accepted. Beside that it sends live commands. It notes what it is told in a
 * ledger, which the checks compare with the truth.
 */
import type { NodeEnv, Program } from "ground-station-failover/sim";
import { chance, pick } from "ground-station-failover/sim";
import type { CommandView } from "../../gateway/src/fleet/async/command-view.ts";
import type { Fleet } from "../fleet/fleet.ts";
import { HangUp } from "../fleet/hang-up.ts";
import type { Command } from "../fleet/observer.ts";
import { endsAtMs, GATEWAY, groupPort, targetOf } from "../fleet/plan.ts";
import type { WireRequest } from "../fleet/wire.ts";
import { WirePool } from "../fleet/wire.ts";
import { type AsyncWireReply, type AsyncWireRequest, OWN_PATH } from "./messages.ts";

/** What the caller knows of one asynchronous command. */
export interface AsyncNote {
  readonly command: Command;
  readonly expiresAfterMs: number;
  /** Its id at the gateway; undefined while it was not accepted. */
  id: string | undefined;
  acceptedAtMs: number | undefined;
  /** Refused each time with the promise that nothing was accepted. */
  isSurelyRefused: boolean;
  /** The newest state that it was told. */
  view: CommandView | undefined;
  /** Of an accepted command: it is not known any more. */
  isForgotten: boolean;
}

/** A live command and its answer. */
interface LiveNote {
  readonly command: Command;
  readonly sentAtMs: number;
  answeredAtMs: number | undefined;
  status: number | undefined;
}

export interface CallerLedger {
  readonly notes: AsyncNote[];
  readonly live: LiveNote[];
}

/** Nothing is sent in the last part of a run, so that everything has ended at its end. */
export const QUIET_MS = 45_000;
const WAITS_MS = 5_000;
const SENDINGS = 4;
const LIVE_EVERY_MS = 200;
const ASK_EVERY_MS = 100;

export function asyncCallerProgram(fleet: Fleet, ledger: CallerLedger, everyMs: number): Program {
  return (env) => {
    const caller = new Caller(fleet, env, ledger, everyMs);
    caller.start();
  };
}

class Caller {
  readonly #fleet: Fleet;
  readonly #env: NodeEnv;
  readonly #ledger: CallerLedger;
  readonly #everyMs: number;
  readonly #pool: WirePool;
  readonly #draws: { next(): number };
  #sent = 0;

  constructor(fleet: Fleet, env: NodeEnv, ledger: CallerLedger, everyMs: number) {
    this.#fleet = fleet;
    this.#env = env;
    this.#ledger = ledger;
    this.#everyMs = everyMs;
    this.#pool = new WirePool(env, { node: GATEWAY, port: groupPort(0) }, 1_000);
    this.#draws = env.random.fork("caller");
  }

  start(): void {
    this.#every(this.#everyMs, () => this.#sendAsync());
    this.#every(LIVE_EVERY_MS, () => this.#sendLive());
    this.#every(ASK_EVERY_MS, () => this.#askForSome(), true);
  }

  #every(meanMs: number, run: () => void, toTheEnd = false): void {
    const { clock } = this.#env;
    const untilMs = endsAtMs(this.#fleet.plan) - (toTheEnd ? 0 : QUIET_MS);
    const next = (): void => {
      if (this.#fleet.world.nowMs >= untilMs) return;
      run();
      clock.at(clock.nowMs() + meanMs * (0.5 + this.#draws.next()), next);
    };
    clock.at(clock.nowMs() + meanMs * this.#draws.next(), next);
  }

  #newCommand(prefix: string): Command {
    const command: Command = {
      id: `${prefix}.${++this.#sent}`,
      group: "atlantic",
      kind: "keyed",
      method: "POST",
      sentAtMs: this.#fleet.world.nowMs,
      patienceMs: undefined,
      route: undefined,
      workMs: this.#fleet.plan.groups[0]?.serviceMs ?? 20,
      ...{ sendings: 0, executions: 0, told: undefined, toldAtMs: undefined, answer: "" },
    };
    this.#fleet.commands.set(command.id, command);
    return command;
  }

  #sendAsync(): void {
    const draw = this.#draws;
    const random = { next: () => draw.next() } as Parameters<typeof pick>[0];
    const expiresAfterMs = chance(random, 0.2) ? 4_000 : 600_000;
    const note: AsyncNote = {
      command: this.#newCommand("async"),
      expiresAfterMs,
      ...{ id: undefined, acceptedAtMs: undefined, isSurelyRefused: true, view: undefined, isForgotten: false },
    };
    this.#ledger.notes.push(note);
    const prefers = { priority: pick(random, ["emergency", "command", "telemetry"] as const), expiresAfterMs };
    const cancels = chance(random, 0.15);
    const request: AsyncWireRequest = { ...this.#requestOf(note.command), prefers };
    void this.#accept(note, request).then(() => (cancels ? this.#ask(note, "DELETE") : undefined));
  }

  async #accept(note: AsyncNote, request: AsyncWireRequest): Promise<void> {
    const { clock } = this.#env;
    for (let sending = 0; sending < SENDINGS; sending++) {
      const reply = await this.#exchange(request);
      if (reply?.view !== undefined) {
        note.id = reply.view.id;
        note.acceptedAtMs = this.#fleet.world.nowMs;
        note.isSurelyRefused = false;
        return;
      }
      if (reply === undefined || reply.outcomeUnknown === true) note.isSurelyRefused = false;
      await clock.sleepUntil(clock.nowMs() + 500);
    }
  }

  #sendLive(): void {
    const note: LiveNote = {
      command: this.#newCommand("live"),
      ...{ sentAtMs: this.#fleet.world.nowMs, answeredAtMs: undefined, status: undefined },
    };
    this.#ledger.live.push(note);
    void this.#exchange(this.#requestOf(note.command)).then((reply) => {
      note.answeredAtMs = this.#fleet.world.nowMs;
      note.status = reply?.status;
    });
  }

  /** In turn, so that each is asked for many times. */
  #askForSome(): void {
    const open = this.#ledger.notes.filter(({ id, view }) => id !== undefined && view?.endedAtMs === undefined);
    const one = open[Math.floor(this.#draws.next() * open.length)];
    const any = this.#ledger.notes[Math.floor(this.#draws.next() * this.#ledger.notes.length)];
    for (const note of new Set([open[0], one, any])) if (note?.id !== undefined) void this.#ask(note, "GET");
  }

  async #ask(note: AsyncNote, method: "GET" | "DELETE"): Promise<void> {
    if (note.id === undefined) return;
    const target = `${OWN_PATH}${note.id}`;
    const reply = await this.#exchange({ label: `${method} ${note.command.id}`, method, target });
    if (reply === undefined) return;
    if (reply.status === 404) note.isForgotten = true;
    else if (reply.view !== undefined) note.view = reply.view;
  }

  #requestOf(command: Command): WireRequest {
    const { id, method } = command;
    command.sendings++;
    return { label: id, method, target: targetOf(command), caller: this.#env.name, idempotencyKey: id };
  }

  /** Undefined if no answer came in time. */
  async #exchange(request: WireRequest): Promise<AsyncWireReply | undefined> {
    const { clock } = this.#env;
    const hangUp = new HangUp();
    const timer = clock.at(clock.nowMs() + WAITS_MS, () => hangUp.abort(new Error("it waits no longer")));
    try {
      return await this.#pool.exchange(request, hangUp);
    } catch {
      return undefined;
    } finally {
      timer[Symbol.dispose]();
    }
  }
}
