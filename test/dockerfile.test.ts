/**
 * The Dockerfile cannot be built where these tests run. What it relies on is checked instead: its
 * scripts exist, the program is where it starts it, and it does not run as root. That both packages
 * build, pack and install into an empty directory is what `process/pack.test.ts` proves.
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";

const at = (path: string): URL => new URL(`../${path}`, import.meta.url);
const text = readFileSync(at("ops/Dockerfile"), "utf8");
const instructions = text
  .replaceAll("\\\n", " ")
  .split("\n")
  .filter((line) => /^[A-Z]+ /.test(line));

test("[G7] the Dockerfile → its scripts, packages and program are those of this repository", () => {
  const { scripts } = JSON.parse(readFileSync(at("package.json"), "utf8")) as { scripts: Record<string, string> };
  for (const [, name = ""] of text.matchAll(/npm run ([\w:-]+)/g)) assert.ok(name in scripts, name);
  for (const [, workspace = ""] of text.matchAll(/--workspace ([\w-]+)/g))
    assert.ok(existsSync(at(`${workspace}/package.json`)), workspace);
  const gateway = JSON.parse(readFileSync(at("gateway/package.json"), "utf8")) as {
    name: string;
    bin: { gsf: string };
  };
  assert.ok(text.includes(`/app/node_modules/${gateway.name}/${gateway.bin.gsf}`));
  assert.ok(existsSync(at(`gateway/${gateway.bin.gsf}`)));
});

test("[G7] the image → runs without rights, with a volume, a health check, and JSON arguments that get signals", () => {
  const last = instructions.slice(instructions.map((line) => line.startsWith("FROM ")).lastIndexOf(true));
  const values = (name: string): string[] =>
    last.filter((line) => line.startsWith(`${name} `)).map((line) => line.slice(name.length + 1).trim());
  assert.deepEqual([values("USER"), values("VOLUME"), values("STOPSIGNAL")], [["node"], ["/var/lib/gsf"], ["SIGTERM"]]);
  assert.ok(values("HEALTHCHECK")[0]?.includes("/healthz"));
  for (const form of [...values("ENTRYPOINT"), ...values("CMD")])
    assert.ok(Array.isArray(JSON.parse(form)), `${form} is run by a shell, which keeps signals for itself`);
});
