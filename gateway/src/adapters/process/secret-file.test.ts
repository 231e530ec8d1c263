/**
 * What a file of secrets holds, who can read it, that reading one ends, and that its replacement is
 * seen.
 */
import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { openTo, readSecretFile, secretIn, watchSecretFiles } from "./secret-file.ts";

class Files implements Disposable {
  readonly #directory: string = mkdtempSync(join(tmpdir(), "gsf-secret-"));

  file(name: string, content: string | Uint8Array = "", mode = 0o600): string {
    const path = join(this.#directory, name);
    writeFileSync(path, content);
    chmodSync(path, mode);
    return path;
  }

  link(name: string, to: string): string {
    const path = join(this.#directory, name);
    symlinkSync(to, path);
    return path;
  }

  [Symbol.dispose](): void {
    rmSync(this.#directory, { recursive: true });
  }
}

describe("[G6] files of secrets", () => {
  test("text is used without the white space around it, whatever line breaks and marks an editor leaves", () => {
    for (const written of [
      "key of a station",
      "key of a station\n",
      " key of a station\r\n",
      "\uFEFFkey of a station\n",
    ])
      assert.equal(secretIn(Buffer.from(written)).toString(), "key of a station", JSON.stringify(written));
    assert.equal(secretIn(Buffer.from("Schlüssel für Süd\n")).toString(), "Schlüssel für Süd");
  });

  test("bytes that are no text are used as they are, each of them", () => {
    for (const bytes of [
      Buffer.from([0x80, 0x81, 0xfe, 0xff, 0x0a]),
      Buffer.from([0x20, 0xc3, 0x28, 0x0a]),
      Buffer.from([0x20, 0x00, 0x01, 0x20]),
    ])
      assert.deepEqual(secretIn(bytes), bytes);
    assert.notDeepEqual(secretIn(Buffer.alloc(32, 0x80)), secretIn(Buffer.alloc(32, 0x81)));
  });

  test("a file that others can read is told with its mode and the remedy", {
    skip: process.platform === "win32",
  }, () => {
    using files = new Files();
    for (const mode of [0o600, 0o400, 0o700, 0o620])
      assert.equal(openTo(files.file(`own${mode}`, "", mode)), undefined);
    for (const [mode, shown] of [
      [0o640, "0640"],
      [0o604, "0604"],
      [0o666, "0666"],
    ] as const) {
      const path = files.file(`open${mode}`, "", mode);
      assert.equal(openTo(path), `users other than its owner can read ${path} (mode ${shown}): chmod 600 ${path}`);
      assert.match(openTo(files.link(`link${mode}`, path)) ?? "", new RegExp(shown), "through a link");
    }
    assert.equal(openTo(join(tmpdir(), "there is no such file")), undefined);
    assert.equal(openTo("/dev/null"), undefined, "no file");
  });

  test("a file without end is refused, and so is one that is too large", { skip: process.platform === "win32" }, () => {
    using files = new Files();
    assert.throws(() => readSecretFile("/dev/zero"), /more than 4096 bytes/);
    assert.throws(() => readSecretFile(files.file("large", "x".repeat(4_097))), RangeError);
    assert.equal(readSecretFile(files.file("full", "x".repeat(4_096))).length, 4_096);
    assert.equal(readSecretFile(files.file("empty")).length, 0);
    assert.throws(() => readSecretFile(join(tmpdir(), "there is no such file")), { code: "ENOENT" });
  });

  test("a change is told, whether the file is written or replaced", { timeout: 60_000 }, async () => {
    using files = new Files();
    const path = files.file("secret", "of before");
    let changed = Promise.withResolvers<void>();
    using _watching = watchSecretFiles([path, path], () => changed.resolve());
    // The watch alone keeps no process alive.
    const alive = setInterval(() => undefined, 1_000);
    writeFileSync(path, "of now");
    await changed.promise;
    assert.equal(readSecretFile(path).toString(), "of now");
    changed = Promise.withResolvers();
    renameSync(files.file("next", "of tomorrow"), path);
    await changed.promise;
    assert.equal(readSecretFile(path).toString(), "of tomorrow");
    clearInterval(alive);
  });
});
