/**
 * `gsf station`: beats for a service while that lives, so that a gateway knows that it is alive, and where it is told to,
 * relays commands to it. It runs beside the service it stands for. A parent process that started it (a demo, a drill) may set a fault in
 * it and sees it end when that parent is gone; started from a shell, it ends on SIGINT or SIGTERM.
 */
import { readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { type Command, InvalidArgumentError, Option } from "commander";
import { systemClock } from "ground-station-failover";
import { UserError } from "../adapters/exit-codes.ts";
import { HeartbeatSender } from "../adapters/heartbeat-sender.ts";
import { listening, shownAddress } from "../adapters/listening.ts";
import { type Log, processLog } from "../adapters/log.ts";
import { LogOutput } from "../adapters/log-output.ts";
import { stopAsked } from "../adapters/process-life.ts";
import type { ListenSettings } from "../fleet/settings.ts";
import { ArrivalClock } from "./arrival-clock.ts";
import { StationRelay } from "./relay.ts";
import { RelayFaults, STATION_FAULTS } from "./relay-faults.ts";
import { answers, type Check, ServiceCheck, takesConnections } from "./service-check.ts";

interface StationOptions {
  readonly name: string;
  readonly group: string;
  readonly listen: ListenSettings;
  readonly relayTo?: URL;
  readonly heartbeatTo: ListenSettings;
  readonly secretFile: string;
  readonly interval: number;
  readonly check?: URL;
  readonly checkInterval: number;
  readonly checkTimeout: number;
}

export function registerStationCommand(program: Command): void {
  program
    .command("station")
    .description("beat for a service, and relay commands to it")
    .requiredOption("--name <name>", "the station's name in the gateway's configuration")
    .requiredOption("--group <name>", "the group it belongs to")
    .requiredOption("--listen <host:port>", "where to answer GET /healthz, and to take commands", addressOf)
    .option("--relay-to <url>", "carry commands on to this HTTP service", urlOf)
    .requiredOption("--heartbeat-to <host:port>", "where the gateway takes heartbeats", targetOf)
    .requiredOption("--secret-file <path>", "the file with the secret that signs heartbeats")
    .addOption(
      new Option("--interval <duration>", "time between two heartbeats").argParser(durationOf).default(50, "50ms"),
    )
    .option("--check <url>", "beat only while this page of the service answers 2xx or 3xx", urlOf)
    .addOption(
      new Option("--check-interval <duration>", "time between two checks").argParser(durationOf).default(200, "200ms"),
    )
    .addOption(
      new Option("--check-timeout <duration>", "how long a check may take").argParser(durationOf).default(1_000, "1s"),
    )
    .addHelpText(
      "after",
      `
Without --check, but with --relay-to, it beats only while the service takes connections. Without either, its heartbeats
prove only that this process runs. It logs to standard error when it stops or resumes beating.

Example:
  $ gsf station --group atlantic --name primary --listen 127.0.0.1:9001 --relay-to http://127.0.0.1:9100 \\
      --check http://127.0.0.1:9100/healthz --heartbeat-to 127.0.0.1:7071 --secret-file heartbeat.secret`,
    )
    .action(runStation);
}

async function runStation(options: StationOptions): Promise<void> {
  const { name, group, listen, heartbeatTo, interval, relayTo } = options;
  const secret = secretIn(options.secretFile);
  const arrivals = new ArrivalClock(systemClock);
  const faults = new RelayFaults(name, systemClock);
  const relay = new StationRelay({ name, relayTo, clock: systemClock, arrivals, faults });
  const port = await listening(`station ${name}`, listen, () => listenOn(relay.server, listen)).catch(
    (error: unknown) => {
      // Its timer would keep the process from ending.
      arrivals[Symbol.dispose]();
      throw error;
    },
  );
  const beats = new HeartbeatSender({
    group,
    station: name,
    secret,
    target: heartbeatTo,
    intervalMs: interval,
    epochSeen: () => relay.epochSeen,
    clock: systemClock,
  });
  const checking = new AbortController();
  const stop = once(() => {
    checking.abort();
    beats.stop();
    arrivals[Symbol.dispose]();
    return relay.close().then(() => process.exit(0));
  });
  const { log } = processLog();
  stopAsked(log).then(stop);
  obeyParent(faults);
  beatWhileServiceLives(options, beats, log, checking.signal);
  const onwards = relayTo === undefined ? "" : `, relaying to ${relayTo.href}`;
  LogOutput.standardOutput().write(
    `gsf station ${name} listening on http://${shownAddress({ host: listen.host, port })}, beating every ${interval} ms to ${shownAddress(heartbeatTo)}${onwards}\n`,
  );
}

/** Beats while the check passes; from now on where there is nothing to check. */
function beatWhileServiceLives(options: StationOptions, beats: HeartbeatSender, log: Log, signal: AbortSignal): void {
  const { name, group, check, relayTo, checkInterval, checkTimeout } = options;
  const at = { group, station: name };
  const asked: Check | undefined = check ? answers(check) : relayTo ? takesConnections(relayTo) : undefined;
  if (asked === undefined) {
    log.warn(
      at,
      "heartbeats prove only that this process runs; give --check URL, and they prove that the service lives",
    );
    return beats.start();
  }
  const service = (check ?? (relayTo as URL)).href;
  new ServiceCheck({
    clock: systemClock,
    check: asked,
    intervalMs: checkInterval,
    timeoutMs: checkTimeout,
    onChange: (lives, why) => {
      if (lives) {
        beats.start();
        log.info({ ...at, service }, "the service lives: beating");
      } else {
        beats.stop();
        log.warn({ ...at, service, why }, "the service does not live: not beating until it does");
      }
    },
  }).run(signal);
}

/** A parent process sets faults over its channel. */
function obeyParent(faults: RelayFaults): void {
  if (process.send === undefined) return;
  process.on("message", (message: unknown) => {
    const fault = typeof message === "object" && message !== null && "fault" in message ? message.fault : undefined;
    const known = STATION_FAULTS.find((one) => one === fault);
    if (known !== undefined) faults.set(known);
  });
}

function listenOn(server: StationRelay["server"], { host, port }: ListenSettings): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => resolve((server.address() as AddressInfo).port));
  });
}

const MISSING_SECRET =
  "there is no such file; it holds the same secret as the gateway's heartbeats.secretFile (a new one: openssl rand -hex 32)";

function secretIn(path: string): string {
  let secret: string;
  try {
    secret = readFileSync(path, "utf8").trim();
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === "ENOENT";
    const reason = isMissing ? MISSING_SECRET : (error as Error).message;
    throw new UserError("configuration", `--secret-file ${path}: ${reason}`);
  }
  const bytes = Buffer.byteLength(secret);
  if (bytes >= 16) return secret;
  throw new UserError("configuration", `--secret-file ${path}: it has ${bytes} bytes; allowed are at least 16`);
}

function addressOf(text: string): ListenSettings {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:/]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) {
    throw new InvalidArgumentError("allowed is host:port, for example 127.0.0.1:9001 (port 0 takes any free one).");
  }
  return { host: (match[1] ?? match[2]) as string, port };
}

function targetOf(text: string): ListenSettings {
  const target = addressOf(text);
  if (target.port === 0) throw new InvalidArgumentError("nobody takes heartbeats at port 0; allowed is 1 to 65535.");
  return target;
}

function urlOf(text: string): URL {
  if (!URL.canParse(text) || !/^https?:\/\//i.test(text)) {
    throw new InvalidArgumentError("allowed is the address of a service, for example http://127.0.0.1:8080.");
  }
  return new URL(text);
}

function durationOf(text: string): number {
  const match = /^(\d{1,6}(?:\.\d{1,3})?)(ms|s)?$/.exec(text);
  const ms = Number(match?.[1]) * (match?.[2] === "s" ? 1_000 : 1);
  if (match === null || ms < 5 || ms > 60_000) {
    throw new InvalidArgumentError("allowed is 5ms to 60s, for example 50ms.");
  }
  return ms;
}

function once(run: () => unknown): () => void {
  let ran = false;
  return () => {
    if (!ran) run();
    ran = true;
  };
}
