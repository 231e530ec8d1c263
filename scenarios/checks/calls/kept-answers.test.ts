/** The check of what is remembered of answered keys. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { GATEWAY } from "../../fleet/plan.ts";
import type { WireReply } from "../../fleet/wire.ts";
import type { PlanDraft } from "../../swarm/written.ts";
import { Scripted } from "../scripted.ts";
import { keptAnswers } from "./kept-answers.ts";

const FINE: WireReply = { label: "200", status: 200, json: { result: "executed" } };
const OTHER: WireReply = { label: "200", status: 200, json: { result: "duplicate" } };
const AGAIN: WireReply = { ...FINE, replayed: true };
const REFUSED: WireReply = { label: "422 KEY_REUSED", status: 422, code: "KEY_REUSED" };
const BUSY: WireReply = { label: "503", status: 503 };

/** A command that was answered with `first`, and what follows. */
function after(
  first: WireReply,
  then: (made: Scripted, command: ReturnType<Scripted["command"]>) => void,
  draft: PlanDraft = {},
) {
  const made = new Scripted({ keepsAnswers: true, ...draft }, keptAnswers);
  const command = made.command();
  made.tell("replyGiven", made.arrives(command), first);
  then(made, command);
  return made.violated;
}

describe("[G1] [S3] a command that was answered", () => {
  test("goes to a station again → violated, unless the answer asked for a retry", () => {
    const sent = (first: WireReply): string[] => after(first, (made, command) => void made.sends(command, "backup"));
    assert.deepEqual(sent(FINE), ["answered-key-is-not-sent-again"]);
    assert.deepEqual(sent(BUSY), []);
    assert.deepEqual(sent(REFUSED), []);
  });

  test("is asked for again → the same answer, marked, and nothing else", () => {
    const asked = (reply: WireReply): string[] =>
      after(FINE, (made, command) => made.tell("askedAgain", command, true, reply));
    assert.deepEqual(asked(AGAIN), []);
    for (const reply of [FINE, { ...OTHER, replayed: true }, BUSY, REFUSED])
      assert.deepEqual(asked(reply), ["answered-key-is-answered-alike"], reply.label);
  });

  test("comes as another request → refused, and nothing else", () => {
    const asked = (reply: WireReply): string[] =>
      after(FINE, (made, command) => made.tell("askedAgain", command, false, reply));
    assert.deepEqual(asked(REFUSED), []);
    assert.deepEqual(asked(AGAIN), ["other-request-is-refused"]);
  });

  test("is answered otherwise by the gateway → violated", () => {
    const answered = (reply: WireReply): string[] =>
      after(FINE, (made, command) => made.tell("replyGiven", made.arrives(command), reply));
    assert.deepEqual(answered(AGAIN), []);
    assert.deepEqual(answered(OTHER), ["answered-key-is-answered-alike"]);
  });
});

test("[S3] where the store may lose or delay what it keeps → nothing is checked", () => {
  const fault = { kind: "wall-step", node: GATEWAY, atMs: 1, byMs: 1 } as const;
  for (const draft of [{ keepsAnswers: false }, { disks: { syncErrorRate: 0.1 } }, { faults: [fault] }])
    assert.deepEqual(
      after(FINE, (made, command) => void made.sends(command, "backup"), draft),
      [],
    );
});
