/**
 * `gsf proxy`: the fault proxy as a program. It serves Toxiproxy's API until it is asked to stop; a
 * client of Toxiproxy in any language drives it. What it cannot do at its start (listen, read its
 * list of proxies) ends it with a sentence and an exit code.
 */
import { randomInt } from "node:crypto";
import { openSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { type Command, InvalidArgumentError } from "commander";
import { seededRandom, systemClock } from "ground-station-failover";
import { isLoopback } from "../adapters/process/addresses.ts";
import { readAtMost } from "../adapters/process/bounded-file.ts";
import { UserError } from "../adapters/process/exit-codes.ts";
import { listening, shownAddress } from "../adapters/process/listening.ts";
import { stopAsked } from "../adapters/process/process-life.ts";
import { type Log, processLog } from "../adapters/telemetry/log.ts";
import { LogOutput } from "../adapters/telemetry/log-output.ts";
import { EventLog } from "./event-log.ts";
import { proxyApiServer } from "./proxy-api.ts";
import { PopulateError, ProxyList } from "./proxy-list.ts";
import { ProxyMetrics } from "./proxy-metrics.ts";
import { firstJson } from "./request-fields.ts";
import { CertificateAuthority } from "./tls/certificates.ts";

interface CommandOptions {
  readonly host: string;
  readonly port: number;
  readonly config?: string;
  readonly seed?: number;
  readonly metrics?: true;
  readonly events?: string;
  readonly json: boolean;
}

const MAX_CONFIG_BYTES = 4 * 1_024 ** 2;
const MAX_SEED = 2 ** 32;

/** Registers `gsf proxy`. */
export function registerProxyCommand(program: Command): void {
  program
    .command("proxy")
    .description("a fault proxy that clients of Toxiproxy drive")
    .option("--host <address>", "where the control API listens", "127.0.0.1")
    .option("--port <number>", "its port; 0 takes any free one", wholeNumberTo(65_535), 8474)
    .option("--config <file>", "proxies to begin with: JSON, as for POST /populate")
    .option("--seed <number>", "makes toxicity, jitter and the like repeatable", wholeNumberTo(MAX_SEED))
    .option("--metrics", "answer GET /metrics, for Prometheus")
    .option("--events <file>", "append what is injected to which connection, as JSON lines; - is standard output")
    .option("--json", "log, and say that it is ready, in JSON", false)
    .addHelpText(
      "after",
      `
The control API is not protected. Other machines reach it only if --host says so; a proxy listens where its client asks.

Examples:
  $ gsf proxy
  $ curl -d '{"name":"web","listen":"127.0.0.1:8001","upstream":"127.0.0.1:8000"}' 127.0.0.1:8474/proxies
  $ curl -d '{"type":"latency","attributes":{"latency":500}}' 127.0.0.1:8474/proxies/web/toxics`,
    )
    .action(runProxy);
}

async function runProxy(options: CommandOptions): Promise<void> {
  const { log } = processLog(undefined, options.json);
  const seed = options.seed ?? randomInt(MAX_SEED);
  const events = new EventLog({ write: eventWriter(options.events) });
  const authority = new CertificateAuthority();
  const proxies = new ProxyList({
    clock: systemClock,
    authority,
    random: seededRandom(seed),
    events,
    onExposed: (proxy, listen) => log.warn({ proxy, listen }, "other machines can reach this proxy"),
  });
  if (options.config !== undefined) await populateFrom(options.config, proxies);
  const metrics = options.metrics === true ? new ProxyMetrics(() => proxies.all) : undefined;
  const server = proxyApiServer({ proxies, events, authority, clock: systemClock, metrics });
  const at = { host: options.host, port: options.port };
  const opened = listening("the control API", at, async () => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once("error", reject);
    server.listen(at, resolve);
    await promise;
    server.off("error", reject);
  });
  await opened.catch(async (error: unknown) => {
    await proxies.close();
    throw error;
  });
  const { address: host, port } = server.address() as AddressInfo;
  if (!isLoopback(host)) warnOpen(log, host);
  stopAsked(log).then(async () => {
    server.close();
    server.closeAllConnections();
    await proxies.close();
    process.exit(0);
  });
  const ready = { ready: true, pid: process.pid, listen: `http://${shownAddress({ host, port })}`, seed };
  LogOutput.standardOutput().write(
    options.json
      ? `${JSON.stringify({ ...ready, proxies: proxies.all.length })}\n`
      : `gsf proxy listening on http://${shownAddress({ host, port })}, ${proxies.all.length} proxies, seed ${seed}\n`,
  );
}

function warnOpen(log: Log, host: string): void {
  log.warn({ host }, "other machines can reach the control API, and it asks nobody who they are");
}

function eventWriter(path: string | undefined): ((line: string) => void) | undefined {
  if (path === undefined) return undefined;
  if (path === "-") {
    const output = LogOutput.standardOutput();
    return (line) => output.write(line);
  }
  try {
    const output = new LogOutput(openSync(path, "a"));
    return (line) => output.write(line);
  } catch (error) {
    throw new UserError("usage", `--events ${path}: ${(error as Error).message}`);
  }
}

/** Makes the proxies of a file. Throws a `UserError` with what is wrong in it. */
async function populateFrom(path: string, proxies: ProxyList): Promise<void> {
  const wrong = (why: string): UserError => new UserError("configuration", `--config ${path}: ${why}`);
  let text: string;
  try {
    const bytes = readAtMost(path, MAX_CONFIG_BYTES);
    if (bytes === undefined) throw new Error(`it is larger than ${MAX_CONFIG_BYTES} bytes`);
    text = bytes.toString("utf8");
  } catch (error) {
    throw wrong((error as Error).message);
  }
  try {
    await proxies.populate(firstJson(text));
  } catch (error) {
    await proxies.close();
    const cause = error instanceof PopulateError ? error.cause : error;
    throw wrong(cause instanceof Error ? cause.message : String(cause));
  }
}

function wholeNumberTo(max: number): (text: string) => number {
  return (text) => {
    const number = Number(text);
    if (!/^\d{1,10}$/.test(text) || number > max)
      throw new InvalidArgumentError(`It must be a whole number from 0 to ${max}.`);
    return number;
  };
}
