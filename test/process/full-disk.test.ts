/**
 * A disk without room under the record store: a small file system of its own, and a limit on the
 * size of files. Nothing acknowledged is lost, reads go on, and the store recovers by itself.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Folder } from "./gsf-process.ts";

const FILLING = fileURLToPath(new URL("filling-store.ts", import.meta.url));
const lacksNamespaces = spawnSync("unshare", ["-Urm", "true"]).status === 0 ? false : "unshare -Urm is not allowed";
const lacksPrlimit = spawnSync("prlimit", ["--version"]).status === 0 ? false : "there is no prlimit";

interface Said {
  readonly state?: string;
  readonly stored?: number;
  readonly refused?: string;
  readonly found?: number;
  readonly waiting?: boolean;
  readonly afterwards?: number;
  readonly expected?: number;
}

/** Runs it to its end; `onWaiting` makes room. */
async function filled(child: ChildProcess, onWaiting: () => void): Promise<Said[]> {
  const said: Said[] = [];
  const ended = new Promise<unknown>((resolve) => child.once("close", (code, signal) => resolve(signal ?? code)));
  for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
    said.push(JSON.parse(line) as Said);
    if (said.at(-1)?.waiting === true) onWaiting();
  }
  assert.equal(await ended, 0);
  return said;
}

function judge(said: readonly Said[]): void {
  const full = said.find(({ refused }) => refused !== undefined);
  assert.equal(full?.refused, "full");
  assert.ok((full?.stored ?? 0) > 10);
  assert.equal(full?.found, full?.stored, "reads go on");
  assert.deepEqual(
    said.map(({ state }) => state).filter((state) => state !== undefined && state !== "closed"),
    ["full", "open"],
  );
  const last = said.at(-1);
  assert.equal(last?.afterwards, last?.expected);
}

test("[G1] file system runs out of room → full; room is made → open again", { skip: lacksNamespaces }, async () => {
  using folder = new Folder();
  const mounted = `mount -t tmpfs -o size=4m tmpfs "${folder.path}" && exec "$0" --conditions=@gsf/source "$@"`;
  const child = spawn(
    "unshare",
    ["-Urm", "sh", "-c", mounted, process.execPath, FILLING, folder.path, String(1_024 ** 2)],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  judge(await filled(child, () => undefined));
});

test("[G1] size of files is limited → full; limit is lifted → open again", { skip: lacksPrlimit }, async () => {
  using folder = new Folder();
  const child = spawn(
    "prlimit",
    ["--fsize=3000000:unlimited", process.execPath, "--conditions=@gsf/source", FILLING, folder.path],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  judge(await filled(child, () => spawnSync("prlimit", ["--pid", String(child.pid), "--fsize=unlimited:"])));
});
