/** The check of what sources are told: good words pass, and each kind of bad word is named. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Command, Told } from "../../fleet/observer.ts";
import { Scripted } from "../scripted.ts";
import { groundTruth } from "./ground-truth.ts";

function told(made: Scripted, command: Command, what: Told, answer: string): void {
  command.told = what;
  command.answer = answer;
  made.tell("commandTold", command);
}

function executed(made: Scripted, command: Command, epoch: number | undefined = 1): void {
  command.executions++;
  made.tell("executed", { command, group: command.group, station: "primary", epoch, atMs: made.world.nowMs });
}

describe("[S2] what sources are told", () => {
  test("a command that was sent, executed and acknowledged is nothing to complain of", () => {
    const made = new Scripted({}, groundTruth);
    const command = made.command();
    const visit = made.arrives(command);
    const attempt = made.sends(command, "primary");
    executed(made, command);
    made.ends(attempt, "reply", 200);
    made.tell("commandAnswered", visit);
    told(made, command, "acknowledged", "200");
    assert.deepEqual(made.violated, []);
  });

  test("acknowledged and never executed", () => {
    const made = new Scripted({}, groundTruth);
    const command = made.command();
    made.arrives(command);
    made.ends(made.sends(command, "primary"), "reply", 200);
    told(made, command, "acknowledged", "200");
    assert.deepEqual(made.violated, ["acknowledged-is-executed"]);
  });

  test("a read that no station answered, and an answer that no station gave", () => {
    const made = new Scripted({}, groundTruth);
    const read = made.command({ kind: "read" });
    made.arrives(read);
    made.ends(made.sends(read, "primary"), "reply", 500);
    told(made, read, "acknowledged", "200");
    const other = made.command({ kind: "read" });
    made.arrives(other);
    made.ends(made.sends(other, "primary"), "reply", 500);
    told(made, other, "unknown", "502");
    assert.deepEqual(made.violated, ["answered-with-the-truth", "answered-with-the-truth"]);
  });

  test("told that it may have run: one of its attempts may have → fine; each was refused a connection → violated", () => {
    for (const [outcome, found] of [
      ["lost", []],
      ["aborted", []],
      ["reply", []],
      [undefined, []],
      ["never-sent", ["unknown-is-possible"]],
      ["stale", ["unknown-is-possible"]],
    ] as const) {
      const made = new Scripted({}, groundTruth);
      const command = made.command();
      const visit = made.arrives(command);
      made.ends(made.sends(command, "primary"), "never-sent");
      const attempt = made.sends(command, "backup");
      if (outcome !== undefined) made.ends(attempt, outcome, outcome === "reply" ? 504 : undefined);
      made.tell("commandAnswered", visit, "AMBIGUOUS_OUTCOME", undefined, true);
      assert.deepEqual(made.violated, found, outcome);
    }
  });

  test("told that it has not run, before it ran and after", () => {
    const made = new Scripted({}, groundTruth);
    const before = made.command();
    executed(made, before);
    told(made, before, "not-executed", "503 NO_ELIGIBLE_STATION");
    const after = made.command();
    told(made, after, "not-executed", "503 NO_ELIGIBLE_STATION");
    executed(made, after);
    assert.deepEqual(made.violated, ["failed-is-not-executed", "failed-is-not-executed"]);
  });

  test("told that it has not run, although nobody can know", () => {
    for (const outcome of ["never-sent", "stale", "lost", "aborted", "reply"] as const) {
      const made = new Scripted({}, groundTruth);
      const command = made.command();
      made.arrives(command);
      made.ends(made.sends(command, "primary"), outcome, outcome === "reply" ? 500 : undefined);
      made.ends(made.sends(command, "primary"), "never-sent");
      told(made, command, "not-executed", "503 NO_ELIGIBLE_STATION");
      const proven = outcome === "never-sent" || outcome === "stale";
      assert.deepEqual(made.violated, proven ? [] : ["not-executed-is-proven"], outcome);
    }
  });

  test("an attempt after the answer", () => {
    const made = new Scripted({}, groundTruth);
    const command = made.command();
    const visit = made.arrives(command);
    made.tell("commandAnswered", visit);
    made.sends(command, "primary");
    assert.deepEqual(made.violated, ["nothing-sent-after-the-answer"]);
  });
});

describe("[F3] [S2] what spacecraft execute", () => {
  test("twice", () => {
    const made = new Scripted({}, groundTruth);
    const command = made.command();
    executed(made, command);
    executed(made, command);
    assert.deepEqual(made.violated, ["executed-once"]);
  });

  test("an older epoch after a newer one, or none at all", () => {
    const made = new Scripted({}, groundTruth);
    executed(made, made.command(), 2);
    executed(made, made.command(), 2);
    assert.deepEqual(made.violated, []);
    executed(made, made.command(), 1);
    assert.deepEqual(made.violated, ["epochs-never-decrease"]);
  });
});
