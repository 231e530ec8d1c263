import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { Child, ChildFailure, Children } from "./children.ts";

/** A configuration file of a gateway that listens on free ports. */
function fleetFile(context: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "gsf-children-"));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  const file = join(directory, "fleet.json");
  const stations = [1, 2].map((port) => ({ name: `s${port}`, url: `http://127.0.0.1:${port}` }));
  const group = { name: "g", listen: "127.0.0.1:0", stations, heartbeat: { kind: "http", path: "/" } };
  writeFileSync(file, JSON.stringify({ groups: [group], control: { listen: "127.0.0.1:0" } }));
  return file;
}

async function started(context: TestContext): Promise<Child> {
  const child = new Child("gateway", ["run", "--json", "--config", fleetFile(context)]);
  context.after(() => child.kill());
  await child.line(/"ready":true/);
  return child;
}

test("a gateway that is asked to end → ends by itself, although its parent holds a channel to it", async (context) => {
  const child = await started(context);
  await child.end(60_000);
  assert.deepEqual([child.process.exitCode, child.process.signalCode], [0, null]);
});

test("a gateway whose parent closes the channel → ends by itself", async (context) => {
  const child = await started(context);
  child.process.disconnect();
  await new Promise((resolve) => child.process.once("exit", resolve));
  assert.equal(child.process.exitCode, 0);
});

test("a process that is stopped by a signal and asked to end → is killed after the limit", async (context) => {
  const child = await started(context);
  child.signal("SIGSTOP");
  await child.end(50);
  assert.equal(child.process.signalCode, "SIGKILL");
});

test("a process that ends although it should run → the failure says its last words", async () => {
  const children = new Children();
  const child = children.start("gateway", ["run", "--config", "/does/not/exist"]);
  await new Promise((resolve) => child.process.once("close", resolve));
  assert.throws(
    () => children.refuseDeath(),
    (error: Error) => {
      assert.ok(error instanceof ChildFailure);
      return error.message.includes("/does/not/exist");
    },
  );
  await children.end();
});
