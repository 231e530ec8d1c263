/**
 * `gsf station`: sends heartbeats for a service while the service lives, so that a gateway knows
 * that it is alive. With an option it also relays commands to the service. It runs beside the
 * service that it represents. If a parent process (a demo, a drill) started it, that parent may set
 * a fault in it, and the station ends when the parent is gone. If it was started from a shell, it
 * ends on SIGINT or SIGTERM.
 */
import type { AddressInfo } from "node:net";
import { type Command, InvalidArgumentError, Option } from "commander";
import { systemClock } from "ground-station-failover";
import { HeartbeatSender } from "../adapters/heartbeats/heartbeat-sender.ts";
import {
  addressOf,
  isEverywhere,
  isSameHost,
  listenAddressIn,
  mayBeLoopback,
  serviceUrlIn,
  targetAddressIn,
} from "../adapters/process/addresses.ts";
import { UserError } from "../adapters/process/exit-codes.ts";
import { listening, shownAddress } from "../adapters/process/listening.ts";
import { stopAsked } from "../adapters/process/process-life.ts";
import {
  MAX_SECRETS,
  MIN_SECRET_BYTES,
  openTo,
  readSecretFile,
  secretIn,
  watchSecretFiles,
} from "../adapters/process/secret-file.ts";
import { type Log, processLog } from "../adapters/telemetry/log.ts";
import { LogOutput } from "../adapters/telemetry/log-output.ts";
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
  readonly secretFile: readonly string[];
  readonly interval: number;
  readonly check?: URL;
  readonly checkInterval: number;
  readonly checkTimeout: number;
  readonly json: boolean;
}

export function registerStationCommand(program: Command): void {
  program
    .command("station")
    .description("beat for a service, and relay commands to it")
    .requiredOption("--name <name>", "the station's name in the gateway's configuration")
    .requiredOption("--group <name>", "the group it belongs to")
    .requiredOption("--listen <host:port>", "where to answer GET /healthz, and to take commands", listenIn)
    .option("--relay-to <url>", "carry commands on to this HTTP service", urlIn)
    .requiredOption("--heartbeat-to <host:port>", "where the gateway takes heartbeats", targetIn)
    .requiredOption(
      "--secret-file <path>",
      "the file with the secret that signs heartbeats; given again: secrets that the gateway may sign with, too",
      (path: string, before: readonly string[] = []) => [...before, path],
    )
    .addOption(
      new Option("--interval <duration>", "time between two heartbeats").argParser(durationOf).default(50, "50ms"),
    )
    .option("--check <url>", "beat only while this page of the service answers 2xx or 3xx", urlIn)
    .addOption(
      new Option("--check-interval <duration>", "time between two checks").argParser(durationOf).default(200, "200ms"),
    )
    .addOption(
      new Option("--check-timeout <duration>", "how long a check may take").argParser(durationOf).default(1_000, "1s"),
    )
    .option("--json", "log, and say that it is ready, in JSON", false)
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
  refuseItself(options);
  const secrets = secretsIn(options.secretFile);
  const arrivals = new ArrivalClock(systemClock);
  const faults = new RelayFaults(name, systemClock);
  const relay = new StationRelay({ group, name, secrets, relayTo, clock: systemClock, arrivals, faults });
  const port = await listening(`station ${name}`, listen, () => listenOn(relay.server, listen)).catch(
    (error: unknown) => {
      // Otherwise its timer would keep the process running.
      arrivals[Symbol.dispose]();
      throw error;
    },
  );
  const beats = new HeartbeatSender({
    group,
    station: name,
    secrets,
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
  const { log } = processLog(undefined, options.json);
  for (const warning of options.secretFile.map(openTo)) if (warning !== undefined) log.warn(warning);
  followSecrets(options.secretFile, [beats, relay], log);
  stopAsked(log).then(stop);
  obeyParent(faults);
  beatWhileServiceLives(options, beats, log, checking.signal);
  const onwards = relayTo === undefined ? "" : `, relaying to ${relayTo.href}`;
  const at = { host: listen.host, port };
  const ready = { ready: true, pid: process.pid, listen: `http://${shownAddress(at)}`, relayTo: relayTo?.href ?? null };
  LogOutput.standardOutput().write(
    options.json
      ? `${JSON.stringify(ready)}\n`
      : `gsf station ${name} listening on http://${shownAddress(at)}, beating every ${interval} ms to ${shownAddress(heartbeatTo)}${onwards}\n`,
  );
}

/** Sends heartbeats while the check passes; without a check, from now on. */
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

/** Lets a parent process set faults over its channel. */
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
  "there is no such file; it holds the same secret as the gateway's heartbeats.secretFile (a new one: umask 077; openssl rand -hex 32)";

function secretsIn(paths: readonly string[]): Uint8Array[] {
  if (paths.length > MAX_SECRETS)
    throw new UserError("usage", `--secret-file is given ${paths.length} times; allowed are at most ${MAX_SECRETS}`);
  return paths.map((path) => {
    let secret: Buffer;
    try {
      secret = secretIn(readSecretFile(path));
    } catch (error) {
      const isMissing = (error as NodeJS.ErrnoException).code === "ENOENT";
      const reason = isMissing ? MISSING_SECRET : (error as Error).message;
      throw new UserError("configuration", `--secret-file ${path}: ${reason}`);
    }
    if (secret.length >= MIN_SECRET_BYTES) return secret;
    const { length } = secret;
    throw new UserError(
      "configuration",
      `--secret-file ${path}: it has ${length} bytes; allowed are at least ${MIN_SECRET_BYTES}`,
    );
  });
}

/**
 * Signs and verifies with the secrets in the files, also after the files change. Heartbeats
 * continue meanwhile.
 */
function followSecrets(paths: readonly string[], users: readonly (HeartbeatSender | StationRelay)[], log: Log): void {
  watchSecretFiles(paths, () => {
    try {
      const secrets = secretsIn(paths);
      for (const user of users) user.useSecrets(secrets);
      log.info("secrets were read again: the first signs heartbeats from now on");
    } catch (error) {
      log.error(
        { why: (error as Error).message },
        "secrets have changed and cannot be used: those of before stay in use",
      );
    }
  });
}

function listenIn(text: string): ListenSettings {
  const address = listenAddressIn(text);
  if (address !== undefined) return address;
  throw new InvalidArgumentError("allowed is host:port, for example 127.0.0.1:9001 (port 0 takes any free one).");
}

function targetIn(text: string): ListenSettings {
  const target = targetAddressIn(text);
  if (target !== undefined) return target;
  throw new InvalidArgumentError(
    "allowed is host:port of the gateway's heartbeats.listen, port 1 to 65535, for example 10.0.0.1:7071.",
  );
}

function urlIn(text: string): URL {
  const url = serviceUrlIn(text);
  if (url !== undefined) return url;
  throw new InvalidArgumentError("allowed is the address of a service, for example http://127.0.0.1:8080.");
}

/** A relay that forwards to itself would pass each command round until its deadline. */
function refuseItself({ listen, relayTo }: StationOptions): void {
  if (relayTo === undefined) return;
  const { host, port } = addressOf(relayTo);
  const isOwn = isSameHost(host, listen.host) || (isEverywhere(listen.host) && mayBeLoopback(host));
  if (port === listen.port && isOwn)
    throw new UserError(
      "usage",
      `--relay-to ${relayTo.href} is --listen ${shownAddress(listen)}: it would relay to itself`,
    );
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
