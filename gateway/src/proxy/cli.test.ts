/** `gsf proxy` as a process: how it begins, what it refuses, and how it ends. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";

const gsf = fileURLToPath(new URL("../../bin/gsf.js", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "gsf-proxy-"));
const children: ChildProcess[] = [];
after(() => {
  for (const child of children) child.kill("SIGKILL");
  rmSync(folder, { recursive: true });
});

/** Starts it; `lines` are those of its standard output so far. */
function started(...args: string[]) {
  const child = spawn(process.execPath, [gsf, "proxy", ...args], { stdio: ["ignore", "pipe", "pipe"] });
  children.push(child);
  const lines: string[] = [];
  let rest = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    const [...whole] = `${rest}${text}`.split("\n");
    rest = whole.pop() ?? "";
    lines.push(...whole);
  });
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    errors += text;
  });
  const ended = once(child, "close").then(([code]) => ({ code, lines, errors }));
  return { child, lines, ended };
}

/** Starts it on a free port; resolves with the URL of its API. */
async function listening(...args: string[]) {
  const { child, lines, ended } = started("--port", "0", ...args);
  const deadline = performance.now() + 30_000;
  const told = (): string | undefined => lines.find((line) => line.startsWith("gsf proxy listening"));
  while (told() === undefined) {
    assert.ok(
      child.exitCode === null && performance.now() < deadline,
      (await Promise.race([ended, "slow"])).toString(),
    );
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const [url = ""] = told()?.match(/http:\/\/[^,]+/) ?? [];
  return { child, lines, ended, url };
}

test("SIGTERM during traffic → ends with 0, and every port is free", async () => {
  const { child, ended, url } = await listening();
  const api = await fetch(`${url}/proxies`, {
    method: "POST",
    body: JSON.stringify({ name: "a", listen: "127.0.0.1:0", upstream: url.replace("http://", "") }),
  });
  const { listen } = (await api.json()) as { listen: string };
  const socket = connect(Number(listen.split(":")[1]), "127.0.0.1");
  socket.on("error", () => undefined);
  socket.write("GET /version HTTP/1.1\r\nHost: x\r\n\r\n");
  await once(socket, "data");
  child.kill("SIGTERM");
  assert.equal((await ended).code, 0);
  const again = createServer().listen(Number(listen.split(":")[1]), "127.0.0.1");
  await once(again, "listening");
  again.close();
});

test("--config → its proxies are there from the beginning, with their toxics", async () => {
  const config = join(folder, "proxies.json");
  const list = [{ name: "a", listen: "127.0.0.1:0", upstream: "127.0.0.1:9", toxics: [{ type: "latency" }] }];
  writeFileSync(config, JSON.stringify(list));
  const { child, ended, url } = await listening("--config", config, "--metrics");
  const all = (await (await fetch(`${url}/proxies`)).json()) as { a: { toxics: object[] } };
  assert.equal(all.a.toxics.length, 1);
  assert.equal((await fetch(`${url}/metrics`)).status, 200);
  child.kill("SIGINT");
  assert.equal((await ended).code, 0);
});

test("without --metrics → the path is not there", async () => {
  const { child, ended, url } = await listening();
  assert.equal((await fetch(`${url}/metrics`)).status, 404);
  child.kill("SIGTERM");
  await ended;
});

test("--events → each event is a line of JSON in the file", async () => {
  const path = join(folder, "events.jsonl");
  const { child, ended, url } = await listening("--events", path);
  await fetch(`${url}/proxies`, {
    method: "POST",
    body: JSON.stringify({ name: "a", listen: "127.0.0.1:0", upstream: "127.0.0.1:9" }),
  });
  child.kill("SIGTERM");
  await ended;
  const types = readFileSync(path, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line).type);
  assert.deepEqual(types, ["proxy-opened", "proxy-closed"]);
});

test("an option or a file that cannot be used → a sentence and the exit code for it", async () => {
  const taken = createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  const { port } = taken.address() as AddressInfo;
  const bad = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  for (const [args, expected] of [
    [["--port", "x"], 2],
    [["--port", "65536"], 2],
    [["--seed", "-1"], 2],
    [["--unknown"], 2],
    [["--port", String(port)], 4],
    [["--port", "0", "--host", "192.0.2.1"], 4],
    [["--config", join(folder, "missing.json")], 3],
    [["--config", bad("half.json", "[{")], 3],
    [["--config", bad("object.json", "{}")], 3],
    [["--config", bad("nameless.json", '[{"upstream":"127.0.0.1:9"}]')], 3],
    [["--config", bad("taken.json", `[{"name":"a","upstream":"x:1","listen":"127.0.0.1:${port}"}]`)], 3],
    [["--events", join(folder, "missing/events.jsonl")], 2],
  ] as const) {
    const { code, errors, lines } = await started(...args).ended;
    assert.equal(code, expected, `${args.join(" ")}: ${errors}`);
    assert.ok(errors.length > 0 && !errors.includes("    at "), errors);
    assert.deepEqual(lines, []);
  }
  taken.close();
});
