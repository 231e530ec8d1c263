/**
 * The injector `config`: another configuration in place of the present one, broken or merely wrong,
 * with a copy kept of what was there; `gsf check-config` on a file, whose verdict is the output;
 * and a second gateway with the same file. A process that is told to read its files again gets a
 * SIGHUP directly after the change.
 */

import { isMap, isSeq, parseDocument } from "yaml";
import { z } from "zod";
import { PROGRAM } from "../../adapters/process/children.ts";
import { UserError } from "../../adapters/process/exit-codes.ts";
import type { Json } from "../experiment/experiment.ts";
import type { InjectionContext, PreparedInjection } from "../injection.ts";
import { action, COMMON, injectorOf, type OwnInjector, targetOf } from "./action.ts";
import { content, list, text, whole } from "./fields.ts";
import { FileSwap } from "./file-swap.ts";
import { KeptProcess } from "./kept-process.ts";
import { chosenProcess, sameProcess, WHICH_PROCESS, waysToProcess } from "./processes.ts";
import { runProgram } from "./run-program.ts";
import { signalled } from "./signal-cycles.ts";

const value: z.ZodType<Json> = z.json();

const writeSchema = z
  .strictObject({
    ...COMMON,
    ...WHICH_PROCESS,
    path: text("the path of a configuration file", 4_096),
    content: content("the whole new text", 1_000_000).optional(),
    truncateTo: whole(0, 4_194_304, "bytes").optional(),
    replace: list(
      z.strictObject({ from: text("a text that is in the file", 10_000), to: content("what comes instead", 10_000) }),
      1,
      32,
    ).optional(),
    set: z.record(z.string().min(1).max(256), value).optional(),
  })
  .refine(
    (args) => [args.content, args.truncateTo, args.replace, args.set].filter((one) => one !== undefined).length === 1,
    { path: ["content"], message: "allowed is exactly one of content, truncateTo, replace and set" },
  )
  .refine((which) => waysToProcess(which) <= 1, {
    path: ["pid"],
    message: "allowed is at most one of pid, pidFile and pidUrl",
  });

const checkSchema = z.strictObject({
  ...COMMON,
  path: text("the path of a configuration file", 4_096),
  expectStatus: whole(0, 255).optional(),
});

const secondSchema = z.strictObject({
  ...COMMON,
  path: text("the path of a configuration file", 4_096),
  readyWithinMs: whole(100, 60_000, "ms").default(10_000),
});

export const config: OwnInjector = injectorOf("config", {
  write: action(writeSchema, { prepare: prepareWrite }),
  check: action(checkSchema, { prepare: prepareCheck }),
  "second-gateway": action(secondSchema, { prepare: prepareSecond }),
});

async function prepareWrite(args: z.output<typeof writeSchema>, context: InjectionContext): Promise<PreparedInjection> {
  const swap = new FileSwap("path", args.path);
  const next = newBytes(args, swap.before);
  if (swap.before?.equals(next) === true) {
    throw new UserError("usage", `path: ${swap.path} holds exactly this already; nothing would change`);
  }
  const reader = waysToProcess(args) === 0 ? undefined : await chosenProcess(args);
  let proof: string | undefined;
  return {
    targets: [targetOf(args, "file", swap.path)],
    shown: `write ${next.length} bytes to ${swap.path}${reader === undefined ? "" : `; kill -HUP ${reader.pid}`}`,
    // The file first: who reads it again has to find the old one.
    inverses: [
      swap.inverse,
      ...(reader === undefined
        ? []
        : [{ kind: "signal", pid: reader.pid, startTime: reader.startTime, signal: "SIGHUP" } as const]),
    ],
    expiresAfterMs: args.expiresAfterMs,
    async inject() {
      context.signal.throwIfAborted();
      swap.replace(next);
      proof = `${swap.path} has ${next.length} bytes instead of ${swap.before?.length ?? 0}`;
      if (reader === undefined) return { path: swap.path, bytes: next.length };
      if (signalled(reader, "SIGHUP")) proof += `; process ${reader.pid} was told to read it`;
      return { path: swap.path, bytes: next.length, isReaderAlive: sameProcess(reader) !== undefined };
    },
    felt: async () => proof,
    remaining: async () => swap.remaining(),
  };
}

/** The bytes that the arguments ask for. */
function newBytes(args: z.output<typeof writeSchema>, before: Buffer | undefined): Buffer {
  if (args.content !== undefined) return Buffer.from(args.content);
  if (before === undefined) throw new UserError("usage", `path: there is no file ${args.path} that could be changed`);
  if (args.truncateTo !== undefined) return before.subarray(0, args.truncateTo);
  const written = before.toString("utf8");
  if (args.replace !== undefined) return Buffer.from(replaced(written, args.replace));
  return Buffer.from(withValues(written, args.set ?? {}));
}

function replaced(written: string, pairs: readonly { readonly from: string; readonly to: string }[]): string {
  return pairs.reduce((now, { from, to }, place) => {
    if (!now.includes(from)) {
      throw new UserError(
        "usage",
        `replace[${place}].from: the file does not hold ${JSON.stringify(from.slice(0, 60))}`,
      );
    }
    return now.replaceAll(from, () => to);
  }, written);
}

/** Sets values in YAML or JSON; `groups.atlantic.port` is a path, a number is a place in a list. */
function withValues(written: string, values: Readonly<Record<string, Json>>): string {
  const document = parseDocument(written);
  const [broken] = document.errors;
  if (broken !== undefined) throw new UserError("usage", `path: the file is no YAML: ${broken.message.split("\n")[0]}`);
  for (const [name, next] of Object.entries(values)) {
    const steps = name.split(".");
    const path = steps.map((step) => (/^\d+$/.test(step) ? Number(step) : step));
    const above = document.getIn(path.slice(0, -1), true);
    if (path.length > 1 && !isMap(above) && !isSeq(above)) {
      throw new UserError("usage", `set.${name}: the file has no ${steps.slice(0, -1).join(".")}`);
    }
    document.setIn(path, next);
  }
  return document.toString();
}

async function prepareCheck(args: z.output<typeof checkSchema>, context: InjectionContext): Promise<PreparedInjection> {
  const program = [PROGRAM, "check-config", args.path, "--json"];
  let proof: string | undefined;
  return {
    targets: [targetOf(args, "file", args.path)],
    shown: `gsf check-config ${args.path} --json`,
    inverses: [],
    expiresAfterMs: args.expiresAfterMs,
    async inject() {
      const end = await runProgram(process.execPath, program, { signal: context.signal });
      context.signal.throwIfAborted();
      const isExpected = args.expectStatus === undefined || args.expectStatus === end.status;
      proof = isExpected ? `gsf check-config ended with ${end.status}` : undefined;
      return { status: end.status, stdout: end.stdout, stderr: end.stderr };
    },
    felt: async () => proof,
    remaining: async () => [],
  };
}

async function prepareSecond(
  args: z.output<typeof secondSchema>,
  context: InjectionContext,
): Promise<PreparedInjection> {
  const kept = new KeptProcess({
    label: `a second gateway with ${args.path}`,
    command: [process.execPath, PROGRAM, "run", "--config", args.path, "--json"],
    expiresAfterMs: args.expiresAfterMs,
    signal: context.signal,
  });
  let proof: string | undefined;
  return {
    targets: [targetOf(args, "file", args.path)],
    shown: `gsf run --config ${args.path} --json`,
    inverses: [kept.inverse],
    expiresAfterMs: args.expiresAfterMs,
    async inject() {
      const said = await kept.start(/"ready":true/, args.readyWithinMs);
      const { exitCode, isReady } = said;
      proof = isReady ? "the second gateway is ready" : `the second gateway ended with ${exitCode}`;
      return { isReady, exitCode, output: said.output };
    },
    felt: async () => proof,
    remaining: () => kept.remaining(),
  };
}
