/**
 * The idempotency ledger of a group, on the path of every command with a key: it answers a key that
 * was answered before, lets a second request wait for the first one, and otherwise passes the
 * command on and keeps the answer before the caller gets it. What to do is decided by `GroupKeys`
 * and `whyNotKept`; this class waits, and never holds a command up for longer than its deadline.
 *
 *   request ─► key new ──────► station ─► final? ─► durable ─► caller, and all that wait
 *          ├─► key in use ───► waits ────► the same answer · no answer: its turn · 409 at its deadline
 *          ├─► key answered ─► read ─────► the same answer, gsf-replayed · 503 if it cannot be read
 *          └─► other request ► 422
 */
import type { Clock } from "ground-station-failover";
import { CallAbortedError } from "ground-station-failover";
import { type CommandTerms, outcomeOf } from "../command.ts";
import { RecordStoreError } from "../record-store.ts";
import type { GroupSettings, IdempotencySettings } from "../settings.ts";
import type { CommandReply, CommandRequest } from "../uplink.ts";
import { type AnswerStore, SLOW_MS } from "./answer-store.ts";
import { GroupKeys, type RequestIdentity } from "./group-keys.ts";
import { decodeAnswer, encodeAnswer, type NotKept, whyNotKept } from "./kept-answer.ts";
import { KeyInUse } from "./key-in-use.ts";
import { keyInFlight, keyReused, keyUnreadable } from "./key-refusals.ts";
import type { LedgerCounts, LedgerStatus, LedgerTrouble, NotRemembered } from "./ledger-status.ts";
import { type Digest, identityOf } from "./request-identity.ts";

/** Header of an answer that was given before, to a request with the same key. */
const REPLAYED = ["gsf-replayed", "true"] as const;
/** Events of one kind are raised at most once in this time, in ms. */
const TELL_AGAIN_MS = 10_000;

/** Passes a command on to the stations. */
export type CommandHandler = (
  request: CommandRequest,
  terms: CommandTerms,
  signal: AbortSignal,
) => Promise<CommandReply>;

export interface GroupLedgerParts {
  readonly settings: GroupSettings;
  readonly clock: Clock;
  readonly handle: CommandHandler;
  readonly onTrouble: (trouble: LedgerTrouble) => void;
}

/** What the ledgers of all groups share. */
export interface SharedLedgerParts {
  readonly store: AnswerStore;
  readonly digest: Digest;
  /** Resolves when the keys of the store are known, or cannot be. */
  readonly loaded: () => Promise<void> | undefined;
}

export class GroupLedger {
  readonly #group: string;
  #settings: IdempotencySettings;
  #commands: GroupSettings["commands"];
  readonly #parts: GroupLedgerParts & SharedLedgerParts;
  readonly #keys: GroupKeys<KeyInUse>;
  readonly #counts: LedgerCounts;
  /** Troubles since the last event of their kind, and when that was. */
  readonly #troubles: Map<LedgerTrouble["what"], { answers: number; toldMs: number }> = new Map();

  constructor(idempotency: IdempotencySettings, parts: GroupLedgerParts & SharedLedgerParts, counts: LedgerCounts) {
    this.#group = parts.settings.name;
    this.#settings = idempotency;
    this.#commands = parts.settings.commands;
    this.#parts = parts;
    this.#keys = new GroupKeys(idempotency);
    this.#counts = counts;
  }

  /** Follows these settings from the next command on; keys that are known stay. */
  useSettings(idempotency: IdempotencySettings, { commands }: GroupSettings): void {
    this.#settings = idempotency;
    this.#commands = commands;
    this.#keys.useBounds(idempotency);
  }

  get status(): LedgerStatus {
    const { count: keys, bytes, inUse, forgottenEarly } = this.#keys;
    const { used, notKept } = this.#counts;
    return { keys, bytes, inUse, forgottenEarly, used: { ...used }, notKept: { ...notKept } };
  }

  /** Whether the answer to such a command is kept: it has a key, and it is not only a question. */
  concerns({ idempotencyKey, idempotent }: CommandTerms): boolean {
    return idempotencyKey !== undefined && !idempotent;
  }

  /** A key of the store was answered before this process began. */
  noteLoaded(key: string, place: string): void {
    this.#keys.noteAnswered(key, place);
  }

  /** The keys of the store could not be read: those answered before are not known. */
  noteNotLoaded(error: unknown): void {
    this.#tell("not-loaded", reasonOf(error));
  }

  /**
   * Whether the key of `request` is known to have come with another request. False where that
   * cannot be read; never rejects.
   */
  async belongsToAnother(request: CommandRequest, idempotencyKey: string): Promise<boolean> {
    const { digest, store } = this.#parts;
    await this.#parts.loaded();
    const { key, fingerprint } = identityOf(request, idempotencyKey, this.#settings.callerFields, digest);
    const arrival = this.#keys.arrive({ key, fingerprint }, store.wallMs);
    if (arrival.type !== "answered") return arrival.type === "other-request";
    const { place } = arrival;
    const record = await store.read(this.#group, { key, place }).catch(() => undefined);
    const kept = record && decodeAnswer(record);
    return kept !== undefined && kept.fingerprint !== fingerprint;
  }

  /** Answers a command that the ledger concerns. Rejects as the group does, or with a refusal. */
  async answer(request: CommandRequest, terms: CommandTerms, caller: AbortSignal): Promise<CommandReply> {
    const { clock, digest, store } = this.#parts;
    const startedMs = clock.nowMs();
    const deadlineMs = startedMs + (terms.timeLeftMs ?? this.#commands.deadlineMs);
    const identity = identityOf(request, terms.idempotencyKey as string, this.#settings.callerFields, digest);
    const loading = this.#parts.loaded();
    if (loading !== undefined) await this.#within(loading, deadlineMs, caller);
    for (let isFirstLook = loading === undefined; ; isFirstLook = false) {
      const arrival = this.#keys.arrive(identity, store.wallMs);
      switch (arrival.type) {
        case "other-request":
          this.#counts.used.reused++;
          throw keyReused();
        case "answered": {
          const reply = await this.#stored(identity, arrival.place, deadlineMs, caller);
          if (reply === undefined) continue;
          return this.#replay(request, reply, "replayed");
        }
        case "in-use": {
          const reply = await this.#shared(arrival.use, startedMs, deadlineMs, caller);
          if (reply === undefined) continue;
          return this.#replay(request, reply, "waited");
        }
        case "new": {
          const timeLeftMs = Math.max(0, deadlineMs - clock.nowMs());
          return await this.#first(
            request,
            isFirstLook ? terms : { ...terms, timeLeftMs },
            identity,
            caller,
            deadlineMs,
          );
        }
      }
    }
  }

  #replay(request: CommandRequest, reply: CommandReply, how: "replayed" | "waited"): CommandReply {
    this.#counts.used[how]++;
    if (reply.body.kind === "bytes") request.room?.takeAnyway("replies", reply.body.bytes.length);
    return { ...reply, headers: [...reply.headers, REPLAYED] };
  }

  /** The answer at `place`, or undefined if the key has been forgotten meanwhile. */
  async #stored(
    identity: RequestIdentity,
    place: string,
    deadlineMs: number,
    caller: AbortSignal,
  ): Promise<CommandReply | undefined> {
    const { key, fingerprint } = identity;
    let record: Uint8Array | undefined;
    try {
      record = await this.#within(this.#parts.store.read(this.#group, { key, place }), deadlineMs, caller);
    } catch (error) {
      if (error instanceof RecordStoreError) throw this.#unreadable(error.code);
      throw error;
    }
    if (record === undefined && !this.#keys.has(key, place)) return undefined;
    const kept = record === undefined ? undefined : decodeAnswer(record);
    // It is known that the key was answered: to send the command again would be worse than this.
    if (kept === undefined) throw this.#unreadable("damaged");
    if (kept.fingerprint === fingerprint) return kept.reply;
    this.#counts.used.reused++;
    throw keyReused();
  }

  /** The answer of the first request; undefined if it ended without one, and it is our turn. */
  #shared(
    use: KeyInUse,
    startedMs: number,
    deadlineMs: number,
    caller: AbortSignal,
  ): Promise<CommandReply | undefined> {
    if (use.given !== undefined) return Promise.resolve(use.given);
    const { promise, resolve, reject } = Promise.withResolvers<CommandReply | undefined>();
    const waiter = (reply: CommandReply | undefined): void => {
      timer[Symbol.dispose]();
      caller.removeEventListener("abort", left);
      resolve(reply);
    };
    const end = (error: Error, reason: unknown): void => {
      timer[Symbol.dispose]();
      caller.removeEventListener("abort", left);
      use.leave(waiter, reason);
      reject(error);
    };
    const left = (): void => end(new CallAbortedError(caller.reason), caller.reason);
    const timer = this.#parts.clock.at(deadlineMs, () => {
      this.#counts.used.timedOut++;
      const refused = keyInFlight(deadlineMs - startedMs);
      end(refused, refused);
    });
    use.wait(waiter);
    if (caller.aborted) left();
    else caller.addEventListener("abort", left);
    return promise;
  }

  /** Passes the command on as the first with its key. */
  #first(
    request: CommandRequest,
    terms: CommandTerms,
    { key, fingerprint }: RequestIdentity,
    caller: AbortSignal,
    deadlineMs: number,
  ): Promise<CommandReply> {
    const use = new KeyInUse(fingerprint);
    this.#keys.begin(key, use);
    this.#counts.used.first++;
    const { promise, resolve, reject } = Promise.withResolvers<CommandReply>();
    const left = (): void => {
      // If nobody else waits, the group itself says how the command ended.
      if (use.leaveFirst(caller.reason)) reject(new CallAbortedError(caller.reason));
    };
    if (caller.aborted) left();
    else caller.addEventListener("abort", left);
    this.#carried(request, terms, key, use, deadlineMs).then(
      (reply) => {
        caller.removeEventListener("abort", left);
        if (use.hasFirstLeft && reply.body.kind === "stream")
          reply.body.stream.destroy(new Error("its caller has left"));
        resolve(reply);
      },
      (error: unknown) => {
        caller.removeEventListener("abort", left);
        reject(error);
      },
    );
    return promise;
  }

  /** The station's answer, once it is kept if it is to be. */
  async #carried(
    request: CommandRequest,
    terms: CommandTerms,
    key: string,
    use: KeyInUse,
    deadlineMs: number,
  ): Promise<CommandReply> {
    let reply: CommandReply;
    try {
      reply = await this.#parts.handle(request, terms, use.signal);
    } catch (error) {
      this.#keys.end(key);
      use.endWithout();
      throw error;
    }
    const { body } = reply;
    const reportsError = outcomeOf(reply, this.#commands.errorBody) === "error-body";
    const reason = whyNotKept(reply, reportsError, this.#settings.maxAnswerBytes);
    if (reason === undefined && body.kind === "bytes") await this.#kept(key, use, reply, body.bytes, deadlineMs);
    else {
      this.#counts.notKept[reason as NotKept]++;
      this.#keys.end(key);
    }
    if (body.kind === "bytes") use.give(reply);
    else use.endWithout();
    return reply;
  }

  /** Resolves when the answer is durable, or cannot be, or the caller may not wait any longer. */
  async #kept(key: string, use: KeyInUse, reply: CommandReply, bytes: Uint8Array, deadlineMs: number): Promise<void> {
    const { store, clock } = this.#parts;
    const record = encodeAnswer({ fingerprint: use.fingerprint, reply }, bytes);
    const forgotten = this.#keys.makeRoom(record.length, store.wallMs);
    if (forgotten === undefined) {
      this.#counts.notKept["too-large"]++;
      return this.#keys.end(key);
    }
    const place = store.nextPlace(this.#keys.expiresMs(store.wallMs), record.length);
    let isTold = store.isSlow;
    const kept = store.keep(this.#group, { key, place }, record, forgotten).then(
      () => {
        this.#keys.noteAnswered(key, place);
        this.#keys.end(key);
      },
      (error: unknown) => {
        if (!isTold) this.#notRemembered(reasonOf(error));
        this.#keys.end(key);
      },
    );
    if (isTold) return this.#notRemembered("slow");
    const slowMs = clock.nowMs() + SLOW_MS;
    const { promise: over, resolve } = Promise.withResolvers<boolean>();
    const timer = clock.at(Math.min(slowMs, deadlineMs), () => resolve(true));
    kept.then(() => resolve(false));
    const isOver = await over;
    timer[Symbol.dispose]();
    if (!isOver) return;
    if (slowMs <= deadlineMs) store.noteOverdue(kept);
    isTold = true;
    this.#notRemembered("slow");
  }

  /** Waits for `awaited`, but not past the deadline nor for a caller that has left. */
  #within<Result>(awaited: Promise<Result>, deadlineMs: number, caller: AbortSignal): Promise<Result> {
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    const left = (): void => reject(new CallAbortedError(caller.reason));
    const timer = this.#parts.clock.at(deadlineMs, () => reject(this.#unreadable("slow")));
    if (caller.aborted) left();
    else caller.addEventListener("abort", left);
    awaited.then(resolve, reject);
    const ended = (): void => {
      timer[Symbol.dispose]();
      caller.removeEventListener("abort", left);
    };
    promise.then(ended, ended);
    return promise;
  }

  #unreadable(reason: string): Error {
    this.#counts.used.unreadable++;
    this.#tell("not-read", reason);
    return keyUnreadable(reason);
  }

  /** An answer is given without being durable. */
  #notRemembered(reason: NotRemembered): void {
    this.#counts.notKept[reason]++;
    this.#tell("not-kept", reason);
  }

  #tell(what: LedgerTrouble["what"], reason: string): void {
    const atMs = this.#parts.clock.nowMs();
    const known = this.#troubles.get(what) ?? { answers: 0, toldMs: Number.NEGATIVE_INFINITY };
    this.#troubles.set(what, known);
    known.answers++;
    if (atMs - known.toldMs < TELL_AGAIN_MS) return;
    this.#parts.onTrouble({ type: "ledger-trouble", what, reason, answers: known.answers, atMs });
    known.answers = 0;
    known.toldMs = atMs;
  }
}

/** Only the store's own codes: its messages may name files. */
function reasonOf(error: unknown): NotRemembered {
  return error instanceof RecordStoreError ? error.code : "failed";
}
