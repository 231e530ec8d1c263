/**
 * Promise [R4]: what happens inside an operation is bounded. A service sends the head of its answer
 * at once and the body never. The example of both READMEs that guards a call, taken from there as
 * it stands, ends with its timeout.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { promisify } from "node:util";

const ROOT = `${import.meta.dirname}/../..`;

/**
 * The example of a page that guards one call, against `url`, with a timeout that is short and no
 * second attempt.
 */
function exampleOf(page: string, url: string): string {
  const programs = [...readFileSync(`${ROOT}/${page}`, "utf8").matchAll(/```ts\n([\s\S]*?)```/g)].map(
    ([, code = ""]) => code,
  );
  const source = programs.find(
    (code) => code.includes('"http://127.0.0.1:9001/"') && code.includes("timeoutMs: 1_000"),
  );
  assert.ok(source !== undefined, `${page} has its example`);
  return source
    .replace('"http://127.0.0.1:9001/"', JSON.stringify(url))
    .replace("timeoutMs: 1_000", "timeoutMs: 300, retry: false");
}

async function run(source: string): Promise<string> {
  const args = ["--conditions=@gsf/source", "--input-type=module-typescript", "--eval", source];
  const ended = promisify(execFile)(process.execPath, args, { cwd: `${ROOT}/examples`, timeout: 60_000 });
  return ended.then(
    ({ stdout }) => stdout,
    (error: { readonly stderr: string }) => error.stderr,
  );
}

for (const page of ["README.md", "resilience/README.md"]) {
  test(`[R4] ${page}: the head comes and the body never → ATTEMPT_TIMEOUT; a whole answer is printed`, async () => {
    const server = createServer((request, reply) => {
      if (request.url === "/whole") reply.end("a whole answer");
      else reply.writeHead(200, { "content-length": "100" }).flushHeaders();
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    try {
      assert.equal(await run(exampleOf(page, `${url}/whole`)), "200 a whole answer\n");
      assert.match(await run(exampleOf(page, `${url}/endless`)), /ATTEMPT_TIMEOUT/);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });
}
