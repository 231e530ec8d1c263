// Stops with a sentence when the running Node is too old. npm scripts run on the Node of the `node`
// dev dependency; when its install script was skipped, they silently fall back to the system's, and
// this says so.
const wanted = Number(process.argv[2] ?? 24);
const actual = Number(process.versions.node.split(".")[0]);
if (actual < wanted) {
  console.error(
    `This command needs Node ${wanted} or newer and runs on ${process.version}. ` +
      "npm scripts use the Node of the `node` dev dependency: run `npm ci` (without --ignore-scripts) first.",
  );
  process.exit(1);
}
