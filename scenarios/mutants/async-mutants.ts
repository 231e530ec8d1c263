/** Planted bugs in asynchronous commands: what is durable when, what is sent again, and at what pace. */
import type { Mutant } from "./mutant.ts";

const ASYNC = "gateway/src/fleet/async";
const scenario = "asynchronous-commands";

export const ASYNC_MUTANTS: readonly Mutant[] = [
  {
    name: "async-answers-before-it-is-durable",
    bug: "a command is answered 202 while its record is still on its way to the disk",
    file: `${ASYNC}/async-commands.ts`,
    edits: [
      {
        find: "const problem = await this.#accepting.get(command);",
        replace: "const problem = undefined as Problem | undefined;",
      },
    ],
    invariants: ["async-acknowledged-is-kept"],
    scenario,
  },
  {
    name: "async-sent-is-not-noted",
    bug: "that a command may have been sent is not made durable before it is",
    file: `${ASYNC}/async-commands.ts`,
    edits: [{ find: 'putMeta(settings.name, { ...meta, state: "sent" })', replace: "putMeta(settings.name, meta)" }],
    invariants: ["async-states-are-true"],
    scenario,
  },
  {
    name: "async-result-after-request",
    bug: "the request of a command is removed when it is sent, not when its result is durable",
    file: `${ASYNC}/async-commands.ts`,
    edits: [
      {
        find: 'await records.commit(commands.map(({ meta }) => putMeta(settings.name, { ...meta, state: "sent" })));',
        replace:
          'await records.commit(commands.map(({ meta }) => putMeta(settings.name, { ...meta, state: "sent" })));\n' +
          '      queueMicrotask(() => void records.commit(commands.map(({ id }) => ({ type: "remove", table: REQUESTS_TABLE, key: keyOf(settings.name, id) } as const))).catch(() => undefined));',
      },
    ],
    invariants: ["async-states-are-true"],
    scenario,
  },
  {
    name: "async-window-is-open",
    bug: "however many are on their way, the next one goes",
    file: `${ASYNC}/command-queue.ts`,
    edits: [{ find: "return this.#inFlight < this.window.limit;", replace: "return true;" }],
    invariants: ["async-within-bounds"],
    scenario,
  },
];
