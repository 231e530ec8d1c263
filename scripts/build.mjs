// Builds what is published: JavaScript, declarations and maps of both packages, from nothing, so
// that no file of an older build can slip into a tarball.
import { execFileSync } from "node:child_process";
import { chmodSync, rmSync } from "node:fs";

const at = (path) => new URL(`../${path}`, import.meta.url);
for (const workspace of ["resilience", "gateway"]) rmSync(at(`${workspace}/dist`), { recursive: true, force: true });
const projects = [
  "resilience/src",
  "resilience/src/calibration",
  "resilience/src/chaos",
  "resilience/src/sim",
  "resilience/src/doors",
  "gateway/src",
];
execFileSync(process.execPath, [at("node_modules/typescript/bin/tsc").pathname, "-b", ...projects], {
  cwd: at("."),
  stdio: "inherit",
});
chmodSync(at("gateway/bin/gsf.js"), 0o755);
