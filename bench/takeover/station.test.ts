/**
 * The station as a process: executes once, answers by its contract, refuses beyond its capacity,
 * misbehaves on order.
 */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Children, endChild, untilReady } from "./processes.ts";

const STATION = fileURLToPath(new URL("station.ts", import.meta.url));

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address !== null ? address.port : 0;
}

interface Told {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

/** A station with a latency of 20 ms and what `flags` add, and how to ask it. */
async function started(children: Children, folder: string, flags: readonly string[] = []) {
  const [port, health, admin] = await Promise.all([freePort(), freePort(), freePort()]);
  const ports = ["--port", `${port}`, "--health-port", `${health}`, "--admin-port", `${admin}`];
  const rest = ["--name", "primary", "--log", join(folder, "log"), "--latency", "20", ...flags];
  const child = children.launch(process.execPath, [STATION, ...ports, ...rest]);
  const ready = untilReady(child);
  if (flags.includes("--standby")) child.stdin?.write("start\n");
  await ready;
  const tell = async (method: string, path: string, at = port, headers = {}, body?: string): Promise<Told> => {
    const response = await fetch(`http://127.0.0.1:${at}${path}`, { method, headers, ...(body && { body }) });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  const command = (key: string, headers = {}): Promise<Told> =>
    tell("POST", "/commands", port, { "idempotency-key": key, ...headers }, "{}");
  const mode = (one: object): Promise<Told> => tell("POST", "/mode", admin, {}, JSON.stringify(one));
  return { child, tell, command, mode, health };
}

async function withStation(
  flags: readonly string[],
  play: (station: Awaited<ReturnType<typeof started>>, folder: string, children: Children) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "station-"));
  const children = new Children();
  try {
    await play(await started(children, folder, flags), folder, children);
  } finally {
    await children.endAll();
    rmSync(folder, { recursive: true, force: true });
  }
}

const executed = (folder: string): string[] =>
  readFileSync(join(folder, "log"), "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => (JSON.parse(line) as { key: string }).key);

test("a key is executed once, also by a station that was killed and started again", async () => {
  await withStation([], async ({ child, command, tell }, folder, children) => {
    assert.deepEqual(await command("a"), { status: 200, body: { status: "ok", key: "a", station: "primary" } });
    assert.equal((await command("a")).body["replayed"], true);
    assert.equal((await tell("GET", "/health")).status, 200);
    await endChild(child, "SIGKILL", 1_000);
    const again = await started(children, folder, ["--standby"]);
    assert.equal((await again.command("a")).body["replayed"], true);
    assert.deepEqual(executed(folder), ["a"]);
  });
});

test("contract: status of a key, cancel-or-learn, an expired deadline is not executed", async () => {
  await withStation([], async ({ command, tell }, folder) => {
    await command("a");
    assert.equal((await tell("GET", "/commands/a")).body["executed"], true);
    assert.deepEqual((await tell("DELETE", "/commands/a")).body["answer"], {
      status: "ok",
      key: "a",
      station: "primary",
    });
    const cancelled = await tell("DELETE", "/commands/b");
    assert.deepEqual([cancelled.body["executed"], cancelled.body["cancelled"]], [false, true]);
    assert.equal((await command("b")).status, 409);
    assert.equal((await command("c", { "x-deadline": String(Date.now() - 1) })).status, 504);
    assert.deepEqual(executed(folder), ["a"]);
  });
});

test("beyond its capacity it refuses, and a refusal costs it work", async () => {
  await withStation(["--capacity", "10", "--burst", "4"], async ({ command }, folder) => {
    const statuses = (await Promise.all(Array.from({ length: 12 }, (_, number) => command(`k${number}`)))).map(
      ({ status }) => status,
    );
    assert.equal(statuses.filter((status) => status === 503).length, 8);
    assert.equal(executed(folder).length, 4);
    // Eight refusals are four commands of debt: nothing is served for half a second at 10/s.
    assert.equal((await command("next")).status, 503);
  });
});

test("modes: 500 to all, an error in a 200, cut in mid-answer after the execution, slow", async () => {
  await withStation([], async ({ command, mode, tell }, folder) => {
    await mode({ name: "error500" });
    assert.deepEqual([(await command("a")).status, (await tell("GET", "/health")).status], [500, 500]);
    await mode({ name: "semantic" });
    assert.deepEqual(await command("b"), { status: 200, body: { status: "error", error: "antenna not pointed" } });
    assert.deepEqual(executed(folder), []);
    for (const name of ["reset-mid", "reset-before"]) {
      await mode({ name });
      await assert.rejects(command(name));
    }
    assert.deepEqual(executed(folder), ["reset-mid", "reset-before"]);
    await mode({ name: "slow", latencyMs: 120 });
    const beganMs = performance.now();
    await command("c");
    assert.ok(performance.now() - beganMs >= 115);
  });
});
