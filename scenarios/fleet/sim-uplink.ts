/**
 * The gateway's way to a station over the simulated network: it implements `Uplink` as
 * `gateway/src/adapters/stations/http-uplink.ts` does, with the same errors (never sent, lost,
 * epoch over), and reports every attempt and its end to the checks.
 */
import { NoEligibleStationError, StaleEpochError, wasNeverSent } from "ground-station-failover";
import type { NodeEnv } from "ground-station-failover/sim";
import type { GroupSettings, StationSettings } from "../../gateway/src/fleet/settings.ts";
import type {
  CommandReply,
  CommandRequest,
  HeaderList,
  HealthPage,
  SendContext,
  Uplink,
} from "../../gateway/src/fleet/uplink.ts";
import { UnexpectedStatusError } from "../../gateway/src/fleet/uplink.ts";
import type { Fleet } from "./fleet.ts";
import type { Attempt } from "./observer.ts";
import { commandIn, stationNode } from "./plan.ts";
import type { WireError, WireReply, WireRequest } from "./wire.ts";
import { lies, WirePool } from "./wire.ts";

/** As in the production uplink. */
const MAX_CONNECT_MS = 1_000;
/** The port on which stations take commands. */
export const STATION_PORT = 9_001;

/** The codes that {@link FaultInjector.shortage} can give. */
const OWN_SHORTAGES: ReadonlySet<string> = new Set(["EMFILE", "EADDRNOTAVAIL", "EAI_AGAIN", "ENOTFOUND"]);

export class SimUplink implements Uplink {
  readonly name: string;
  readonly #fleet: Fleet;
  readonly #env: NodeEnv;
  readonly #group: string;
  /** Answers at this path are heartbeats. */
  readonly #beatPath: string | undefined;
  /** Answers at this path say whether the station's command path is well. */
  readonly #probePath: string | undefined;
  readonly #pool: WirePool;
  /**
   * Its address is remembered once it was found (`gateway/src/adapters/stations/name-cache.ts`).
   */
  #isAddressKnown = false;

  constructor(fleet: Fleet, env: NodeEnv, group: GroupSettings, station: StationSettings) {
    this.name = station.name;
    this.#fleet = fleet;
    this.#env = env;
    this.#group = group.name;
    this.#beatPath = group.heartbeat.kind === "http" ? group.heartbeat.path : undefined;
    this.#probePath = group.probePath;
    const to = { node: stationNode(group.name, station.name), port: STATION_PORT };
    const luck = env.random.fork(`shortage/${group.name}/${station.name}`);
    this.#pool = new WirePool(env, to, Math.min(MAX_CONNECT_MS, group.commands.timeoutMs / 2), () =>
      this.#connect(luck),
    );
  }

  async send(request: CommandRequest, context: SendContext): Promise<CommandReply> {
    const { body } = request;
    if (body.kind === "stream" && body.started()) {
      // As in the production uplink.
      this.#fleet.observers.tell("turnedAway", this.#group, this.name, this.#env.clock.nowMs());
      throw new NoEligibleStationError("the body was streamed, and cannot be sent a second time");
    }
    const attempt = this.#begin(request, context);
    const message: WireRequest = {
      label: `${request.method} ${attempt.command.id} epoch ${context.epoch}`,
      method: request.method,
      target: request.target,
      idempotencyKey: context.idempotencyKey,
      epoch: context.epoch,
      timeLeftMs: context.timeLeftMs,
      ...(body.kind === "stream" ? { uploads: true } : {}),
    };
    try {
      const passOn =
        body.kind === "stream"
          ? async () => {
              context.noteUploading?.(true);
              attempt.judgedFromLocalMs = Number.POSITIVE_INFINITY;
              await readThrough(body.stream);
              attempt.judgedFromLocalMs = this.#env.clock.nowMs();
              context.noteUploading?.(false);
            }
          : undefined;
      const reply = await this.#pool.exchange(message, context.signal, passOn);
      return this.#ended(attempt, reply);
    } catch (error) {
      if (attempt.outcome === undefined) {
        attempt.ours = !context.signal.aborted && OWN_SHORTAGES.has((error as Partial<WireError>).code ?? "");
        attempt.outcome = context.signal.aborted ? "aborted" : wasNeverSent(error) ? "never-sent" : "lost";
        this.#end(attempt);
      }
      throw error;
    }
  }

  async probe({ path, expect }: HealthPage, signal: AbortSignal): Promise<number> {
    const { observers } = this.#fleet;
    let status: number;
    const isPull = path === this.#beatPath && path !== this.#probePath;
    if (isPull) observers.tell("pulled", this.#group, this.name);
    let isRefused = false;
    try {
      ({ status } = await this.#pool.exchange({ label: `GET ${path}`, method: "GET", target: path }, signal));
      if (!expect.some(([first, last]) => status >= first && status <= last))
        throw new UnexpectedStatusError(this.name, path, status);
    } catch (error) {
      isRefused = (error as Partial<WireError>).code === "ECONNREFUSED";
      if (path === this.#probePath) observers.tell("probed", this.#group, this.name, false);
      throw error;
    } finally {
      if (isPull) observers.tell("pullEnded", this.#group, this.name, isRefused);
    }
    if (path === this.#beatPath) observers.tell("beatCounted", this.#group, this.name);
    if (path === this.#probePath && !signal.aborted) observers.tell("probed", this.#group, this.name, true);
    return status;
  }

  /** Why no connection can be opened now; undefined if one can. */
  #connect(luck: { next(): number }): WireError | undefined {
    const lacking = this.#fleet.faults.shortage(luck, this.#isAddressKnown);
    if (lacking === undefined) this.#isAddressKnown = true;
    return lacking;
  }

  #begin({ target }: CommandRequest, { epoch, idempotencyKey, timeLeftMs, signal }: SendContext): Attempt {
    const { world, commands, observers } = this.#fleet;
    const command = commands.get(commandIn(target));
    if (command === undefined) throw new Error(`nobody sent ${target}`);
    const attempt: Attempt = {
      command,
      group: this.#group,
      station: this.name,
      epoch,
      key: idempotencyKey,
      incarnation: this.#env.incarnation,
      atMs: world.nowMs,
      localMs: this.#env.clock.nowMs(),
      judgedFromLocalMs: this.#env.clock.nowMs(),
      timeLeftMs,
      signal,
      endedAtMs: undefined,
      outcome: undefined,
      status: undefined,
      lies: false,
      ours: false,
    };
    observers.tell("attemptBegan", attempt);
    return attempt;
  }

  #ended(attempt: Attempt, { status, json, epochSeen, retryAfterS }: WireReply): CommandReply {
    attempt.status = status;
    attempt.lies = lies({ status, json });
    attempt.outcome = status === 412 && epochSeen !== undefined ? "stale" : "reply";
    this.#end(attempt);
    if (attempt.outcome === "stale") {
      throw new StaleEpochError(`${this.name} has seen epoch ${epochSeen}`, { seenEpoch: epochSeen as number });
    }
    // Only what is kept needs bytes; everything else in a world reads `json`.
    const bytes = this.#fleet.plan.keepsAnswers === true ? encoder.encode(JSON.stringify(json)) : NOTHING;
    const body = { kind: "bytes", bytes } as const;
    const headers: HeaderList = retryAfterS === undefined ? [] : [["retry-after", String(retryAfterS)]];
    return { status, statusText: "", headers, body, json, trailers: [] };
  }

  #end(attempt: Attempt): void {
    attempt.endedAtMs = this.#fleet.world.nowMs;
    this.#fleet.observers.tell("attemptEnded", attempt);
  }
}

/** Passes a body on as it arrives; resolves at its end. */
async function readThrough(stream: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _chunk of stream);
}

const NOTHING = new Uint8Array();
const encoder = new TextEncoder();
