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

  /** Reads the keys of all groups, which must have their ledgers by now. Never rejects. */
  load(): Promise<void> {
    if (this.#groups.size === 0) return Promise.resolve();
    this.#loading = this.#store
      .load((group, key, place) => this.#groups.get(group)?.noteLoaded(key, place))
      .catch((error: unknown) => {
        for (const ledger of this.#groups.values()) ledger.noteNotLoaded(error);
      })
      .then(() => {
        this.#loading = undefined;
      });
    return this.#loading;
  }

  /** Removes expired answers now and then, until `signal` is aborted. */
  run(signal: AbortSignal): Promise<void> {
    return this.#groups.size === 0 ? Promise.resolve() : this.#store.run(signal);
  }
}
