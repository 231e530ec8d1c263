/**
 * A source of commands as a process of the world. It sends at its own rate, states how long it
 * waits if it has such a limit, and hangs up when that time is over (or a little later). It sends a
 * command with a key again under the same key if its gateway was lost: what a careful caller does,
 * and no more. The checks compare the answers that it gets with the truth.
 */

import type { Random } from "ground-station-failover";
import type { NodeEnv, Program } from "ground-station-failover/sim";
import { pick } from "ground-station-failover/sim";
import type { GroupSettings } from "../../gateway/src/fleet/settings.ts";
import type { Fleet } from "./fleet.ts";
import { HangUp } from "./hang-up.ts";
import type { Command, CommandKind, Sending, Told } from "./observer.ts";
import type { GroupPlan, RoutePlan } from "./plan.ts";
import { endsAtMs, GATEWAY, groupPort, targetOf } from "./plan.ts";
import type { WireReply, WireRequest } from "./wire.ts";
import { lies, WirePool } from "./wire.ts";
import { usualWorkMs, workFactor } from "./work.ts";

/** Sources send nothing in the last part of a run, so that no command is under way at its end. */
export function quietFromMs(fleet: Fleet): number {
  const longestMs = Math.max(...fleet.settings.groups.map(({ commands }) => commands.deadlineMs));
  return endsAtMs(fleet.plan) - longestMs - QUIET_MARGIN_MS;
}

/** … this long before the end, besides the longest deadline. */
export const QUIET_MARGIN_MS = 5_000;
const CONNECT_TIMEOUT_MS = 1_000;
/**
 * Longer than the gateway's own deadline, so that a source gets the gateway's answer if there is
 * one.
 */
const PATIENCE_MARGIN_MS = 2_000;
/** Half of the sources wait this much longer, and so get answers of the last moment, too. */
const TOLERANCE_MS = 300;
const RETRY_AFTER_MS = 500;
/**
 * A method is repeatable by itself only if it is safe (RFC 9110, 9.2.1); all others have an effect.
 */
const ACTING = ["POST", "POST", "PUT", "DELETE", "PATCH"] as const;
const METHODS: Readonly<Record<CommandKind, readonly string[]>> = {
  read: ["GET", "GET", "HEAD", "OPTIONS"],
  keyed: ACTING,
  once: ACTING,
};
/** A method that no source uses otherwise, so that the request is another one. */
const OTHER_METHOD = "LOCK";
/** Sources that ask again do so within this time. */
const ASKS_AGAIN_WITHIN_MS = 15_000;
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
  readonly #routes: { next(): number };
  readonly #uploads: { next(): number };
  readonly #work: { next(): number };
  readonly #again: { next(): number };
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
    this.#routes = env.random.fork("routes");
    this.#uploads = env.random.fork("uploads");
    this.#work = env.random.fork("work");
    this.#again = env.random.fork("again");
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
    const route = this.#route();
    const command: Command = {
      id: `${this.#prefix}${++this.#sent}`,
      group: this.#settings.name,
      kind,
      method: pick(this.#methods, METHODS[kind]),
      sentAtMs: this.#fleet.world.nowMs,
      patienceMs,
      route,
      workMs: usualWorkMs(this.#plan, route) * workFactor(this.#plan.spread, "commands", () => this.#work.next()),
      sendings: 0,
      executions: 0,
      told: undefined,
      toldAtMs: undefined,
      answer: "",
    };
    this.#fleet.commands.set(command.id, command);
    this.#fleet.observers.tell("commandSent", command);
    this.#send(command, this.#upload(kind), true);
  }

  /** The route of the next command; undefined for the route of all other commands. */
  #route(): RoutePlan | undefined {
    const { routes = [] } = this.#plan;
    if (routes.length === 0) return undefined;
    let draw = this.#routes.next();
    return routes.find(({ ratio }) => {
      draw -= ratio;
      return draw < 0;
    });
  }

  /** How long the body of the next command takes, and when its caller cuts it off, if it does. */
  #upload(kind: CommandKind): Upload {
    const uploads = this.#plan.callers?.uploads;
    if (uploads === undefined || kind === "read" || this.#uploads.next() >= uploads.ratio) return NO_BODY;
    const cut = this.#uploads.next() < uploads.cutRatio;
    return { forMs: uploads.forMs, cutAfterMs: cut ? uploads.forMs * this.#uploads.next() : undefined };
  }

  /** `sure`: no earlier sending of it may have had an effect. */
  #send(command: Command, upload: Upload, sure: boolean): void {
    const { clock } = this.#env;
    command.sendings++;
    const hangUp = new HangUp();
    const sending: Sending = {
      command,
      atMs: this.#fleet.world.nowMs,
      waitsMs: this.#waitsMs(upload),
      uploadMs: upload.forMs,
      endedAtMs: undefined,
      end: undefined,
    };
    this.#fleet.observers.tell("sendingBegan", sending);
    const timer = clock.at(clock.nowMs() + sending.waitsMs, () => {
      if (this.#plan.callers?.leaves !== "silently" || upload.cutAfterMs !== undefined)
        return hangUp.abort(PATIENCE_OVER);
      // The source ignores every answer from now on. The exchange goes on, and its result is
      // dropped.
      this.#failed(sending, upload, "unknown", PATIENCE_OVER.message, false);
    });
    this.#exchange(sending, upload, hangUp).then(
      (reply) => {
        timer[Symbol.dispose]();
        if (sending.end === undefined) this.#answered(sending, upload, reply, sure);
      },
      (error: Error & { readonly syscall?: string }) => {
        timer[Symbol.dispose]();
        if (sending.end === undefined)
          this.#failed(sending, upload, "unknown", error.message, sure && error.syscall === "connect");
      },
    );
  }

  #waitsMs({ forMs, cutAfterMs }: Upload): number {
    const { patienceMs, callers } = this.#plan;
    const punctual = this.#habits.next() < 0.5;
    if (cutAfterMs !== undefined) return cutAfterMs;
    if (callers !== undefined) return forMs + callers.patienceMs;
    const ownMs = patienceMs === undefined ? undefined : patienceMs + (punctual ? 0 : TOLERANCE_MS);
    return ownMs ?? this.#settings.commands.deadlineMs + PATIENCE_MARGIN_MS;
  }

  #exchange({ command }: Sending, { forMs }: Upload, hangUp: HangUp): Promise<WireReply> {
    const { clock } = this.#env;
    const request: WireRequest = {
      label: `${command.kind} ${command.id}`,
      method: command.method,
      target: targetOf(command),
      caller: this.#env.name,
      idempotencyKey: command.kind === "keyed" ? command.id : undefined,
      timeLeftMs: command.patienceMs,
      ...(forMs > 0 ? { uploads: true } : {}),
    };
    return this.#pool.exchange(request, hangUp, forMs > 0 ? () => clock.sleepUntil(clock.nowMs() + forMs) : undefined);
  }

  #answered(sending: Sending, upload: Upload, reply: WireReply, sure: boolean): void {
    const { command } = sending;
    const told = toldBy(reply);
    const own = isOwnError(command, reply);
    const end = own ? "own-error" : told === "acknowledged" ? "served" : told === "unknown" ? "failed" : "refused";
    const callers = this.#plan.callers;
    // A careful source accepts any answer as an answer.
    if (end !== "served" && end !== "own-error" && callers !== undefined)
      return this.#failed(sending, upload, told, reply.label, sure && told === "not-executed", end);
    command.answer = reply.label;
    this.#ended(sending, end);
    this.#told(command, told === "not-executed" && !sure ? "unknown" : told);
    if (end === "served" && command.kind === "keyed") this.#askLater(command);
  }

  /** Some answered commands are sent again: what a source does that lost its own memory. */
  #askLater(command: Command): void {
    const { asksAgainRatio = 0 } = this.#fleet.plan;
    if (asksAgainRatio === 0 || this.#again.next() >= asksAgainRatio) return;
    const { clock } = this.#env;
    const isSame = this.#again.next() < 0.7;
    const method = isSame ? command.method : OTHER_METHOD;
    const { world } = this.#fleet;
    clock.at(clock.nowMs() + this.#again.next() * ASKS_AGAIN_WITHIN_MS, () => {
      if (world.nowMs >= this.#quietFromMs) return;
      const request: WireRequest = {
        label: `again ${command.id}`,
        method,
        target: targetOf(command),
        caller: this.#env.name,
        idempotencyKey: command.id,
        timeLeftMs: command.patienceMs,
      };
      this.#pool.exchange(request, new HangUp()).then(
        (reply) => this.#fleet.observers.tell("askedAgain", command, isSame, reply),
        // Its gateway was lost, or cannot be reached.
        () => undefined,
      );
    });
  }

  /**
   * `sending` brought no acceptable answer; `unsent`: it has certainly had no effect, and no
   * earlier sending either.
   */
  #failed(
    sending: Sending,
    upload: Upload,
    told: Told,
    answer: string,
    unsent: boolean,
    end: Sending["end"] = answer === PATIENCE_OVER.message ? "left" : "failed",
  ): void {
    const { clock } = this.#env;
    const { command } = sending;
    const { callers, sourceRetries } = this.#plan;
    command.answer = answer;
    this.#ended(sending, end);
    const repeatable = command.kind === "keyed" || (callers !== undefined && command.kind === "read");
    const again = repeatable && command.sendings <= (callers?.retries ?? sourceRetries);
    const afterMs = callers?.retryAfterMs ?? RETRY_AFTER_MS;
    if (again) clock.at(clock.nowMs() + afterMs, () => this.#send(command, upload, unsent));
    else this.#told(command, told === "not-executed" && !unsent ? "unknown" : told);
  }

  #ended(sending: Sending, end: Sending["end"]): void {
    sending.end = end;
    sending.endedAtMs = this.#fleet.world.nowMs;
    this.#fleet.observers.tell("sendingEnded", sending);
  }

  #told(command: Command, told: Told): void {
    command.told = told;
    command.toldAtMs = this.#fleet.world.nowMs;
    this.#fleet.observers.tell("commandTold", command);
  }
}

/** The body of a command. */
interface Upload {
  readonly forMs: number;
  /** When its caller hangs up in the middle of it; undefined if it does not. */
  readonly cutAfterMs: number | undefined;
}

const NO_BODY: Upload = { forMs: 0, cutAfterMs: undefined };

/** Whether `reply` is what every station answers to `command`, by its own fault. */
function isOwnError({ route }: Command, reply: WireReply): boolean {
  const own = route?.answers;
  if (own === undefined || reply.code !== undefined || reply.status !== own.status) return false;
  return own.status !== 200 || lies(reply);
}

function toldBy({ status, json, code, outcomeUnknown }: WireReply): Told {
  if (code !== undefined) return outcomeUnknown === true ? "unknown" : "not-executed";
  return status < 300 && !lies({ status, json }) ? "acknowledged" : "unknown";
}
