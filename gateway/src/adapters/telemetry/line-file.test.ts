/**
 * The file of the access log on a disk that is full, and at paths that are no file: lines are lost
 * and counted, and nobody waits.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Folder } from "../../../../test/process/gsf-process.ts";
import { LineFile } from "./line-file.ts";

test("the disk is full → lines are lost and counted, and it is told once", async () => {
  const told: string[] = [];
  await using file = await LineFile.open({
    path: "/dev/full",
    onFailure: (error) => told.push((error as NodeJS.ErrnoException).code ?? ""),
    onRecovery: (lost) => told.push(`again, ${lost} lost`),
  });
  for (let batch = 0; batch < 3; batch++) {
    file.write("a\nb\n", 2);
    while (file.lost < 2 * (batch + 1)) await new Promise((resolve) => setImmediate(resolve));
  }
  assert.deepEqual([file.lost, told], [6, ["ENOSPC"]]);
});

test("a directory and a pipe without a reader are refused at once; a file gets all lines in order", async () => {
  using folder = new Folder();
  const never = (): void => assert.fail("all can be written");
  const options = { onFailure: never, onRecovery: never };
  await assert.rejects(LineFile.open({ ...options, path: folder.path }), { code: "EISDIR" });
  const pipe = join(folder.path, "pipe");
  execFileSync("mkfifo", [pipe]);
  await assert.rejects(LineFile.open({ ...options, path: pipe }), { code: "ENXIO" });
  const path = join(folder.path, "log");
  const file = await LineFile.open({ ...options, path });
  const lines = Array.from({ length: 2_000 }, (_, n) => `line ${n}\n`);
  for (const line of lines) file.write(line, 1);
  await file[Symbol.asyncDispose]();
  assert.equal(readFileSync(path, "utf8"), lines.join(""));
});
