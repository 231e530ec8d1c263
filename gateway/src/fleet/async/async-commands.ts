/**
 * The asynchronous commands of a group on their way: it makes durable what `command-queue.ts` has
 * accepted, sends what that releases through the group's failover like any other command, and makes
 * the result durable before it is told. It holds no decision of its own but the order of these
 * steps, which is the promise: durable, then 202; "may have been sent" durable, then sent; result
 * durable, then shown, in one commit with the removal of the request.
 *
 * If the process is killed between two steps, the records say what may have happened: a command
 * whose record says `sent` is sent again under its key, so that a station that knows keys executes
 * it once. It is one file because these steps and what may interrupt them (a cancellation, the
 * expiry, a full store, the stop) have to be read together.
 */
import { type Clock, type Random, wasNeverSent } from "ground-station-failover";
import type { CommandTerms } from "../command.ts";
import { outcomeOf, termsOf } from "../command.ts";
import type { AsyncEvent } from "../group-events.ts";
import type { MemoryRoom } from "../held-memory.ts";
import { CALLER_FIELDS, identityOf } from "../ledger/request-identity.ts";
import { type Problem, problemOf, refusal } from "../problem.ts";
import { type RecordChange, type RecordStore, RecordStoreError } from "../record-store.ts";
import type { AsyncSettings, GroupSettings } from "../settings.ts";
import type { CommandObserver, CommandReply, CommandRequest } from "../uplink.ts";
import { DAMAGED, KEY_REUSED, NOT_SENT_IN_TIME, refusedFor, storeProblem } from "./async-problems.ts";
import { AsyncReports } from "./async-reports.ts";
import { type AsyncTerms, withoutAsyncPreferences } from "./async-terms.ts";
import { type RoundEnd, verdictOn } from "./command-outcome.ts";
import { type AsyncStatus, CommandQueue } from "./command-queue.ts";
import {
  ANSWERS_TABLE,
  COMMANDS_TABLE,
  encodeAnswer,
  encodeRequest,
  keyOf,
  keysOf,
  putMeta,
  REQUESTS_TABLE,
  readAnswer,
  readMeta,
  readRequest,
  type StoredAnswer,
  type StoredRequest,
} from "./command-record.ts";
import { type CommandView, viewOf } from "./command-view.ts";
import type { CommandEnding, QueuedCommand } from "./queued-command.ts";
import { type WholeAnswer, wholeAnswer } from "./whole-answer.ts";

/** What asynchronous commands need beside a group; made by the gateway's process. */
export interface AsyncParts {
  /** The time of day, in ms since 1970. Read once: afterwards the group's clock counts. */
  readonly wallNowMs: () => number;
  /** Returns unguessable text of letters and digits, another one each time. */
  readonly newId: () => string;
  /** Returns a digest of these parts, safe against collisions made on purpose. */
  readonly digestOf: (parts: readonly (string | Uint8Array)[]) => string;
  /**
   * An account for the memory that a command takes while it is on its way. Default: not counted.
   */
  readonly roomFor?: (group: string) => MemoryRoom;
}

export interface AsyncCommandsOptions extends AsyncParts {
  readonly records: RecordStore;
  readonly settings: GroupSettings;
  readonly async: AsyncSettings;
  readonly clock: Clock;
  readonly random: Random;
  /** Sends a command as a caller's; see `Group.handle`. */
  readonly send: (request: CommandRequest, terms: CommandTerms, signal: AbortSignal) => Promise<CommandReply>;
  /** Whether a caller's key is known to have come with another request than this one. */
  readonly belongsToAnother: (request: CommandRequest, key: string) => Promise<boolean> | boolean;
  /** Number of commands that wait for a station in the failover, those of this queue included. */
  readonly waiting: () => number;
  readonly onEvent: (event: AsyncEvent) => void;
}

export type Acceptance =
  | { readonly type: "accepted"; readonly view: CommandView; readonly isNew: boolean }
  | { readonly type: "problem"; readonly problem: Problem };

export type Cancellation = { readonly type: "cancelled" | "too-late"; readonly view: CommandView };

/** After a commit that failed for lack of room. */
const STORE_RETRY_MS = 1_000;
/** Commits of a result that fail before the answer's body is given up, which needs less room. */
const MAX_WHOLE_RESULT_TRIES = 5;
const PAGE = 500;
const CANCELLED = new Error("the command was cancelled");
const STOPPED = new Error("the gateway stops");

export class AsyncCommands {
  readonly #options: AsyncCommandsOptions;
  readonly #queue: CommandQueue;
  readonly #offsetMs: number;
  readonly #reports: AsyncReports;
  readonly #loaded: Promise<Problem | undefined>;
  /** Resolves when the record of a command that is being accepted is durable, or cannot be. */
  readonly #accepting: Map<QueuedCommand, Promise<Problem | undefined>> = new Map();
  /** The round of a command, until what follows from its end is done. */
  readonly #rounds: Map<QueuedCommand, { readonly abort: AbortController; readonly over: Promise<void> }> = new Map();
  readonly #waiters: Map<QueuedCommand, Set<() => void>> = new Map();
  #isRunning = false;
  /** It runs once: `run` of a second caller does nothing. */
  #hasBegun = false;
  #timer: Disposable | undefined;

  constructor(options: AsyncCommandsOptions) {
    const { clock, wallNowMs, async, onEvent } = options;
    this.#options = options;
    this.#queue = new CommandQueue(async);
    this.#offsetMs = wallNowMs() - clock.nowMs();
    this.#reports = new AsyncReports(clock, onEvent);
    this.#loaded = this.#load();
  }

  get status(): AsyncStatus {
    return this.#queue.status(this.#nowMs());
  }

  /**
   * Accepts `request`, whose body is read whole. Resolves when it is durable, or says why it is
   * not.
   */
  async accept(request: CommandRequest, terms: AsyncTerms): Promise<Acceptance> {
    const unusable = await this.#loaded;
    if (unusable !== undefined) return this.#refused("store", unusable);
    const read = termsOf(request);
    if ("field" in read) return problemIs(refusal(400, "BAD_HEADER", `${read.field}: ${read.detail}`));
    // Its execution would be refused, after a promise that it will be tried.
    const { idempotencyKey } = read;
    if (idempotencyKey !== undefined && (await this.#options.belongsToAnother(request, idempotencyKey)))
      return problemIs(KEY_REUSED);
    const nowMs = this.#nowMs();
    const expiresAfterMs = Math.min(
      terms.expiresAfterMs ?? this.#options.async.expireAfterMs,
      read.timeLeftMs ?? Number.POSITIVE_INFINITY,
    );
    if (expiresAfterMs <= 0) return problemIs(refusal(504, "DEADLINE_EXCEEDED", "its deadline has passed"));
    const stored = storedRequest(request);
    const bytes = encodeRequest(stored);
    const { newId, digestOf } = this.#options;
    const id = newId();
    const admission = this.#queue.admit(
      {
        id,
        // Stations and their logs see the key. It must not tell the id, with which anybody may
        // cancel.
        key: read.idempotencyKey ?? `${OWN_KEY}${digestOf(["key", id]).slice(0, 32)}`,
        owner: this.#ownerOf(request, read.idempotencyKey),
        digest: digestOf([stored.method, stored.target, stored.body]),
        priority: terms.priority,
        expiresAtMs: nowMs + expiresAfterMs,
        method: stored.method,
        target: stored.target.slice(0, SHOWN_TARGET),
        requestBytes: bytes.length,
      },
      nowMs,
    );
    if (admission.type === "mismatch") return problemIs(KEY_REUSED);
    if (admission.type === "refused") {
      return this.#refused(admission.reason, refusedFor(admission.reason, admission.retryAfterMs, this.#options.async));
    }
    const { command } = admission;
    if (admission.type === "new") {
      const removed = admission.forgotten.flatMap((old) => this.#removalOf(old));
      this.#accepting.set(command, this.#makeDurable(command, bytes, removed));
    }
    const problem = await this.#accepting.get(command);
    if (problem !== undefined) return this.#refused("store", problem);
    return { type: "accepted", view: this.#viewOf(command), isNew: admission.type === "new" };
  }

  /** Whose key it is: nobody gets the answer of another by guessing a key. */
  #ownerOf(request: CommandRequest, key: string | undefined): string | undefined {
    const { settings, digestOf } = this.#options;
    const { callerFields = CALLER_FIELDS } = settings.commands.idempotency ?? {};
    return key === undefined ? undefined : identityOf(request, key, callerFields, digestOf).key;
  }

  /** Resolves when the command has ended, `withinMs` have passed, or `signal` is aborted. */
  async settled(id: string, withinMs: number, signal: AbortSignal): Promise<CommandView | undefined> {
    const command = await this.#find(id);
    if (command === undefined) return undefined;
    if (!command.isEnded) {
      const { clock } = this.#options;
      const over = Promise.withResolvers<void>();
      const waiters = this.#waiters.get(command) ?? new Set();
      this.#waiters.set(command, waiters.add(over.resolve));
      const timer = clock.at(clock.nowMs() + withinMs, over.resolve);
      signal.addEventListener("abort", over.resolve as () => void, { once: true });
      await over.promise;
      timer[Symbol.dispose]();
      signal.removeEventListener("abort", over.resolve as () => void);
      waiters.delete(over.resolve);
      if (waiters.size === 0) this.#waiters.delete(command);
    }
    return this.#viewOf(command);
  }

  /** What is known of a command; undefined if there is none, or it is not kept any more. */
  async view(id: string): Promise<CommandView | undefined> {
    const command = await this.#find(id);
    return command && this.#viewOf(command);
  }

  /** The answer of a command that is done. Undefined if it is not, or the answer was not kept. */
  async answer(id: string): Promise<StoredAnswer | undefined> {
    const command = await this.#find(id);
    if (command?.isEnded !== true || command.meta.state !== "done" || command.meta.isBodyOmitted === true)
      return undefined;
    const value = await this.#options.records.get(ANSWERS_TABLE, keyOf(this.#options.settings.name, id));
    const answer = value && readAnswer(value);
    return answer;
  }

  /** The caller of a command has got its result, which need not be kept if there is no room. */
  noteFetched(id: string): void {
    const command = this.#queue.find(id);
    if (command !== undefined) this.#queue.fetched(command);
  }

  /** Cancels a command of which nothing was sent; undefined if there is no such command. */
  async cancel(id: string): Promise<Cancellation | undefined> {
    const command = await this.#find(id);
    if (command === undefined) return undefined;
    await this.#accepting.get(command);
    if (command.isCancellable) {
      if (command.phase === "queued") await this.#end(command, { state: "cancelled" });
      else {
        command.isCancelAsked = true;
        const round = this.#rounds.get(command);
        round?.abort.abort(CANCELLED);
        await round?.over;
      }
    }
    const type = command.isEnded && command.meta.state === "cancelled" ? "cancelled" : "too-late";
    return { type, view: this.#viewOf(command) };
  }

  /** The newest commands, at most `limit`, those in one state if `state` is given. */
  async list(limit: number, state?: string): Promise<readonly CommandView[]> {
    await this.#loaded;
    const views: CommandView[] = [];
    for (const command of this.#queue.newestFirst()) {
      if (views.length >= limit) break;
      if (state === undefined || command.shownState === state) views.push(this.#viewOf(command));
    }
    return views;
  }

  /** The ids that begin with `start`; at most ten. */
  async findByStart(start: string): Promise<readonly string[]> {
    await this.#loaded;
    const found: string[] = [];
    for (const { id } of this.#queue.newestFirst()) if (id.startsWith(start) && found.push(id) === 10) break;
    return found;
  }

  /** Another station serves now. */
  notePromotion(): void {
    this.#queue.window.restart();
  }

  /** Sends commands until `signal` is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    await this.#loaded;
    if (signal.aborted) return;
    this.#isRunning = true;
    this.#pump();
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
    this.#stop();
    for (const { abort } of this.#rounds.values()) abort.abort(STOPPED);
  }

  /** Sends nothing more, and waits at most `withinMs` for the commands that are on their way. */
  async drain(withinMs: number): Promise<void> {
    this.#stop();
    const { clock } = this.#options;
    const over = Promise.withResolvers<void>();
    const timer = clock.at(clock.nowMs() + withinMs, over.resolve);
    const rounds = [...this.#rounds.values()].map((round) => round.over);
    await Promise.race([Promise.all(rounds), over.promise]);
    timer[Symbol.dispose]();
  }

  #stop(): void {
    this.#isRunning = false;
    this.#timer?.[Symbol.dispose]();
  }

  #nowMs(): number {
    return this.#options.clock.nowMs() + this.#offsetMs;
  }

  #viewOf(command: QueuedCommand): CommandView {
    return viewOf(command, this.#queue.keptUntilMs(command));
  }

  async #find(id: string): Promise<QueuedCommand | undefined> {
    await this.#loaded;
    const command = this.#queue.find(id);
    if (command?.phase === "accepting") await this.#accepting.get(command);
    return this.#queue.find(id);
  }

  #refused(reason: string, problem: Problem): Acceptance {
    this.#reports.refused(reason);
    return problemIs(problem);
  }

  /** Rebuilds the queue. Resolves with why commands cannot be accepted, if they cannot. */
  async #load(): Promise<Problem | undefined> {
    const { records, settings } = this.#options;
    const [first, below] = keysOf(settings.name);
    let after = first;
    let [restored, damaged] = [0, 0];
    const lost: string[] = [];
    try {
      for (;;) {
        const page = await records.scan(COMMANDS_TABLE, { after, below, limit: PAGE });
        for (const { key, value } of page) {
          after = key;
          const meta = readMeta(value);
          if (meta === undefined) damaged++;
          else if (this.#queue.find(meta.id) === undefined) this.#queue.restore(meta);
          if (meta === undefined || meta.endedAtMs !== undefined) continue;
          restored++;
          if (meta.state === "sent" && settings.commands.ambiguousKeyed === "report") lost.push(meta.id);
        }
        if (page.length < PAGE) break;
      }
    } catch (error) {
      return storeProblem(error);
    }
    this.#queue.restored();
    for (const id of lost) this.#loseAtRestart(this.#queue.find(id) as QueuedCommand);
    if (restored + damaged > 0) this.#reports.restored(restored, damaged);
    return undefined;
  }

  /** Its service does not know keys, and it may have been executed: nobody may send it again. */
  #loseAtRestart(command: QueuedCommand): void {
    const reason = "the gateway was restarted while it was on its way, and commands.ambiguousKeyed is report";
    void this.#end(command, { state: "failed", reason, outcomeUnknown: true });
  }

  async #makeDurable(
    command: QueuedCommand,
    request: Uint8Array,
    removed: readonly RecordChange[],
  ): Promise<Problem | undefined> {
    const { records, settings } = this.#options;
    const key = keyOf(settings.name, command.id);
    try {
      await records.commit([
        ...removed,
        putMeta(settings.name, command.meta),
        { type: "put", table: REQUESTS_TABLE, key, value: request },
      ]);
    } catch (error) {
      this.#queue.rejected(command);
      return storeProblem(error);
    } finally {
      this.#accepting.delete(command);
    }
    this.#queue.accepted(command);
    this.#pump();
    return undefined;
  }

  #removalOf({ id }: QueuedCommand): RecordChange[] {
    const key = keyOf(this.#options.settings.name, id);
    return [COMMANDS_TABLE, REQUESTS_TABLE, ANSWERS_TABLE].map((table) => ({ type: "remove", table, key }));
  }

  /** Does what can be done now. Called after everything that may have changed that. */
  #pump(): void {
    if (!this.#isRunning) return;
    const { records } = this.#options;
    const nowMs = this.#nowMs();
    const { expired, forgotten } = this.#queue.elapse(nowMs);
    for (const command of expired) this.#expire(command);
    // If it fails, they are forgotten at the next start.
    if (forgotten.length > 0) records.commit(forgotten.flatMap((old) => this.#removalOf(old))).catch(() => undefined);
    const areWaiting = this.#areLiveWaiting();
    const released = this.#queue.release(areWaiting, nowMs);
    if (released.length > 0) void this.#start(released);
    this.#timer?.[Symbol.dispose]();
    const nextMs = this.#queue.nextMs(areWaiting, nowMs);
    if (nextMs === Number.POSITIVE_INFINITY) return;
    this.#timer = this.#options.clock.at(Math.max(nextMs, nowMs) - this.#offsetMs, () => this.#pump());
  }

  /**
   * Do commands of callers wait for a station? Commands of this queue that wait there do not count.
   */
  #areLiveWaiting(): boolean {
    const waiting = this.#options.waiting();
    if (waiting === 0) return false;
    let own = 0;
    for (const command of this.#rounds.keys()) if (command.sentOfRound === 0) own++;
    return waiting > own;
  }

  #expire(command: QueuedCommand): void {
    this.#reports.expired();
    const reason = command.mayHaveRun
      ? "no station had answered when its time was over"
      : "it was not sent before its time was over";
    void this.#end(command, { state: "expired", reason, outcomeUnknown: command.mayHaveRun });
  }

  /** Makes durable that these may have been sent, then sends them. Never rejects. */
  async #start(commands: readonly QueuedCommand[]): Promise<void> {
    const { records, settings } = this.#options;
    const over = new Map(commands.map((command) => [command, Promise.withResolvers<void>()]));
    for (const [command, { promise }] of over)
      this.#rounds.set(command, { abort: new AbortController(), over: promise });
    try {
      await records.commit(commands.map(({ meta }) => putMeta(settings.name, { ...meta, state: "sent" })));
    } catch {
      for (const [command, { resolve }] of over) {
        this.#rounds.delete(command);
        this.#queue.notStarted(command, STORE_RETRY_MS, this.#nowMs());
        if (command.isCancelAsked) await this.#end(command, { state: "cancelled" });
        resolve();
      }
      return this.#pump();
    }
    for (const [command, { resolve }] of over) {
      this.#queue.started(command);
      void this.#round(command).then(resolve);
    }
  }

  /** One round, and what follows from its end. Never rejects. */
  async #round(command: QueuedCommand): Promise<void> {
    const { settings, random, roomFor } = this.#options;
    const { abort } = this.#rounds.get(command) as { readonly abort: AbortController };
    const room = roomFor?.(settings.name);
    const { end, answer } = await this.#sent(command, room, abort.signal);
    const wasSent = command.sentOfRound > 0;
    const resendsKeyed = settings.commands.ambiguousKeyed === "resend";
    const verdict = verdictOn(end, { rounds: command.rounds, resendsKeyed, draw: random.next() });
    const goesOn = this.#queue.roundEnded(command, verdict, this.#nowMs());
    if (command.isCancelAsked && !wasSent && !command.mayHaveRun) await this.#end(command, { state: "cancelled" });
    else if (verdict.type === "failed") {
      const { reason, outcomeUnknown } = verdict;
      await this.#end(command, { state: "failed", reason, outcomeUnknown });
    } else if (!goesOn && answer !== undefined) await this.#answered(command, answer);
    else if (goesOn && !command.mayHaveRun) this.#noteUnsent(command);
    this.#rounds.delete(command);
    room?.release();
    this.#pump();
  }

  /** Nothing of it was sent after all. If that is lost, it counts as sent, which is safe. */
  #noteUnsent(command: QueuedCommand): void {
    const { records, settings } = this.#options;
    command.meta = { ...command.meta, state: "queued" };
    records.commit([putMeta(settings.name, command.meta)]).catch(() => undefined);
  }

  #answered(command: QueuedCommand, { isOmitted, ...answer }: WholeAnswer): Promise<void> {
    const { status } = answer;
    if (isOmitted) return this.#end(command, { state: "done", status, isBodyOmitted: true });
    const bytes = encodeAnswer(answer);
    return this.#end(command, { state: "done", status, answerBytes: bytes.length }, bytes);
  }

  /** Sends a command through the failover. Never rejects. */
  async #sent(
    command: QueuedCommand,
    room: MemoryRoom | undefined,
    signal: AbortSignal,
  ): Promise<{ readonly end: RoundEnd; readonly answer?: WholeAnswer }> {
    const { records, settings, send } = this.#options;
    const { commands, limits } = settings;
    try {
      const value = await records.get(REQUESTS_TABLE, keyOf(settings.name, command.id));
      const stored = value && readRequest(value);
      if (stored === undefined) return { end: { type: "problem", problem: DAMAGED } };
      const timeLeftMs = Math.min(commands.deadlineMs, command.meta.expiresAtMs - this.#nowMs());
      if (timeLeftMs <= 0 || signal.aborted) return { end: { type: "problem", problem: NOT_SENT_IN_TIME } };
      room?.takeAnyway("requests", stored.body.length);
      const counted = { ...requestOf(stored), trace: observerOf(command) };
      const request = room === undefined ? counted : { ...counted, room };
      const reply = await send(request, termsToSend(command, request, timeLeftMs), signal);
      const answer = await wholeAnswer(reply, limits.replayBytes);
      if (answer === undefined) return { end: { type: "broken-answer" } };
      const reportsError = outcomeOf(reply, commands.errorBody) === "error-body";
      return { end: { type: "answered", status: reply.status, reportsError, ...retryAfterOf(reply) }, answer };
    } catch (error) {
      // A store that cannot be read, and the stop of the gateway: it is as if this round had not
      // been.
      if (error instanceof RecordStoreError) return { end: { type: "problem", problem: storeProblem(error) } };
      const problem = problemOf(error) ?? { ...NOT_SENT_IN_TIME, outcomeUnknown: command.sentOfRound > 0 };
      return { end: { type: "problem", problem } };
    }
  }

  /** Makes the end of a command durable, and then known. Never rejects. */
  async #end(command: QueuedCommand, ending: CommandEnding, answer?: Uint8Array): Promise<void> {
    const { settings } = this.#options;
    this.#queue.ending(command, ending, this.#nowMs());
    const key = keyOf(settings.name, command.id);
    for (let tries = 1; ; tries++) {
      const isTooMuch = tries > MAX_WHOLE_RESULT_TRIES;
      if (isTooMuch && answer !== undefined) command.meta = { ...command.meta, answerBytes: 0, isBodyOmitted: true };
      const changes: RecordChange[] = [
        putMeta(settings.name, command.meta),
        { type: "remove", table: REQUESTS_TABLE, key },
        ...(answer === undefined || isTooMuch
          ? []
          : [{ type: "put", table: ANSWERS_TABLE, key, value: answer } as const]),
      ];
      if (await this.#committed(changes)) break;
      // The record still says `sent`: after the next start it is sent again under its key.
      if (!["open", "full"].includes(this.#options.records.status.state)) return;
      await this.#options.clock.sleepUntil(this.#options.clock.nowMs() + STORE_RETRY_MS);
    }
    this.#queue.ended(command);
    for (const resolve of this.#waiters.get(command) ?? []) resolve();
    this.#pump();
  }

  async #committed(changes: readonly RecordChange[]): Promise<boolean> {
    try {
      await this.#options.records.commit(changes);
      return true;
    } catch {
      return false;
    }
  }
}

const SHOWN_TARGET = 200;
const OWN_KEY = "gsf-";

/** Does `key` look like those that the gateway makes? Nothing is looked up under such a key. */
export function isOwnKey(key: string): boolean {
  return key.startsWith(OWN_KEY);
}

function problemIs(problem: Problem): Acceptance {
  return { type: "problem", problem };
}

function storedRequest({ method, target, headers, body, caller, callerSubject }: CommandRequest): StoredRequest {
  const kept = withoutAsyncPreferences(headers).filter(([name]) => name.toLowerCase() !== "idempotency-key");
  return {
    ...{ method, target, headers: kept, caller, body: body.kind === "bytes" ? body.bytes : new Uint8Array() },
    ...(callerSubject === undefined ? {} : { callerSubject }),
  };
}

function requestOf({ method, target, headers, caller, callerSubject, body }: StoredRequest): CommandRequest {
  return {
    method,
    target,
    headers,
    body: body.length === 0 ? { kind: "none" } : { kind: "bytes", bytes: body },
    ...(caller === undefined ? {} : { caller }),
    ...(callerSubject === undefined ? {} : { callerSubject }),
  };
}

function termsToSend(command: QueuedCommand, request: CommandRequest, timeLeftMs: number): CommandTerms {
  const read = termsOf(request);
  const source = "field" in read ? undefined : read.source;
  return {
    idempotencyKey: command.meta.key,
    idempotent: false,
    timeLeftMs,
    ...(source === undefined ? {} : { source }),
  };
}

/** Counts the attempts of a round, and those that may have arrived. */
function observerOf(command: QueuedCommand): CommandObserver {
  return {
    noteSubmitted: () => undefined,
    noteAttempt(_station, _epoch, reply) {
      command.attemptsOfRound++;
      command.sentOfRound++;
      reply.catch((error: unknown) => {
        if (wasNeverSent(error)) command.sentOfRound--;
      });
    },
  };
}

function retryAfterOf({ headers }: CommandReply): { readonly retryAfterMs?: number } {
  const value = headers.find(([name]) => name.toLowerCase() === "retry-after")?.[1].trim() ?? "";
  return /^\d{1,7}$/.test(value) ? { retryAfterMs: Number(value) * 1_000 } : {};
}
