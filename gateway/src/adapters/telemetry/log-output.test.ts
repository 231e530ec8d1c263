/**
 * Log lines at readers that stall, are gone, or have no room: nobody waits, nothing is thrown, and
 * what is lost is counted.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, readFileSync, readSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { LogOutput } from "./log-output.ts";

const folder = mkdtempSync(join(tmpdir(), "gsf-log-"));
after(() => rmSync(folder, { recursive: true }));

/** A named pipe with both ends: what is written stays there until it is read. */
function pipe(name: string): { readonly writeEnd: number; read(): string; close(): void } {
  const path = join(folder, name);
  execFileSync("mkfifo", [path]);
  const readEnd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const writeEnd = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
  return {
    writeEnd,
    read() {
      let text = "";
      const buffer = Buffer.alloc(65_536);
      try {
        for (let read = -1; read !== 0; ) {
          read = readSync(readEnd, buffer);
          text += buffer.toString("latin1", 0, read);
        }
      } catch {
        // Empty for now.
      }
      return text;
    },
    close: () => closeSync(readEnd),
  };
}

const line = (number: number): string => `${String(number).padStart(99, ".")}\n`;

test("[G6] nobody reads → lines are kept up to the bound, then dropped and counted; read again → whole lines, in order", async () => {
  const { writeEnd, read } = pipe("stalls");
  const output = new LogOutput(writeEnd, { maxBytes: 10_000, droppedLine: (dropped) => `${dropped} lost\n` });
  for (let number = 0; number < 2_000; number++) output.write(line(number));
  // The pipe itself takes 64 KiB.
  assert.ok(output.dropped > 1_200 && output.dropped < 1_300, `${output.dropped} of 2,000 dropped`);
  let text = "";
  for (let tries = 0; tries < 200 && !text.includes("lost"); tries++) {
    text += read();
    await sleep(20);
  }
  output.write(line(2_000));
  text += read();
  const lines = text.split("\n").slice(0, -1);
  const kept = 2_000 - output.dropped;
  assert.deepEqual(lines, [
    ...Array.from({ length: kept }, (_, number) => line(number).trim()),
    `${output.dropped} lost`,
    line(2_000).trim(),
  ]);
});

test("[G6] the reader is gone, or the disk is full → nothing is thrown, each line is counted", () => {
  const { writeEnd, close } = pipe("gone");
  close();
  for (const fd of [writeEnd, openSync("/dev/full", "w")]) {
    const output = new LogOutput(fd, { droppedLine: () => "lost\n" });
    for (let number = 0; number < 10; number++) output.write(line(number));
    output.flush();
    assert.equal(output.dropped, 10);
  }
});

test("[G6] the end of the process → what waits is written if somebody reads, and nobody waits for long if not", () => {
  const { writeEnd, read } = pipe("ends");
  const output = new LogOutput(writeEnd);
  for (let number = 0; number < 1_000; number++) output.write(line(number));
  const text = read();
  output.flush();
  assert.equal((text + read()).split("\n").length - 1, 1_000);
  for (let number = 0; number < 2_000; number++) output.write(line(number));
  const beganMs = performance.now();
  output.flush();
  assert.ok(performance.now() - beganMs < 5_000);
});

test("a file takes everything as it comes", () => {
  const path = join(folder, "log");
  const output = new LogOutput(openSync(path, "w"));
  for (let number = 0; number < 3_000; number++) output.write(line(number));
  assert.equal(readFileSync(path, "utf8").length, 300_000);
  assert.equal(output.dropped, 0);
});
