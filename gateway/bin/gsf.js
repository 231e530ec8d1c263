#!/usr/bin/env node
// Starts the command line in this process: from source in a checkout, from what was built in an installed package.
// In a checkout the workspaces' doors are asked for their sources (condition `@gsf/source`), and Node strips the types,
// so nothing is ever built there. Plain old JavaScript, so that a Node that is too old can read as far as the sentence
// that says so.
// Before anything else it takes the signals that would end a service that is still starting, or open Node's inspector;
// they are obeyed once there is somebody to obey them (src/adapters/process-life.ts).
import { existsSync } from "node:fs";
import * as inspector from "node:inspector";
import * as nodeModule from "node:module";
import { isatty } from "node:tty";

const MAX_HELD = 16;
const begun = { signals: [], hasTerminal: isatty(0) || isatty(2) };
const hold = (signal) => {
  if (begun.signals.length < MAX_HELD) begun.signals.push(signal);
};
const serves = ["run", "station", "proxy"].includes(process.argv[2]);
for (const signal of serves ? ["SIGHUP", "SIGUSR1", "SIGUSR2"] : ["SIGUSR1"]) process.on(signal, hold);
// One that came before the line above opens it all the same, now or in a moment, and once more after it was closed.
const isInspected = [...process.execArgv, process.env.NODE_OPTIONS ?? ""].some((text) => text.includes("--inspect"));
// So it is looked again some times, counted in turns of the loop: it may stand still for long while the program is loaded.
let looks = 40;
const closeInspector = () => {
  if (!isInspected && inspector.url() !== undefined) inspector.close();
  if (--looks > 0) setTimeout(closeInspector, 50).unref();
};
closeInspector();

const source = new URL("../src/cli.ts", import.meta.url);
const inCheckout = existsSync(source);
const needed = inCheckout ? 24 : 22;

if (Number(process.versions.node.split(".")[0]) < needed) {
  const remedy = inCheckout ? "run `npm ci` and then `npx gsf`, which brings its own" : "install a newer Node";
  console.error(`gsf needs Node ${needed} or newer, and this is ${process.version}: ${remedy}.`);
  process.exit(2);
}

if (inCheckout) {
  nodeModule.registerHooks({
    resolve: (specifier, context, next) =>
      next(specifier, { ...context, conditions: [...context.conditions, "@gsf/source"] }),
  });
}

const { runCommandLine } = await import(inCheckout ? source.href : new URL("../dist/cli.js", import.meta.url).href);
await runCommandLine(process.argv.slice(2), begun);
