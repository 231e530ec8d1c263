#!/usr/bin/env node
// Starts the command line in this process: from source in a checkout, from what was built in an installed package.
// In a checkout the workspaces' doors are asked for their sources (condition `@gsf/source`), and Node strips the types,
// so nothing is ever built there. Plain old JavaScript, so that a Node that is too old can read as far as the sentence
// that says so.
import { existsSync } from "node:fs";
import * as nodeModule from "node:module";

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
await runCommandLine(process.argv.slice(2));
