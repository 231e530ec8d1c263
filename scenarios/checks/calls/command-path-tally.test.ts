/**
 * What must speak against a station by comparison: commands in a row that it failed and another one
 * served, and nothing less.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { AttemptTimeoutError } from "ground-station-failover";
import type { Attempt, Command } from "../../fleet/observer.ts";
import { configurationOf } from "../../swarm/written.ts";
import { documented } from "../documented.ts";
import { CommandPathTally } from "./command-path-tally.ts";
import { UsualAnswers } from "./usual-answers.ts";

const [WRITTEN] = configurationOf([{ name: "atlantic" }]).groups;

const COMMAND: Partial<Command> = { id: "atlantic.1.1", method: "POST", sendings: 1 };

function tallyOf(): CommandPathTally {
  assert.ok(WRITTEN !== undefined);
  return new CommandPathTally(documented(WRITTEN), new UsualAnswers());
}

function attemptOf(command: Command, status: number): Attempt {
  const { signal } = new AbortController();
  const times = { localMs: 0, judgedFromLocalMs: 0 };
  return { command, outcome: "reply", status, lies: false, ours: false, signal, ...times } as Attempt;
}

/**
 * Eight commands are answered with `failed` here and with `served` elsewhere; `between` happens
 * before the last of them.
 */
function after(
  { failed = 500, served = 200, sendings = 1 },
  between: (tally: CommandPathTally) => void = () => undefined,
): string | undefined {
  const tally = tallyOf();
  for (let time = 1; time <= 8; time++) {
    if (time === 8) between(tally);
    const command = { ...COMMAND, sendings } as Command;
    const attempt = attemptOf(command, failed);
    tally.began(attempt);
    tally.ended(attempt, true, true, 10);
    tally.servedElsewhere(attemptOf(command, served), 10);
  }
  return tally.mustFail(10);
}

function serves(tally: CommandPathTally, localMs = 0): void {
  const attempt = { ...attemptOf(COMMAND as Command, 200), localMs } as Attempt;
  tally.began(attempt);
  tally.ended(attempt, true, true, 10);
}

test("[F10] eight commands in a row that another station served must speak against a station", () => {
  assert.match(after({}) ?? "", /the last 8 calls/);
});

test("[F10] they need not where one was served here meanwhile, or where what was shown is forgotten", () => {
  assert.equal(after({}, serves), undefined);
  assert.equal(
    after({}, (tally) => tally.startAfresh(0)),
    undefined,
  );
});

test("[F10] nor where a refusal for load, another error, or a command that was sent twice was compared", () => {
  assert.equal(after({ failed: 503 }), undefined);
  assert.equal(after({ served: 404 }), undefined);
  assert.equal(after({ sendings: 2 }), undefined);
});

test("[F1] attempts that are overdue must speak against a station, where their kind was ever answered", () => {
  for (const method of ["POST", "GET"] as const) {
    const tally = tallyOf();
    for (let answer = 0; answer < 100; answer++) serves(tally);
    for (let time = 0; time < 2; time++) {
      const late = { ...attemptOf({ ...COMMAND, method } as Command, 200), localMs: 20, judgedFromLocalMs: 20 };
      tally.began(late as Attempt);
    }
    assert.equal(tally.mustFail(60_000) !== undefined, method === "POST", method);
  }
});

test("[F10] commands that are lost in a row must speak against a station, where their kind was ever answered", () => {
  const timedOut = AbortSignal.abort(new AttemptTimeoutError("took too long"));
  for (const [why, method, isAgainst, servedFromMs = 0] of [
    ["reset", "GET", false],
    ["reset", "POST", true],
    ["reset", "POST", true, 30],
    ["timed out", "GET", false],
    ["timed out", "POST", true],
    ["timed out", "POST", false, 30],
  ] as const) {
    const tally = tallyOf();
    serves(tally, servedFromMs);
    for (let time = 0; time < 5; time++) {
      const attempt = { ...attemptOf({ ...COMMAND, method } as Command, 0), localMs: 20, judgedFromLocalMs: 20 };
      const end = why === "reset" ? { outcome: "lost" } : { outcome: "aborted", signal: timedOut };
      const lost = { ...attempt, ...end } as Attempt;
      tally.began(lost);
      tally.ended(lost, true, true, 1_100);
    }
    assert.equal(tally.mustFail(1_100), isAgainst ? "calls are lost" : undefined, `${method} ${why}, ${servedFromMs}`);
  }
});
