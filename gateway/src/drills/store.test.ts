/** Where the store may be. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { platform, tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { UserError } from "../adapters/process/exit-codes.ts";
import { storeDirectory } from "./store.ts";

const folder = mkdtempSync(join(tmpdir(), "gsf-store-"));
after(() => rmSync(folder, { recursive: true, force: true }));

test("a store that is not there yet → its path; the option before the environment", () => {
  const [asked, other] = [join(folder, "a", "b"), join(folder, "other")];
  assert.equal(storeDirectory(asked, { GSF_STORE: other }), asked);
  assert.equal(storeDirectory(undefined, { GSF_STORE: other }), other);
  assert.equal(storeDirectory("", { XDG_STATE_HOME: folder }), join(folder, "gsf"));
});

test("a store at or below a file → refused as a mistake of the user", () => {
  const file = join(folder, "file");
  writeFileSync(file, "");
  for (const store of [file, join(file, "x", "y")]) assert.throws(() => storeDirectory(store, {}), UserError);
});

test("a store in /proc → refused, where a directory would be made for ever", { skip: platform() !== "linux" }, () => {
  for (const store of ["/proc", "/proc/x/y"])
    assert.throws(() => storeDirectory(undefined, { GSF_STORE: store }), UserError);
});
