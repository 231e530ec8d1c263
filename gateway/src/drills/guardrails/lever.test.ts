/** Attempts to start a drill past the global lever. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { UserError } from "../../adapters/process/exit-codes.ts";
import { STORE } from "../store.ts";
import { noteInTrail, trailOf } from "./audit-trail.ts";
import { engageLever, leverState, leverTrail, releaseLever } from "./lever.ts";

const NOW = "2026-12-01T00:00:00.000Z";
const MOVER = "GSF_TEST_MOVER";
const ROUNDS = 40;
const stores: string[] = [];
after(() => {
  for (const store of stores) rmSync(store, { recursive: true, force: true });
});

function newStore(): string {
  const store = mkdtempSync(join(tmpdir(), "gsf-lever-"));
  stores.push(store);
  return store;
}

/** Halts or releases when it is told to. */
function playMover(what: string): void {
  process.on("message", (store: string) => {
    try {
      if (what === "halt") engageLever(store, "Ana", "incident", NOW);
      else releaseLever(store, "Ben", NOW);
    } catch (error) {
      // It was halted while it was being released.
      if (!(error instanceof UserError)) throw error;
    }
    process.send?.("done");
  });
  process.once("disconnect", () => process.exit(0));
  process.send?.("ready");
}

function testLever(): void {
  test("store without a lever, or no store at all → not engaged", () => {
    const store = newStore();
    assert.equal(leverState(store).isEngaged, false);
    assert.equal(leverState(join(store, "nothing")).isEngaged, false);
  });

  test("halted and released → both are in the trail with their names", () => {
    const store = join(newStore(), "new");
    engageLever(store, "Ana", "incident", NOW);
    assert.deepEqual(leverState(store), { isEngaged: true, by: "Ana", at: NOW, reason: "incident" });
    assert.equal(releaseLever(store, "Ben", NOW).by, "Ana");
    assert.equal(leverState(store).isEngaged, false);
    assert.deepEqual(
      leverTrail(store).map(({ what, by }) => [what, by]),
      [
        ["halt", "Ana"],
        ["release", "Ben"],
      ],
    );
  });

  test("file torn at any byte → engaged", () => {
    const store = newStore();
    engageLever(store, "Ana", "", NOW);
    releaseLever(store, "Ana", NOW);
    const path = join(store, STORE.lever);
    const whole = readFileSync(path);
    // Without its line feed at the end it is whole.
    for (let length = whole.length - 2; length >= 0; length--) {
      truncateSync(path, length);
      assert.equal(leverState(store).isEngaged, true, String(length));
    }
    releaseLever(store, "Ana", NOW);
    assert.equal(leverState(store).isEngaged, false);
  });

  test("file of another shape, too large, or a directory → engaged", () => {
    for (const text of [
      "null",
      "false",
      "[]",
      "{}",
      '{"engaged":"false"}',
      '{"engaged":0,"by":"a","at":"","reason":""}',
      " ".repeat(70_000),
    ]) {
      const store = newStore();
      writeFileSync(join(store, STORE.lever), text);
      assert.equal(leverState(store).isEngaged, true, text.slice(0, 40));
    }
    const store = newStore();
    mkdirSync(join(store, STORE.lever));
    assert.equal(leverState(store).isEngaged, true);
  });

  test("file deleted while engaged → still engaged, until a person releases it", () => {
    const store = newStore();
    engageLever(store, "Ana", "incident", NOW);
    rmSync(join(store, STORE.lever));
    assert.equal(leverState(store).isEngaged, true);
    assert.equal(leverState(store).by, "Ana");
    releaseLever(store, "Ben", NOW);
    rmSync(join(store, STORE.lever));
    assert.equal(leverState(store).isEngaged, false);
  });

  test("nobody named → refused, and the lever stays as it is", () => {
    const store = newStore();
    for (const by of ["", "  ", "x".repeat(501)]) {
      assert.throws(() => engageLever(store, by, "", NOW), UserError);
      assert.throws(() => releaseLever(store, by, NOW), UserError);
    }
    assert.equal(leverState(store).isEngaged, false);
  });

  test("store that cannot be written → halt fails loudly, release leaves it engaged", () => {
    const store = newStore();
    engageLever(store, "Ana", "", NOW);
    rmSync(join(store, STORE.audit));
    mkdirSync(join(store, STORE.audit));
    assert.throws(() => releaseLever(store, "Ben", NOW));
    assert.equal(leverState(store).isEngaged, true);
  });

  test("trail that is full → its older half is dropped, the newest entries stay", () => {
    const store = newStore();
    const path = join(store, STORE.audit);
    for (const text of ["first", "second", "newest"]) {
      noteInTrail(store, { at: NOW, what: "lifted", by: "watchdog", text });
      // Fills the half at once, so that the test need not write it line by line.
      if (text !== "newest") writeFileSync(path, readFileSync(path, "utf8").repeat(20_000));
    }
    const half = JSON.stringify({ at: NOW, what: "lifted", by: "watchdog", text: "second" }).length;
    assert.ok(statSync(path).size < 2 * half);
    const texts = new Set(trailOf(store).map(({ text }) => text));
    assert.deepEqual([...texts], ["second", "newest"]);
  });

  test(`halt and release at once, ${ROUNDS} times → a halt that came last holds`, async () => {
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const movers = ["halt", "release"].map((what) =>
      spawn(process.execPath, ["--conditions=@gsf/source", fileURLToPath(import.meta.url)], {
        stdio: ["ignore", "ignore", "inherit", "ipc"],
        env: { ...env, [MOVER]: what },
      }),
    );
    await Promise.all(movers.map((mover) => once(mover, "message")));
    for (let round = 0; round < ROUNDS; round++) {
      const store = newStore();
      if (round % 2 === 0) engageLever(store, "Cleo", "before", NOW);
      const done = movers.map((mover) => once(mover, "message"));
      for (const mover of movers) mover.send(store);
      await Promise.all(done);
      if (leverTrail(store).at(-1)?.what === "halt") assert.ok(leverState(store).isEngaged, `round ${round}`);
    }
    for (const mover of movers) mover.disconnect();
    await Promise.all(movers.map((mover) => once(mover, "exit")));
  });
}

const mover = process.env[MOVER];
if (mover !== undefined) playMover(mover);
else testLever();
