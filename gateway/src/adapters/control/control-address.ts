/**
 * Options of every subcommand that talks to a running gateway: its address and the token. The token
 * is read from a file or the environment, never from the command line, which other users of a
 * machine can see.
 */
import { type Command, InvalidArgumentError, Option } from "commander";
import { httpUrlIn } from "../process/addresses.ts";
import { UserError } from "../process/exit-codes.ts";
import { readSecretFile, secretIn } from "../process/secret-file.ts";

export interface ControlAddress {
  readonly control: URL;
  readonly tokenFile?: string;
}

/** Adds `--control` and `--token-file`. */
export function withControlAddress(command: Command): Command {
  return command
    .addOption(
      new Option("--control <url>", "the gateway's control listener")
        .argParser(controlUrl)
        .default(new URL("http://127.0.0.1:7070"), "http://127.0.0.1:7070"),
    )
    .option("--token-file <path>", "file with the control token (or the variable GSF_CONTROL_TOKEN)");
}

/** The token to present to the gateway; undefined if there is none. */
export function tokenOf({ tokenFile }: ControlAddress): string | undefined {
  if (tokenFile === undefined) return process.env["GSF_CONTROL_TOKEN"];
  let token: string;
  try {
    token = secretIn(readSecretFile(tokenFile)).toString("utf8");
  } catch (error) {
    throw new UserError("usage", `--token-file ${tokenFile}: ${(error as Error).message}`);
  }
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw new UserError(
    "usage",
    `--token-file ${tokenFile}: it holds no token; allowed are letters, digits and . _ ~ + / - =`,
  );
}

/** Error if something other than a gateway's control listener answered. */
export function strange(at: URL): UserError {
  return new UserError("unreachable", `${at.origin} answered, but not as a gateway's control listener does`);
}

/** Reads the value of `--control`. */
export function controlUrl(text: string): URL {
  const url = httpUrlIn(text);
  if (url !== undefined) return url;
  throw new InvalidArgumentError("allowed is an address such as http://127.0.0.1:7070.");
}
