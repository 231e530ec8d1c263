/** Inverses on a real system: each can be played twice, and none hurts what it does not mean. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { isInverse, playInverse } from "./inverse.ts";
import { startTimeOf } from "./process-identity.ts";

const directory = mkdtempSync(join(tmpdir(), "gsf-inverse-"));
after(() => rmSync(directory, { recursive: true, force: true }));

function stateOf(pid: number): string | undefined {
  const line = readFileSync(`/proc/${pid}/stat`, "latin1");
  return line.slice(line.lastIndexOf(")") + 2)[0];
}

describe("signal", { skip: process.platform === "linux" ? false : "reads /proc" }, () => {
  test("process of the same start time → signal sent, and a second time nothing changes", async () => {
    const child = spawn("sleep", ["600"], { stdio: "ignore" });
    const [pid, startTime] = [child.pid as number, startTimeOf(child.pid as number) as string];
    process.kill(pid, "SIGSTOP");
    for (let times = 0; times < 2; times++) {
      await playInverse({ kind: "signal", pid, startTime, signal: "SIGCONT" });
      assert.notEqual(stateOf(pid), "T");
    }
    child.kill("SIGKILL");
    await once(child, "exit");
    await playInverse({ kind: "signal", pid, startTime, signal: "SIGCONT" });
  });

  test("number given to another process → no signal sent", async () => {
    const child = spawn("sleep", ["600"], { stdio: "ignore" });
    const startTime = String(Number(startTimeOf(child.pid as number)) - 1);
    await playInverse({ kind: "signal", pid: child.pid as number, startTime, signal: "SIGKILL" });
    assert.equal(child.exitCode, null);
    assert.notEqual(startTimeOf(child.pid as number), undefined);
    child.kill("SIGKILL");
    await once(child, "exit");
  });

  test("process that is dead and not yet waited for → counts as ended", async () => {
    const child = spawn("true", { stdio: "ignore" });
    const pid = child.pid as number;
    // Without a turn of the event loop: Node waits for its children there.
    while (stateOf(pid) !== "Z");
    assert.equal(startTimeOf(pid), undefined);
    await once(child, "exit");
  });

  test("number of a group, of init or of nobody → no inverse", () => {
    for (const pid of [0, 1, -1, -process.pid, 1.5, Number.NaN, "7"])
      assert.equal(isInverse({ kind: "signal", pid, startTime: "1", signal: "SIGCONT" }), false);
    assert.equal(isInverse({ kind: "signal", pid: 7, startTime: "1", signal: "SIGNOTHING" }), false);
    assert.equal(isInverse({ kind: "signal", pid: 7, startTime: "1", signal: "constructor" }), false);
  });
});

describe("http", () => {
  const answers = new Map<string, number>([
    ["/well", 204],
    ["/gone", 404],
    ["/broken", 500],
    ["/moved", 302],
  ]);
  const bodies: string[] = [];
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    bodies.push(body);
    const status = answers.get(request.url as string);
    if (status === undefined) return;
    response.statusCode = status;
    response.setHeader("location", "/well");
    response.end();
  });
  const base = (async () => {
    await once(server.listen(0, "127.0.0.1"), "listening");
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  })();
  after(() => {
    server.closeAllConnections();
    server.close();
  });

  test("2xx or 404 → done", async () => {
    for (const path of ["/well", "/gone"])
      await playInverse({ kind: "http", method: "DELETE", url: `${await base}${path}` });
    await playInverse({ kind: "http", method: "POST", url: `${await base}/well`, body: { enabled: true } });
    assert.equal(bodies.at(-1), '{"enabled":true}');
  });

  test("any other answer, or none in time → not done", async () => {
    for (const path of ["/broken", "/moved", "/silent"])
      await assert.rejects(playInverse({ kind: "http", method: "DELETE", url: `${await base}${path}` }), path);
  });

  test("nothing listens on this machine any more → done; elsewhere that is no proof", async () => {
    const other = createServer();
    await once(other.listen(0, "127.0.0.1"), "listening");
    const { port } = other.address() as AddressInfo;
    other.close();
    await once(other, "close");
    await playInverse({ kind: "http", method: "DELETE", url: `http://127.0.0.1:${port}/x` });
    await assert.rejects(playInverse({ kind: "http", method: "DELETE", url: "http://nowhere.invalid/x" }));
  });
});

describe("file", () => {
  test("changed file → old bytes and permissions are back, nothing else in the directory", async () => {
    const inside = mkdtempSync(join(directory, "put-back-"));
    const [path, copy] = [join(inside, "fleet.yaml"), join(inside, "copy")];
    writeFileSync(copy, "good");
    writeFileSync(path, "bad bad");
    chmodSync(path, 0o640);
    for (let times = 0; times < 2; times++) await playInverse({ kind: "file", path, copy });
    assert.equal(readFileSync(path, "utf8"), "good");
    assert.equal(statSync(path).mode & 0o777, 0o640);
    assert.deepEqual(readdirSync(inside).sort(), ["copy", "fleet.yaml"]);
  });

  test("deleted file → put back; link → stays a link", async () => {
    const inside = mkdtempSync(join(directory, "link-"));
    const [path, copy, link] = [join(inside, "a"), join(inside, "copy"), join(inside, "link")];
    writeFileSync(copy, "good");
    await playInverse({ kind: "file", path, copy });
    assert.equal(readFileSync(path, "utf8"), "good");
    symlinkSync(path, link);
    writeFileSync(path, "bad");
    await playInverse({ kind: "file", path: link, copy });
    assert.ok(lstatSync(link).isSymbolicLink());
    assert.equal(readFileSync(path, "utf8"), "good");
  });

  test("reader during many replacements → never half of a file", async () => {
    const inside = mkdtempSync(join(directory, "atomic-"));
    const [path, copy] = [join(inside, "a"), join(inside, "copy")];
    const [good, bad] = ["g".repeat(1_000_000), "b".repeat(1_000_000)];
    writeFileSync(copy, good);
    writeFileSync(path, bad);
    const reader = spawn(
      process.execPath,
      [
        "-e",
        `const { readFileSync } = require("node:fs");
         process.on("message", () => process.exit(0));
         process.send("reading");
         const read = () => {
           const text = readFileSync(${JSON.stringify(path)}, "latin1");
           if (text.length !== 1_000_000 || (text[0] !== text.at(-1))) process.exit(1);
           setImmediate(read);
         };
         read();`,
      ],
      { stdio: ["ignore", "ignore", "inherit", "ipc"] },
    );
    await once(reader, "message");
    for (let times = 0; times < 30; times++) {
      await playInverse({ kind: "file", path, copy });
      const other = join(inside, "bad");
      writeFileSync(other, bad);
      await playInverse({ kind: "file", path, copy: other });
    }
    reader.send("end");
    const [code] = (await once(reader, "exit")) as [number];
    assert.equal(code, 0);
  });

  test("file that was not there → deleted, twice; copy that was not made yet → nothing to do", async () => {
    const path = join(directory, "new");
    writeFileSync(path, "x");
    for (let times = 0; times < 2; times++) await playInverse({ kind: "file", path });
    assert.equal(lstatSync(path, { throwIfNoEntry: false }), undefined);
    writeFileSync(path, "y");
    await playInverse({ kind: "file", path, copy: join(directory, "no-copy") });
    assert.equal(readFileSync(path, "utf8"), "y");
  });
});

describe("process", () => {
  test("exit code 0 → done; any other, or no such program → not done", async () => {
    await playInverse({ kind: "process", path: "true", arguments: [] });
    await assert.rejects(playInverse({ kind: "process", path: "false", arguments: [] }));
    await assert.rejects(playInverse({ kind: "process", path: join(directory, "nothing"), arguments: [] }));
  });

  test("arguments with the signs of a shell → passed on as they are", async () => {
    await playInverse({ kind: "process", path: "test", arguments: ["$(echo a); `b` > c", "=", "$(echo a); `b` > c"] });
  });

  test("program that starts a service → not waited for, and the service lives on with its output", async () => {
    const flag = join(directory, "served");
    const service = `sleep 0.2; echo a; echo b >&2; echo c && touch ${flag}`;
    await playInverse({ kind: "process", path: "sh", arguments: ["-c", `(${service}) & exit 0`] });
    assert.ok(!existsSync(flag));
    while (!existsSync(flag)) await new Promise((resolve) => setImmediate(resolve));
  });
});
