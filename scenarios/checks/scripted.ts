/**
 * Scripted events for the tests of the checks: a world in which nothing runs, a fleet that is
 * planned and not built, and the events that the fleet would report to its observers, one after
 * another.
 */
import { World } from "ground-station-failover/sim";
import type { GatewayEvent } from "../../gateway/src/compose.ts";
import { Fleet } from "../fleet/fleet.ts";
import type { Attempt, Command, FleetObserver, Sending, Visit } from "../fleet/observer.ts";
import type { GroupPlan } from "../fleet/plan.ts";
import { usualWorkMs } from "../fleet/work.ts";
import type { PlanDraft } from "../swarm/written.ts";
import { planOf } from "../swarm/written.ts";

type Told<Name extends keyof FleetObserver> = Parameters<NonNullable<FleetObserver[Name]>>;

/**
 * One check, and the events that it gets. Time is the world's time; here the clocks of all
 * processes agree with it.
 */
export class Scripted {
  readonly world: World = new World({ seed: "hand-made", traps: false });
  readonly fleet: Fleet;
  readonly #observer: FleetObserver;
  #commands = 0;

  constructor(draft: PlanDraft, check: (fleet: Fleet) => FleetObserver) {
    this.fleet = new Fleet(this.world, planOf(draft));
    this.#observer = check(this.fleet);
  }

  /** The names of the violations found so far. */
  get violated(): string[] {
    return this.world.violations.map(({ invariant }) => invariant);
  }

  async at(atMs: number): Promise<this> {
    await this.world.run(atMs);
    return this;
  }

  tell<Name extends keyof FleetObserver>(name: Name, ...given: Told<Name>): void {
    const told = this.#observer[name] as ((...all: Told<Name>) => void) | undefined;
    told?.apply(this.#observer, given);
  }

  /** A gateway process starts. The tests here ask it for nothing. */
  starts(): void {
    const gateway = {
      incarnation: 1,
      gateway: undefined as never,
      startedAtMs: this.world.nowMs,
      nowMs: () => this.world.nowMs,
    };
    this.tell("gatewayStarted", gateway);
  }

  command(changes: Partial<Command> = {}): Command {
    const command: Command = {
      id: `atlantic.1.${++this.#commands}`,
      group: "atlantic",
      kind: "keyed",
      method: "POST",
      sentAtMs: this.world.nowMs,
      workMs: usualWorkMs(this.fleet.plan.groups[0] as GroupPlan, changes.route),
      patienceMs: undefined,
      route: undefined,
      sendings: 1,
      executions: 0,
      told: undefined,
      toldAtMs: undefined,
      answer: "",
      ...changes,
    };
    return command;
  }

  /** Its source sends `command`, and waits for 2 s. */
  begins(command: Command, changes: Partial<Sending> = {}): Sending {
    const atMs = this.world.nowMs;
    const sending: Sending = {
      ...{ command, atMs, waitsMs: 2_000, uploadMs: 0, endedAtMs: undefined, end: undefined },
      ...changes,
    };
    this.tell("sendingBegan", sending);
    return sending;
  }

  /** `sending` ends at its source. */
  finishes(sending: Sending, end: NonNullable<Sending["end"]>): void {
    sending.end = end;
    sending.endedAtMs = this.world.nowMs;
    this.tell("sendingEnded", sending);
  }

  /** `command` arrives at the gateway. */
  arrives(command: Command, leftMs = 15_000): Visit {
    const { nowMs } = this.world;
    const deadlineMs = nowMs + leftMs;
    const visit: Visit = {
      command,
      incarnation: 1,
      arrivedAtMs: nowMs,
      deadlineLocalMs: deadlineMs,
      deadlineMs,
      answeredAtMs: undefined,
    };
    this.tell("commandArrived", visit);
    return visit;
  }

  /** The gateway sends `command` to `station`. */
  sends(command: Command, station: string, changes: Partial<Attempt> = {}): Attempt {
    const { nowMs } = this.world;
    const attempt: Attempt = {
      command,
      group: command.group,
      station,
      epoch: 1,
      key: command.kind === "keyed" ? command.id : undefined,
      incarnation: 1,
      atMs: nowMs,
      localMs: nowMs,
      judgedFromLocalMs: nowMs,
      timeLeftMs: 15_000,
      signal: new AbortController().signal,
      endedAtMs: undefined,
      outcome: undefined,
      status: undefined,
      lies: false,
      ours: false,
      ...changes,
    };
    this.tell("attemptBegan", attempt);
    return attempt;
  }

  /** `attempt` ends. */
  ends(attempt: Attempt, outcome: NonNullable<Attempt["outcome"]>, status?: number): void {
    attempt.outcome = outcome;
    attempt.status = status;
    attempt.endedAtMs = this.world.nowMs;
    this.tell("attemptEnded", attempt);
  }

  promoted(station: string, from: string, cause: "failure" | "failback" | "switchover" | "maintenance"): void {
    const atMs = this.world.nowMs;
    const event: GatewayEvent = {
      type: "promoted",
      group: "atlantic",
      station,
      from,
      epoch: 2,
      atMs,
      cause,
      evidence: [],
      waiting: 0,
      inFlight: 0,
    };
    this.tell("gatewayEvent", event, 1);
  }

  declared(node: string, from: "alive" | "suspected" | "down", to: "alive" | "suspected" | "down"): void {
    const event: GatewayEvent = {
      type: "declaration",
      group: "atlantic",
      node,
      from,
      to,
      atMs: this.world.nowMs,
      level: { alive: 0.3, suspected: 6, down: 9 }[to],
      silentForMs: 330,
      rule: "silence",
      evidence: [],
    };
    this.tell("gatewayEvent", event, 1);
  }
}
