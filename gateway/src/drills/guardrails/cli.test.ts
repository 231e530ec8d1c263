/** `gsf chaos` as a person or a script uses it: exit codes, and what is left in the store. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { STORE } from "../store.ts";
import { leverState } from "./lever.ts";
import { ownIdentity } from "./process-identity.ts";
import { UndoJournal } from "./undo-journal.ts";

const PROGRAM = fileURLToPath(new URL("../../../bin/gsf.js", import.meta.url));
const NOW = "2026-12-01T00:00:00.000Z";
const store = mkdtempSync(join(tmpdir(), "gsf-chaos-"));
after(() => rmSync(store, { recursive: true, force: true }));

async function gsf(...args: readonly string[]): Promise<{ readonly code: number | null; readonly text: string }> {
  const child = spawn(process.execPath, [PROGRAM, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, GSF_STORE: store },
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (bytes: Buffer) => (text += bytes.toString()));
  const [code] = (await once(child, "close")) as [number | null];
  return { code, text };
}

test("halt, status, release → exit codes tell a script, and a name is needed", async () => {
  assert.equal((await gsf("chaos", "status")).code, 0);
  for (const args of [["halt"], ["halt", "--by", " "], ["release"], ["halt", "--by", "Ana", "--reson", "x"]])
    assert.equal((await gsf("chaos", ...args)).code, 2, args.join(" "));
  assert.equal((await gsf("chaos", "halt", "--by", "Ana\u001b[2J", "--reason", "real incident")).code, 0);
  assert.equal(leverState(store).isEngaged, true);
  const { code, text } = await gsf("chaos", "status");
  assert.equal(code, 1);
  assert.ok(!text.includes("\u001b"));
  assert.equal((await gsf("chaos", "release", "--by", "Ben")).code, 0);
  assert.equal((await gsf("chaos", "status")).code, 0);
});

test("something left of a dead run → status and recover say so, until it is lifted or discarded", async () => {
  const flag = join(store, "flag");
  const journal = UndoJournal.begin(store, "run-1", { ...ownIdentity(), boot: "another" }, () => NOW);
  journal.add("fault", 1_000, [{ kind: "process", path: "test", arguments: ["-e", flag] }]);
  assert.equal((await gsf("chaos", "status")).code, 1);
  assert.equal((await gsf("chaos", "recover")).code, 1);
  assert.ok(existsSync(journal.path));
  writeFileSync(flag, "");
  assert.equal((await gsf("chaos", "recover")).code, 0);
  assert.equal((await gsf("chaos", "recover")).code, 0);
  mkdirSync(join(store, STORE.undo), { recursive: true });
  writeFileSync(join(store, STORE.undo, "run-2.jsonl"), "nonsense\n", { mode: 0o600 });
  assert.equal((await gsf("chaos", "recover")).code, 1);
  assert.equal((await gsf("chaos", "recover", "--discard", "run-2")).code, 2);
  assert.equal((await gsf("chaos", "recover", "--discard", "run-2", "--by", "Ana")).code, 0);
  assert.equal((await gsf("chaos", "status")).code, 0);
});

test("a file where the store has a directory → said with exit code 1, no stack trace", async () => {
  const broken = join(store, "broken");
  mkdirSync(broken);
  writeFileSync(join(broken, STORE.undo), "");
  for (const command of ["status", "recover"]) {
    const { code, text } = await gsf("chaos", command, "--store", broken);
    assert.deepEqual([code, text.trim().split("\n").length], [1, 1], text);
  }
});

test("the watchdog's command → not in the help, and refused when a person starts it", async () => {
  const { code, text } = await gsf("--help");
  assert.equal(code, 0);
  assert.ok(text.includes("chaos") && !text.includes("chaos-watchdog"));
  assert.equal((await gsf("chaos-watchdog")).code, 2);
});
