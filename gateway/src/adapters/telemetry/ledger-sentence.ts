/** The sentence of the event that the store does not serve the idempotency ledger of a group. */
import type { LedgerTrouble } from "../../fleet/ledger/ledger-status.ts";

export function ledgerSentence({ what, reason, answers }: LedgerTrouble): string {
  const times = `${answers} since this was last told`;
  switch (what) {
    case "not-kept":
      return `answers to idempotency keys were given but are not kept (${times}): the store of the gateway is ${reason}`;
    case "not-read":
      return `answers to idempotency keys cannot be read again (${times}): the store of the gateway is ${reason}`;
    case "not-loaded":
      return `which idempotency keys were answered before the start is not known, and such a command goes to a station again: the store of the gateway is ${reason}`;
  }
}
