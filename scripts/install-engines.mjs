// Installs the other versions of Node on which a seed must give the same run (test/engines), unless
// they are there. `npm run test:only` calls it before the test that needs them begins, so that no
// test waits for a registry.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL("../test/engines", import.meta.url));
const VERSIONS = [22, 26];

/** Where there is none for this platform, or no registry, the test says what is missing. */
export function installEngines() {
  const isThere = (version) =>
    existsSync(join(folder, `node_modules/node${version}-${process.platform}-${process.arch}/bin/node`));
  if (VERSIONS.every(isThere)) return;
  console.log(`installing Node ${VERSIONS.join(" and ")} into test/engines`);
  spawnSync("npm", ["ci", "--no-audit", "--no-fund"], { cwd: folder, stdio: ["ignore", "ignore", "inherit"] });
}
