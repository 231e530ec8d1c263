/**
 * `gsf is-active`: asks a running gateway whether a station serves, and says it with the exit code,
 * for keepalived's `track_script` and other scripts. It is asked every second or two, so it loads
 * little and gives up early. The page that it asks needs no token.
 */
import { get as getHttp, type RequestOptions } from "node:http";
import { get as getHttps } from "node:https";
import { type Command, InvalidArgumentError, Option } from "commander";
import { systemClock } from "ground-station-failover";
import { type ControlAddress, controlUrl, strange } from "./adapters/control/control-address.ts";
import { EXIT, UserError } from "./adapters/process/exit-codes.ts";
import { visible } from "./adapters/telemetry/visible.ts";

interface IsActiveOptions extends ControlAddress {
  readonly timeout: number;
  readonly json: boolean;
}

/** Shorter than the interval at which such scripts are usually run. */
const TIMEOUT_S = 1;
const MAX_TIMEOUT_S = 60;

export function registerIsActiveCommand(program: Command): void {
  program
    .command("is-active")
    .description("say with the exit code whether a station serves, for keepalived and other scripts")
    .argument("<group>", "the group")
    .argument("<station>", "the station")
    .addOption(
      new Option("--control <url>", "the gateway's control listener")
        .argParser(controlUrl)
        .default(new URL("http://127.0.0.1:7070"), "http://127.0.0.1:7070"),
    )
    .addOption(
      new Option("--timeout <seconds>", "how long to wait for the answer, 0.1 to 60")
        .argParser(secondsIn)
        .default(TIMEOUT_S),
    )
    .option("--json", "answer in JSON", false)
    .addHelpText(
      "after",
      `
Exit code 0: it is the active station and may be sent traffic. 1: it is not. 2: there is no such group or station.
5: no gateway answered in time, so nothing is known. No token is needed.

Example:
  $ gsf is-active atlantic primary && echo "this machine serves"`,
    )
    .action(isActive);
}

async function isActive(group: string, station: string, options: IsActiveOptions): Promise<void> {
  const { control, timeout } = options;
  const path = `/v1/groups/${encodeURIComponent(group)}/stations/${encodeURIComponent(station)}/active`;
  const status = await statusAt(new URL(path, control), timeout * 1_000);
  if (status === 404) throw new UserError("usage", `the gateway has no station "${station}" in a group "${group}"`);
  if (status !== 200 && status !== 503) throw strange(control);
  const active = status === 200;
  const sentence = `${visible(group)}/${visible(station)} is ${active ? "active" : "not active"}`;
  process.stdout.write(`${options.json ? JSON.stringify({ group, station, active }) : sentence}\n`);
  process.exitCode = active ? EXIT.ok : EXIT.promiseBroken;
}

/** The status of the answer from `at`. The timeout covers everything, also looking up the name. */
function statusAt(at: URL, withinMs: number): Promise<number> {
  const stop = new AbortController();
  const options: RequestOptions = { agent: false, signal: stop.signal };
  const timer = systemClock.at(systemClock.nowMs() + withinMs, () => stop.abort());
  const status = new Promise<number>((resolve, reject) => {
    const asked = (at.protocol === "https:" ? getHttps : getHttp)(at, options, (answer) => {
      resolve(answer.statusCode ?? 0);
      answer.destroy();
    });
    asked.on("error", (error) => {
      const reason = error.name === "AbortError" ? `nothing within ${withinMs / 1_000} s` : error.message;
      reject(new UserError("unreachable", `no answer from ${at.origin}: ${reason}; is the gateway running?`));
    });
  });
  return status.finally(() => timer[Symbol.dispose]());
}

function secondsIn(text: string): number {
  const seconds = Number(text);
  if (/^\d{1,2}(\.\d{1,3})?$/.test(text) && seconds >= 0.1 && seconds <= MAX_TIMEOUT_S) return seconds;
  throw new InvalidArgumentError(`allowed are 0.1 to ${MAX_TIMEOUT_S} seconds.`);
}
