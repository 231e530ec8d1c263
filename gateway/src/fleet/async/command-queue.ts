/**
 * The asynchronous commands of one group: which are accepted, which go next, which have ended and
 * are kept. A pure machine: it is told the time (of the wall clock, because its records outlive the
 * process) and returns decisions; `async-commands.ts` carries them out on the store and the
 * stations. Its state is rebuilt from the records of the store at the start. `queued-command.ts`
 * draws the states of a command.
 *
 * Order: by priority, then by age. No order is promised between commands, to one target or in all:
 * several are on their way at once, and one that has to wait for another round is overtaken.
 *
 * Bounds: `maxQueued` commands that have not ended, the last tenth of it for commands that are not
 * telemetry, and half of that for emergencies; `maxResults` and `maxBytes` for all that is kept. A
 * result is kept for `keepResultMs`. If there is no room for a new command, results that their
 * callers have read are removed before that, the oldest first; a result that nobody has read is
 * not.
 */
import type { AsyncSettings } from "../settings.ts";
import type { CommandPriority } from "./async-terms.ts";
import type { RoundVerdict } from "./command-outcome.ts";
import type { CommandMeta } from "./command-record.ts";
import { IndexedHeap } from "./indexed-heap.ts";
import { PacedWindow } from "./paced-window.ts";
import { type CommandEnding, QueuedCommand } from "./queued-command.ts";

/** A command that is to be accepted. */
export type NewCommand = Pick<
  CommandMeta,
  "id" | "key" | "owner" | "digest" | "priority" | "expiresAtMs" | "method" | "target" | "requestBytes"
>;

export type RefusalReason = "queue-full" | "results-full" | "bytes-full" | "too-large";

export type Admission =
  | { readonly type: "new"; readonly command: QueuedCommand; readonly forgotten: readonly QueuedCommand[] }
  /** The same command under the same key was accepted before. */
  | { readonly type: "known"; readonly command: QueuedCommand }
  /** Another command was accepted under this key. */
  | { readonly type: "mismatch" }
  | { readonly type: "refused"; readonly reason: RefusalReason; readonly retryAfterMs: number };

/** How many commands are where, for status and metrics. */
export interface AsyncStatus {
  readonly queued: Readonly<Record<CommandPriority, number>>;
  readonly running: number;
  /** Ended commands whose results are kept. */
  readonly kept: number;
  readonly bytes: number;
  /** Age of the oldest command that has not ended; undefined if there is none. */
  readonly oldestAgeMs: number | undefined;
  /** How many may be on their way at present, without emergencies. */
  readonly window: number;
  /** Since the start, by how they ended. */
  readonly ended: Readonly<Record<CommandEnding["state"], number>>;
  readonly accepted: number;
  readonly refused: number;
}

/** The part of `maxQueued` that commands of a priority may fill. */
const SHARE: Readonly<Record<CommandPriority, number>> = { emergency: 1, command: 0.95, telemetry: 0.9 };
const RANK: Readonly<Record<CommandPriority, number>> = { emergency: 0, command: 1, telemetry: 2 };
/** When to come back if the queue is full. What frees a place is not known. */
const QUEUE_FULL_RETRY_MS = 5_000;
const MAX_RETRY_AFTER_MS = 3_600_000;
const NEVER = Number.POSITIVE_INFINITY;

export class CommandQueue {
  readonly window: PacedWindow;
  readonly #settings: AsyncSettings;
  readonly #byId: Map<string, QueuedCommand> = new Map();
  readonly #byKey: Map<string, QueuedCommand> = new Map();
  readonly #ready: IndexedHeap<QueuedCommand> = new IndexedHeap(
    ({ meta: one }, { meta: other }) =>
      RANK[one.priority] < RANK[other.priority] || (one.priority === other.priority && one.sequence < other.sequence),
  );
  /** Wait for their next round. */
  readonly #resting: IndexedHeap<QueuedCommand> = new IndexedHeap(
    (one, other) => one.nextRoundAtMs < other.nextRoundAtMs,
  );
  /** Those that are neither on their way nor ended. */
  readonly #expiring: IndexedHeap<QueuedCommand> = new IndexedHeap(
    (one, other) => one.meta.expiresAtMs < other.meta.expiresAtMs,
  );
  /** Those that have not ended, by age. */
  readonly #open: IndexedHeap<QueuedCommand> = new IndexedHeap((one, other) => one.meta.sequence < other.meta.sequence);
  /** In the order in which they ended. */
  readonly #ended: Set<QueuedCommand> = new Set();
  readonly #fetched: Set<QueuedCommand> = new Set();
  readonly #queued: Record<CommandPriority, number> = { emergency: 0, command: 0, telemetry: 0 };
  readonly #totals: Record<CommandEnding["state"], number> = { done: 0, expired: 0, cancelled: 0, failed: 0 };
  #accepted = 0;
  #refused = 0;
  #bytes = 0;
  #sequence = 0;
  #inFlight = 0;
  #emergenciesInFlight = 0;

  constructor(settings: AsyncSettings) {
    this.#settings = settings;
    this.window = new PacedWindow(settings.maxInFlight);
  }

  /** A command of the store, in any order, before anything else. */
  restore(meta: CommandMeta): void {
    const isEnded = meta.endedAtMs !== undefined;
    const command = new QueuedCommand(meta, isEnded ? "ended" : "queued");
    this.#sequence = Math.max(this.#sequence, meta.sequence);
    this.#index(command);
    if (isEnded) this.#ended.add(command);
    else this.#enqueue(command);
  }

  /** Call it when all commands of the store are restored. */
  restored(): void {
    const inOrder = [...this.#ended].sort((one, other) => endOf(one) - endOf(other));
    this.#ended.clear();
    for (const command of inOrder) this.#ended.add(command);
  }

  find(id: string): QueuedCommand | undefined {
    return this.#byId.get(id);
  }

  /** The newest commands first. */
  *newestFirst(): Iterable<QueuedCommand> {
    yield* [...this.#byId.values()].sort((one, other) => other.meta.sequence - one.meta.sequence);
  }

  /** A command to be accepted. It is in the queue only after {@link accepted}. */
  admit(given: NewCommand, nowMs: number): Admission {
    const known = this.#byKey.get(ownerOf(given));
    if (known !== undefined)
      return known.meta.digest === given.digest ? { type: "known", command: known } : { type: "mismatch" };
    const meta: CommandMeta = {
      ...given,
      acceptedAtMs: nowMs,
      sequence: this.#sequence + 1,
      state: "queued",
      attempts: 0,
    };
    const command = new QueuedCommand(meta, "accepting");
    const { maxQueued, maxBytes } = this.#settings;
    if (command.storedBytes > maxBytes) return this.#refuse("too-large", 0);
    if (this.#open.size >= maxQueued * SHARE[given.priority]) return this.#refuse("queue-full", QUEUE_FULL_RETRY_MS);
    const forgotten = this.#makeRoom(command.storedBytes);
    if (typeof forgotten === "string") return this.#refuse(forgotten, this.#untilRoomMs(nowMs));
    this.#sequence++;
    this.#index(command);
    return { type: "new", command, forgotten };
  }

  /** Its record is durable. */
  accepted(command: QueuedCommand): void {
    this.#accepted++;
    command.phase = "queued";
    this.#enqueue(command);
  }

  /** Its record could not be made durable: it was never here. */
  rejected(command: QueuedCommand): void {
    this.#refused++;
    this.#remove(command);
  }

  /**
   * The commands that may go now. The record that each may have been sent has to be durable before
   * it is. `areLiveWaiting`: commands of callers that wait for a station go first.
   */
  release(areLiveWaiting: boolean, nowMs: number): QueuedCommand[] {
    const released: QueuedCommand[] = [];
    for (;;) {
      const next = this.#ready.first;
      if (next === undefined || !this.#mayGo(next, areLiveWaiting, nowMs)) return released;
      this.#dequeue(next);
      next.phase = "starting";
      next.rounds++;
      next.attemptsOfRound = next.sentOfRound = 0;
      this.#count(next, 1);
      released.push(next);
    }
  }

  /** The record that these may have been sent is durable. */
  started(command: QueuedCommand): void {
    command.phase = "running";
    command.meta = { ...command.meta, state: "sent" };
  }

  /** That record could not be made durable. They were not sent. */
  notStarted(command: QueuedCommand, afterMs: number, nowMs: number): void {
    this.#count(command, -1);
    command.rounds--;
    this.#rest(command, nowMs + afterMs);
  }

  /** A round has ended. True if the command has not: it waits for another round. */
  roundEnded(command: QueuedCommand, verdict: RoundVerdict, nowMs: number): boolean {
    this.#count(command, -1);
    command.meta = { ...command.meta, attempts: command.attempts };
    command.attemptsOfRound = command.sentOfRound = 0;
    if (verdict.type !== "again") {
      this.window.noteAnswered();
      return false;
    }
    if (verdict.isRefusal) this.window.noteRefused(nowMs);
    else this.window.noteAnswered();
    command.mayHaveRun ||= verdict.mayHaveRun;
    this.#rest(command, nowMs + verdict.afterMs);
    return true;
  }

  /** It ends so; call {@link ended} when that is durable. */
  ending(command: QueuedCommand, ending: CommandEnding, nowMs: number): void {
    this.#dequeue(command);
    command.phase = "ending";
    command.meta = { ...command.meta, ...ending, endedAtMs: nowMs };
  }

  ended(command: QueuedCommand): void {
    this.#bytes -= command.storedBytes;
    command.phase = "ended";
    this.#bytes += command.storedBytes;
    this.#open.remove(command);
    this.#ended.add(command);
    this.#totals[command.meta.state as CommandEnding["state"]]++;
  }

  /** Its caller has read the result. */
  fetched(command: QueuedCommand): void {
    if (!command.isEnded || command.isFetched) return;
    command.isFetched = true;
    this.#fetched.add(command);
  }

  /**
   * What time alone does: rested commands are ready again. Returns those whose time is over, which
   * must be ended, and those whose results were kept for long enough, which are forgotten.
   */
  elapse(nowMs: number): { readonly expired: readonly QueuedCommand[]; readonly forgotten: readonly QueuedCommand[] } {
    const expired: QueuedCommand[] = [];
    for (let next = this.#expiring.first; next !== undefined; next = this.#expiring.first) {
      if (nowMs < next.meta.expiresAtMs) break;
      this.#dequeue(next);
      expired.push(next);
    }
    for (let next = this.#resting.first; next !== undefined; next = this.#resting.first) {
      if (nowMs < next.nextRoundAtMs) break;
      this.#resting.remove(next);
      this.#ready.add(next);
    }
    const forgotten: QueuedCommand[] = [];
    for (const oldest of this.#ended) {
      if (nowMs < this.keptUntilMs(oldest) || forgotten.length >= MOST_FORGOTTEN) break;
      this.#remove(oldest);
      forgotten.push(oldest);
    }
    return { expired, forgotten };
  }

  /** When something happens by time alone; `Infinity` if nothing does. */
  nextMs(areLiveWaiting: boolean, nowMs: number): number {
    const [oldest] = this.#ended;
    const next = this.#ready.first;
    const mayGoLater = next !== undefined && areLiveWaiting && this.#hasRoom(next);
    return Math.min(
      this.#resting.first?.nextRoundAtMs ?? NEVER,
      this.#expiring.first?.meta.expiresAtMs ?? NEVER,
      oldest === undefined ? NEVER : this.keptUntilMs(oldest),
      mayGoLater ? nowMs + LIVE_RECHECK_MS : NEVER,
    );
  }

  keptUntilMs(command: QueuedCommand): number {
    return endOf(command) + this.#settings.keepResultMs;
  }

  status(nowMs: number): AsyncStatus {
    const oldest = this.#open.first;
    return {
      queued: { ...this.#queued },
      running: this.#inFlight + this.#emergenciesInFlight,
      kept: this.#ended.size,
      bytes: this.#bytes,
      oldestAgeMs: oldest && Math.max(0, nowMs - oldest.meta.acceptedAtMs),
      window: this.window.limit,
      ended: { ...this.#totals },
      accepted: this.#accepted,
      refused: this.#refused,
    };
  }

  noteRefused(): void {
    this.#refused++;
  }

  #mayGo(command: QueuedCommand, areLiveWaiting: boolean, nowMs: number): boolean {
    if (!this.#hasRoom(command)) return false;
    if (command.meta.priority === "emergency" || !areLiveWaiting) return true;
    if (this.#inFlight > 0 || nowMs < this.window.nextBesideLiveMs) return false;
    this.window.noteReleasedBesideLive(nowMs);
    return true;
  }

  /** Emergencies have a bound of their own, so that nothing slow is in their way. */
  #hasRoom({ meta }: QueuedCommand): boolean {
    if (meta.priority === "emergency") return this.#emergenciesInFlight < this.#settings.maxInFlight;
    return this.#inFlight < this.window.limit;
  }

  #count({ meta }: QueuedCommand, change: 1 | -1): void {
    if (meta.priority === "emergency") this.#emergenciesInFlight += change;
    else this.#inFlight += change;
  }

  #refuse(reason: RefusalReason, retryAfterMs: number): Admission {
    this.#refused++;
    return { type: "refused", reason, retryAfterMs };
  }

  /**
   * Forgets results that were read, until a command of so many bytes fits; or says why it does not.
   */
  #makeRoom(bytes: number): QueuedCommand[] | RefusalReason {
    const { maxBytes, maxResults } = this.#settings;
    let tooMany = this.#ended.size + 1 - maxResults;
    let tooBig = this.#bytes + bytes - maxBytes;
    const forgotten: QueuedCommand[] = [];
    for (const oldest of this.#fetched) {
      if (tooMany <= 0 && tooBig <= 0) break;
      tooMany--;
      tooBig -= oldest.storedBytes;
      forgotten.push(oldest);
    }
    if (tooMany > 0) return "results-full";
    if (tooBig > 0) return "bytes-full";
    for (const command of forgotten) this.#remove(command);
    return forgotten;
  }

  #untilRoomMs(nowMs: number): number {
    const [oldest] = this.#ended;
    if (oldest === undefined) return QUEUE_FULL_RETRY_MS;
    return Math.min(MAX_RETRY_AFTER_MS, Math.max(1_000, this.keptUntilMs(oldest) - nowMs));
  }

  #index(command: QueuedCommand): void {
    this.#byId.set(command.id, command);
    this.#byKey.set(ownerOf(command.meta), command);
    this.#bytes += command.storedBytes;
    if (!command.isEnded) this.#open.add(command);
  }

  #remove(command: QueuedCommand): void {
    this.#byId.delete(command.id);
    this.#byKey.delete(ownerOf(command.meta));
    this.#bytes -= command.storedBytes;
    this.#open.remove(command);
    this.#ended.delete(command);
    this.#fetched.delete(command);
  }

  #enqueue(command: QueuedCommand): void {
    this.#queued[command.meta.priority]++;
    this.#expiring.add(command);
    this.#ready.add(command);
  }

  #rest(command: QueuedCommand, untilMs: number): void {
    command.phase = "queued";
    command.nextRoundAtMs = untilMs;
    this.#queued[command.meta.priority]++;
    this.#expiring.add(command);
    this.#resting.add(command);
  }

  #dequeue(command: QueuedCommand): void {
    if (!this.#expiring.remove(command)) return;
    this.#queued[command.meta.priority]--;
    this.#ready.remove(command);
    this.#resting.remove(command);
  }
}

/** In one step; the next step follows at once. */
const MOST_FORGOTTEN = 500;
/** While live commands wait, it is checked again after this long whether they still do. */
const LIVE_RECHECK_MS = 50;

function endOf({ meta }: QueuedCommand): number {
  return meta.endedAtMs ?? 0;
}

/** A key of the gateway's own has no other owner. */
function ownerOf({ owner, key }: Pick<CommandMeta, "owner" | "key">): string {
  return owner ?? key;
}
