/**
 * The idempotency ledger of a gateway: the ledgers of its groups over one store of answers. Each
 * group keeps its answers within bounds of its own (`commands.idempotency`). At the start the keys
 * in the store are read once; a command with a key that comes before that is over waits for it.
 */
import type { Clock } from "ground-station-failover";
import type { RecordStore } from "../record-store.ts";
import { AnswerStore } from "./answer-store.ts";
import { GroupLedger, type GroupLedgerParts } from "./group-ledger.ts";
import { noCounts } from "./ledger-status.ts";
import type { Digest } from "./request-identity.ts";

export interface LedgerParts {
  readonly records: RecordStore;
  readonly clock: Clock;
  readonly digest: Digest;
}

export class IdempotencyLedger {
  readonly #store: AnswerStore;
  readonly #digest: Digest;
  readonly #groups: Map<string, GroupLedger> = new Map();
  /** Those whose keys were read, or are being read. */
  readonly #read: WeakSet<GroupLedger> = new WeakSet();
  #signal: AbortSignal | undefined = undefined;
  #sweeping: Promise<void> | undefined = undefined;
  /** Undefined once it is over. */
  #loading: Promise<void> | undefined = undefined;

  constructor({ digest, ...parts }: LedgerParts) {
    this.#store = new AnswerStore(parts);
    this.#digest = digest;
  }

  /** The ledger of a group; undefined if the group keeps no answers. */
  forGroup(parts: GroupLedgerParts): GroupLedger | undefined {
    const { name, commands } = parts.settings;
    if (commands.idempotency === undefined) return undefined;
    const shared = { store: this.#store, digest: this.#digest, loaded: () => this.#loading };
    const ledger = new GroupLedger(commands.idempotency, { ...parts, ...shared }, noCounts());
    this.#groups.set(name, ledger);
    return ledger;
  }

  /**
   * Only the groups `names` exist from now on. Reads the keys of those that have got a ledger since
   * the last call. Never rejects.
   */
  follow(names: readonly string[]): Promise<void> {
    for (const name of this.#groups.keys()) if (!names.includes(name)) this.#groups.delete(name);
    const unread = new Map([...this.#groups].filter(([, ledger]) => !this.#read.has(ledger)));
    if (unread.size === 0) return Promise.resolve();
    for (const ledger of unread.values()) this.#read.add(ledger);
    const loading = this.#store
      .load((group, key, place) => unread.get(group)?.noteLoaded(key, place))
      .catch((error: unknown) => {
        for (const ledger of unread.values()) ledger.noteNotLoaded(error);
      })
      .then(() => {
        if (this.#loading === loading) this.#loading = undefined;
      });
    this.#loading = loading;
    void this.#sweep();
    return loading;
  }

  /** Removes expired answers now and then, until `signal` is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    this.#signal = signal;
    if (!signal.aborted) await Promise.all([this.#sweep(), ended(signal)]);
  }

  /** Begins with the first group that has a ledger. */
  #sweep(): Promise<void> {
    if (this.#signal !== undefined && this.#groups.size > 0) this.#sweeping ??= this.#store.run(this.#signal);
    return this.#sweeping ?? Promise.resolve();
  }
}

function ended(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
