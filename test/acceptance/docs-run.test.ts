/**
 * Every program in the documentation is one that a reader can paste: it has no errors of types, and
 * it runs to a good end. The programs talk to services at 127.0.0.1:9001 and 9002; here these are
 * two of our own, on ports that are free.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
const pages = ["README.md", "resilience/README.md", ...globSync("docs/guide/*.md", { cwd: root }).sort()];
const programs = pages.flatMap((page) =>
  [...readFileSync(join(root, page), "utf8").matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, code = ""], place) => ({
    name: `${page}, program ${place + 1}`,
    code,
  })),
);
// The peers that one page compares with are installed in bench.
const workplace = join(root, "bench");

/** Ends with the code and what was printed. */
async function ended(child: ChildProcess): Promise<[number | null, string]> {
  let printed = "";
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding("utf8").on("data", (text) => (printed += text));
  const [code] = (await once(child, "close")) as [number | null];
  return [code, printed];
}

test("the documentation has programs", () => assert.ok(programs.length >= 15));

test("the programs of the documentation have no errors of types", async () => {
  mkdirSync(join(workplace, "node_modules/.cache"), { recursive: true });
  const folder = mkdtempSync(join(workplace, "node_modules/.cache/docs-"));
  try {
    const config = {
      extends: join(root, "tsconfig.base.json"),
      compilerOptions: {
        noEmit: true,
        composite: false,
        isolatedDeclarations: false,
        declarationMap: false,
        types: ["node"],
      },
      // A peer without types.
      files: [join(workplace, "opossum.d.ts")],
      include: ["*.mts"],
    };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
    // Each is a module of its own, also one without an import.
    for (const [place, { code }] of programs.entries())
      writeFileSync(join(folder, `${place}.mts`), `${code}export {};\n`);
    const [status, printed] = await ended(
      spawn(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", folder]),
    );
    const named = printed.replace(/\b(\d+)\.mts/g, (_, place) => programs[Number(place)]?.name ?? place);
    assert.equal(status, 0, named);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

const services = [0, 1].map(() =>
  createServer((request, reply) => reply.end(`served ${request.url}\n`)).listen(0, "127.0.0.1"),
);
after(() => services.map((service) => service.close()));

for (const { name, code } of programs) {
  test(`${name} → ends well`, async () => {
    const ports = services.map((service) => (service.address() as AddressInfo).port);
    const program = code.replaceAll("9001", `${ports[0]}`).replaceAll("9002", `${ports[1]}`);
    const options = ["--input-type=module-typescript", "--conditions=@gsf/source", "--eval", program];
    const child = spawn(process.execPath, options, { cwd: workplace, timeout: 60_000 });
    const [status, printed] = await ended(child);
    assert.equal(status, 0, printed);
  });
}
