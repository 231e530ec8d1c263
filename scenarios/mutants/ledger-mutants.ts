/** Planted bugs in what is remembered of answered idempotency keys. */
import type { Mutant } from "./mutant.ts";

const LEDGER = "gateway/src/fleet/ledger";
const scenario = "answered-keys";

export const LEDGER_MUTANTS: readonly Mutant[] = [
  {
    name: "answer-given-before-it-is-durable",
    bug: "the caller gets the answer while it is still being written",
    file: `${LEDGER}/group-ledger.ts`,
    edits: [{ find: 'if (isTold) return this.#notRemembered("slow");', replace: "if (!isTold) return;" }],
    invariants: ["answered-key-is-not-sent-again", "answered-key-is-answered-alike"],
    scenario,
  },
  {
    name: "keys-not-loaded",
    bug: "a process that starts does not read which keys were answered",
    file: `${LEDGER}/idempotency-ledger.ts`,
    edits: [
      {
        find: "unread.get(group)?.noteLoaded(key, place)",
        replace: 'group === "" && unread.get(group)?.noteLoaded(key, place)',
      },
    ],
    invariants: ["answered-key-is-not-sent-again", "answered-key-is-answered-alike"],
    scenario,
  },
  {
    name: "fingerprint-without-method",
    bug: "two requests under a key count as the same whatever their methods are",
    file: `${LEDGER}/request-identity.ts`,
    edits: [{ find: 'digest(["request 1", method, target,', replace: 'digest(["request 1", target,' }],
    invariants: ["other-request-is-refused", "answered-key-is-answered-alike"],
    scenario,
  },
];
