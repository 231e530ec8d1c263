// Tries the published packages as a stranger gets them: builds, packs, lints the tarballs (publint,
// attw), installs both into an empty folder outside the repository, compiles against their
// declarations, and runs examples and the demo there under plain Node, without the repository's
// source condition.
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const run = (command, args, cwd = root) => {
  console.log(`$ ${[command === process.execPath ? "node" : command, ...args].join(" ")}`);
  return execFileSync(command, args, { cwd, stdio: ["ignore", "pipe", "inherit"], encoding: "utf8" });
};

run(process.execPath, ["scripts/build.mjs"]);
const folder = mkdtempSync(join(tmpdir(), "gsf-pack-"));
try {
  const tarballs = ["resilience", "gateway"].map((workspace) => {
    run("npx", ["--no-install", "publint", "--strict", workspace]);
    const [packed] = JSON.parse(run("npm", ["pack", "--json", "--pack-destination", folder, "--workspace", workspace]));
    const tarball = join(folder, packed.filename);
    if (workspace === "resilience") run("npx", ["--no-install", "attw", tarball, "--profile", "esm-only"]);
    return tarball;
  });
  const home = join(folder, "stranger");
  mkdirSync(home);
  writeFileSync(join(home, "package.json"), '{ "name": "stranger", "private": true, "type": "module" }\n');
  run("npm", ["install", "--no-audit", "--no-fund", "--prefer-offline", ...tarballs], home);
  // The strictest compiler, which looks into the packages' declarations and knows nothing of Node.
  const doors = ["", "/core", "/calibration", "/chaos", "/fetch", "/undici", "/express"].map(
    (door) => `export {} from "ground-station-failover${door}";\n`,
  );
  writeFileSync(join(home, "doors.mts"), doors.join(""));
  const strict = ["--noEmit", "--strict", "--target", "es2022", "--module", "nodenext", "--types", ""];
  run(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), ...strict, "doors.mts"], home);
  for (const example of ["guarded-fetch.ts", "primary-and-backup.ts", "resilient-fetch.ts", "simulate-your-own.ts"]) {
    // What a stranger has is JavaScript or a build step; Node strips the types of a file outside
    // node_modules.
    copyFileSync(join(root, "examples", example), join(home, example));
    console.log(run(process.execPath, [example], home).trimEnd());
  }
  const sums = JSON.parse(run(process.execPath, [join(home, "node_modules/.bin/gsf"), "demo", "--json"], home));
  console.log(`gsf demo: ${sums.sent} commands, ${sums.callerErrors} errors, take-over in ${sums.takeoverMs} ms`);
  console.log("pack:check passed");
} finally {
  rmSync(folder, { recursive: true, force: true });
}
