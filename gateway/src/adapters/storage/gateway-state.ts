/**
 * Everything of a gateway that outlives its process: the record store and what is opened on it
 * before anybody is served. It reports when the store fills up, fails or has room again, at most
 * once in ten seconds, because a full disk fills again at once where somebody makes little room.
 */
import type { Clock } from "ground-station-failover";
import { DurableEpochs } from "../../fleet/durable-epochs.ts";
import type { RecordStore, RecordStoreState, RecordStoreStatus } from "../../fleet/record-store.ts";
import { UserError } from "../process/exit-codes.ts";
import type { SqliteStore } from "./sqlite-store.ts";

/** The store has changed its state. */
export interface StateEvent {
  readonly type: "state-open" | "state-full" | "state-failed";
  readonly reason: string;
  readonly atMs: number;
}

export interface GatewayStateOptions {
  readonly directory: string;
  readonly maxBytes: number;
  readonly clock: Clock;
}

/** As shown to operators. */
export type GatewayStateStatus = RecordStoreStatus & { readonly directory: string };

const TELL_AGAIN_MS = 10_000;

export class GatewayState implements AsyncDisposable {
  readonly #options: GatewayStateOptions;
  readonly #store: SqliteStore;
  readonly epochs: DurableEpochs;
  #listener: ((event: StateEvent) => void) | undefined;
  #told: RecordStoreState = "open";
  #toldMs: number = Number.NEGATIVE_INFINITY;
  #later: Disposable | undefined;

  private constructor(
    options: GatewayStateOptions,
    openStore: (onState: (state: RecordStoreState, reason: string) => void) => SqliteStore,
  ) {
    this.#options = options;
    this.#store = openStore((state, reason) => this.#note(state, reason));
    this.epochs = new DurableEpochs(this.#store, options.clock);
  }

  /**
   * Opens the state for these groups. Rejects with a {@link UserError} that says what to do if it
   * cannot be used.
   */
  static async open(options: GatewayStateOptions, groups: readonly string[]): Promise<GatewayState> {
    const { SqliteStore: Store } = await import("./sqlite-store.ts").catch(refuseOldNode);
    const state = new GatewayState(options, (onState) => new Store({ ...options, onState }));
    try {
      await state.epochs.open(groups);
      return state;
    } catch (error) {
      await state.#store[Symbol.asyncDispose]();
      throw error;
    }
  }

  get records(): RecordStore {
    return this.#store;
  }

  get status(): GatewayStateStatus {
    return { ...this.#store.status, directory: this.#options.directory };
  }

  /** Everything is loaded: from now on nothing waits for the disk in the calling thread. */
  serve(listener: (event: StateEvent) => void): void {
    this.#listener = listener;
    this.#tell("the store was in this state when it was opened");
    this.#store.serve();
  }

  /** To be called when nothing is sent any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#later?.[Symbol.dispose]();
    // The store waits for it, but not for a disk that hangs.
    const closing = this.epochs.close();
    await this.#store[Symbol.asyncDispose]();
    await closing;
  }

  #note(state: RecordStoreState, reason: string): void {
    const waitMs = state === "failed" ? 0 : this.#toldMs + TELL_AGAIN_MS - this.#options.clock.nowMs();
    if (waitMs <= 0) return this.#tell(reason);
    this.#later ??= this.#options.clock.at(this.#toldMs + TELL_AGAIN_MS, () => {
      this.#later = undefined;
      this.#tell(reason);
    });
  }

  #tell(reason: string): void {
    // Before anybody listens: told when somebody does.
    if (this.#listener === undefined) return;
    const { state } = this.#store.status;
    if (state === this.#told || state === "closed") return;
    this.#told = state;
    this.#toldMs = this.#options.clock.nowMs();
    this.#listener({ type: `state-${state}`, reason, atMs: this.#toldMs });
  }
}

function refuseOldNode(error: NodeJS.ErrnoException): never {
  if (error.code !== "ERR_UNKNOWN_BUILTIN_MODULE") throw error;
  throw new UserError(
    "configuration",
    `state needs Node 22.13 or newer, and this is ${process.version}: install it, or write \`state: none\``,
  );
}
