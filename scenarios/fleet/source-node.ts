/**
 * A source of commands as a process of the world. It sends at its pace, says how long it waits where it has such a
 * wish, hangs up when that time is over (or a little later), and sends a keyed command again under the same key where its gateway was lost:
 * what a careful caller does, and no more. What it is told is what the checks compare with the truth.
 */

import type { NodeEnv, Program, Random } from "ground-station-failover/sim";
import { pick } from "ground-station-failover/sim";
import type { GroupSettings } from "../../gateway/src/fleet/settings.ts";
import type { Fleet } from "./fleet.ts";
import { HangUp } from "./hang-up.ts";
import type { Command, CommandKind, Told } from "./observer.ts";
import type { GroupPlan } from "./plan.ts";
import { endsAtMs, GATEWAY, groupPort } from "./plan.ts";
import type { WireReply } from "./wire.ts";
import { lies, WirePool } from "./wire.ts";

/** Sources send nothing in the last part of a run, so that at its end nothing may be under way. */
export function quietFromMs(fleet: Fleet): number {
  const longestMs = Math.max(...fleet.settings.groups.map(({ commands }) => commands.deadlineMs));
  return endsAtMs(fleet.plan) - longestMs - QUIET_MARGIN_MS;
}

const QUIET_MARGIN_MS = 5_000;
const CONNECT_TIMEOUT_MS = 1_000;
/** Over the gateway's own deadline, so that its answer is heard if there is one. */
const PATIENCE_MARGIN_MS = 2_000;
/** Half of them hear what is answered in the last moment, too. */
const TOLERANCE_MS = 300;
const RETRY_AFTER_MS = 500;
/** Whether a method may be repeated says itself only where it is safe (RFC 9110, 9.2.1); all others act. */
const ACTING = ["POST", "POST", "PUT", "DELETE", "PATCH"] as const;
const METHODS: Readonly<Record<CommandKind, readonly string[]>> = {
  read: ["GET", "GET", "HEAD", "OPTIONS"],
  keyed: ACTING,
  once: ACTING,
};
const PATIENCE_OVER = new Error("its source waits no longer");

export function sourceProgram(fleet: Fleet, settings: GroupSettings, plan: GroupPlan, place: number): Program {
  return (env) => {
    const to = { node: GATEWAY, port: groupPort(fleet.settings.groups.indexOf(settings)) };
    const source = new Source(fleet, env, settings, plan, place, new WirePool(env, to, CONNECT_TIMEOUT_MS));
    source.start();
  };
}

class Source {
  readonly #fleet: Fleet;
  readonly #env: NodeEnv;
  readonly #settings: GroupSettings;
  readonly #plan: GroupPlan;
  readonly #prefix: string;
  readonly #pool: WirePool;
  readonly #kinds: { next(): number };
  readonly #methods: Random;
  readonly #habits: { next(): number };
  readonly #pace: { next(): number };
  readonly #quietFromMs: number;
  #sent = 0;

  constructor(fleet: Fleet, env: NodeEnv, settings: GroupSettings, plan: GroupPlan, place: number, pool: WirePool) {
    this.#fleet = fleet;
    this.#env = env;
    this.#settings = settings;
    this.#plan = plan;
    this.#prefix = `${settings.name}.${place + 1}.${env.incarnation > 1 ? `${env.incarnation}.` : ""}`;
    this.#pool = pool;
    this.#kinds = env.random.fork("kinds");
    this.#methods = env.random.fork("methods");
    this.#habits = env.random.fork("habits");
    this.#pace = env.random.fork("pace");
    this.#quietFromMs = quietFromMs(fleet);
  }

  start(): void {
    const { clock } = this.#env;
    clock.at(clock.nowMs() + this.#gapMs() * this.#pace.next(), () => this.#next());
  }

  #gapMs(): number {
    const { commandsPerSecond, sources } = this.#plan;
    return (1_000 * sources) / (commandsPerSecond * this.#fleet.faults.surge(this.#settings.name));
  }

  /** How long it is until the sources of this group go on; 0 while they do. */
  #restMs(): number {
    const { bursts } = this.#plan;
    if (bursts === undefined) return 0;
    const intoMs = this.#fleet.world.nowMs % (bursts.forMs + bursts.restMs);
    return intoMs < bursts.forMs ? 0 : bursts.forMs + bursts.restMs - intoMs;
  }

  #next(): void {
    const { clock } = this.#env;
    if (this.#fleet.world.nowMs >= this.#quietFromMs) return;
    const restMs = this.#restMs();
    clock.at(clock.nowMs() + restMs + this.#gapMs() * (0.5 + this.#pace.next()), () => this.#next());
    if (restMs > 0) return;
    const draw = this.#kinds.next();
    const { readRatio, keyedRatio, patienceMs } = this.#plan;
    const kind: CommandKind =
      draw < readRatio ? "read" : draw < readRatio + (1 - readRatio) * keyedRatio ? "keyed" : "once";
    const command: Command = {
      id: `${this.#prefix}${++this.#sent}`,
      group: this.#settings.name,
      kind,
      method: pick(this.#methods, METHODS[kind]),
      sentAtMs: this.#fleet.world.nowMs,
      patienceMs,
      sendings: 0,
      executions: 0,
      told: undefined,
      toldAtMs: undefined,
      answer: "",
    };
    this.#fleet.commands.set(command.id, command);
    this.#fleet.observers.tell("commandSent", command);
    this.#send(command, true);
  }

  /** `sure`: no earlier sending of it may have had an effect. */
  #send(command: Command, sure: boolean): void {
    const { clock } = this.#env;
    command.sendings++;
    const { patienceMs } = this.#plan;
    const hangUp = new HangUp();
    const punctual = this.#habits.next() < 0.5;
    const ownMs = patienceMs === undefined ? undefined : patienceMs + (punctual ? 0 : TOLERANCE_MS);
    const waitMs = ownMs ?? this.#settings.commands.deadlineMs + PATIENCE_MARGIN_MS;
    const timer = clock.at(clock.nowMs() + waitMs, () => hangUp.abort(PATIENCE_OVER));
    const request = {
      label: `${command.kind} ${command.id}`,
      method: command.method,
      target: `/commands/${command.id}`,
      idempotencyKey: command.kind === "keyed" ? command.id : undefined,
      timeLeftMs: patienceMs,
    };
    this.#pool.exchange(request, hangUp).then(
      (reply) => {
        timer[Symbol.dispose]();
        command.answer = reply.label;
        const told = toldBy(reply);
        this.#told(command, told === "not-executed" && !sure ? "unknown" : told);
      },
      (error: Error & { readonly syscall?: string }) => {
        timer[Symbol.dispose]();
        command.answer = error.message;
        const neverSent = error.syscall === "connect";
        const again = command.kind === "keyed" && command.sendings <= this.#plan.sourceRetries;
        if (again) clock.at(clock.nowMs() + RETRY_AFTER_MS, () => this.#send(command, sure && neverSent));
        else this.#told(command, "unknown");
      },
    );
  }

  #told(command: Command, told: Told): void {
    command.told = told;
    command.toldAtMs = this.#fleet.world.nowMs;
    this.#fleet.observers.tell("commandTold", command);
  }
}

function toldBy({ status, json, code, outcomeUnknown }: WireReply): Told {
  if (code !== undefined) return outcomeUnknown === true ? "unknown" : "not-executed";
  return status < 300 && !lies({ status, json }) ? "acknowledged" : "unknown";
}
