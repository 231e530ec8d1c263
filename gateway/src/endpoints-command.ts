/**
 * `gsf endpoints`: writes which station of a group serves into a file that another data plane
 * reads: the endpoints of an Envoy cluster (EDS), or the servers of an nginx upstream. A file
 * outlives the gateway: while no gateway answers, it stays as it is, and traffic with it. Each
 * version replaces the one before by a rename, so that no reader sees half of it.
 *
 * The form for Envoy is `envoy.service.discovery.v3.DiscoveryResponse` with one
 * `ClusterLoadAssignment`, as a file of `path_config_source` holds it. Only the serving station is
 * listed: with idle ones listed as unhealthy, Envoy would use them too when more than half are
 * (panic threshold).
 */
import { spawn } from "node:child_process";
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { isIP } from "node:net";
import { type Command, InvalidArgumentError, Option } from "commander";
import { systemClock } from "ground-station-failover";
import { strange } from "./adapters/control/control-address.ts";
import { askControl, type ControlFlags, withControl } from "./adapters/control/control-request.ts";
import { addressOf, targetAddressIn } from "./adapters/process/addresses.ts";
import { EXIT, UserError } from "./adapters/process/exit-codes.ts";
import { shownAddress } from "./adapters/process/listening.ts";
import { visible } from "./adapters/telemetry/visible.ts";
import type { ListenSettings } from "./fleet/settings.ts";

const FORMATS = ["envoy", "nginx"] as const;
type Format = (typeof FORMATS)[number];

interface EndpointsOptions extends ControlFlags {
  readonly format: Format;
  readonly file?: string;
  readonly follow: boolean;
  readonly every: number;
  readonly address: ReadonlyMap<string, ListenSettings>;
  readonly run?: string;
}

interface StationSeen {
  readonly name: string;
  readonly url: string;
}
interface GroupSeen {
  readonly stations: readonly StationSeen[];
}

const EVERY_S = 0.5;

export function registerEndpointsCommand(program: Command): void {
  withControl(program.command("endpoints"))
    .description("write which station serves to a file that Envoy or nginx reads")
    .argument("<group>", "the group")
    .addOption(new Option("--format <format>", "for whom").choices(FORMATS).makeOptionMandatory())
    .option("--file <path>", "the file to replace whenever another station serves (default: print once)")
    .option("--follow", "go on until stopped", false)
    .addOption(
      new Option("--every <seconds>", "how often to ask, 0.1 to 60, with --follow")
        .argParser(secondsIn)
        .default(EVERY_S),
    )
    .addOption(
      new Option(
        "--address <station=host:port>",
        "where the data plane reaches a station, if not at its url; may be repeated",
      )
        .argParser(addressIn)
        .default(new Map(), "the url of each station"),
    )
    .option("--run <command>", "a shell command to run after each change of the file, such as a reload")
    .addHelpText(
      "after",
      `
The cluster of Envoy has the name of the group. If no station may be sent traffic, the file names none. While no gateway
answers, the file stays as it is.

Examples:
  $ gsf endpoints atlantic --format envoy --file /etc/envoy/atlantic.json --follow
  $ gsf endpoints atlantic --format nginx --file /etc/nginx/atlantic.servers --follow --run "nginx -s reload"
  $ gsf endpoints atlantic --format nginx --address primary=10.0.0.5:5432 --address backup=10.0.0.6:5432`,
    )
    .action(endpoints);
}

async function endpoints(group: string, options: EndpointsOptions): Promise<void> {
  if (options.follow && options.file === undefined) throw new UserError("usage", "--follow needs --file");
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.on(signal, () => {
      if (stop.signal.aborted) process.exit(EXIT[signal === "SIGINT" ? "interrupted" : "terminated"]);
      stop.abort();
    });
  let written = options.file === undefined ? undefined : textIn(options.file);
  let isGone = false;
  while (!stop.signal.aborted) {
    try {
      const text = await endpointsText(group, options);
      if (text !== undefined) written = await publish(text, written, options);
      if (isGone) process.stderr.write("gsf: the gateway answers again\n");
      isGone = false;
    } catch (error) {
      if (!options.follow || !(error instanceof UserError) || error.ending !== "unreachable") throw error;
      if (!isGone) process.stderr.write(`gsf: ${error.shown}; the file stays as it is\n`);
      isGone = true;
    }
    if (!options.follow) return;
    await systemClock.sleepUntil(systemClock.nowMs() + options.every * 1_000, stop.signal).catch(() => undefined);
  }
}

/** Undefined while the answer is in between: the file is not changed then. */
async function endpointsText(group: string, options: EndpointsOptions): Promise<string | undefined> {
  const { groups } = (await askControl(options, "GET", "/v1/status")) as { groups?: Record<string, GroupSeen> };
  if (groups === undefined) throw strange(options.control);
  const found = Object.hasOwn(groups, group) ? groups[group] : undefined;
  if (found === undefined)
    throw new UserError(
      "usage",
      `there is no group "${group}"; there are ${Object.keys(groups).slice(0, 20).join(", ")}`,
    );
  const names = found.stations.map(({ name }) => name);
  const stranger = [...options.address.keys()].find((name) => !names.includes(name));
  if (stranger !== undefined)
    throw new UserError("usage", `--address: there is no station "${stranger}"; there are ${names.join(", ")}`);
  const states = await Promise.all(names.map((name) => stateOf(group, name, options)));
  const serving = found.stations.filter((_, place) => states[place] === true);
  // The role moved between two answers.
  if (serving.length > 1) return undefined;
  const at = ({ name, url }: StationSeen): ListenSettings => options.address.get(name) ?? addressOf(new URL(url));
  const [one] = serving;
  return options.format === "envoy"
    ? envoyText(group, one && at(one))
    : nginxText(found.stations.map((station) => ({ name: station.name, ...at(station), isServing: station === one })));
}

async function stateOf(group: string, station: string, options: EndpointsOptions): Promise<boolean> {
  const path = `/v1/groups/${encodeURIComponent(group)}/stations/${encodeURIComponent(station)}/active`;
  try {
    await askControl(options, "GET", path);
    return true;
  } catch (error) {
    if (error instanceof UserError && error.ending === "promiseBroken") return false;
    throw error;
  }
}

/** The file that Envoy reads for the cluster `name`. */
export function envoyText(name: string, serving: ListenSettings | undefined): string {
  if (serving !== undefined && isIP(serving.host) === 0)
    throw new UserError(
      "usage",
      `Envoy takes addresses, not names, for endpoints: give --address <station>=<address>:${serving.port} in place of ${serving.host}`,
    );
  const address = serving && { socket_address: { address: serving.host, port_value: serving.port } };
  const endpoint = address && { endpoint: { address }, health_status: "HEALTHY" };
  const resource = {
    "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
    cluster_name: name,
    endpoints: endpoint === undefined ? [] : [{ lb_endpoints: [endpoint] }],
  };
  // The version is of no use to Envoy in a file; people see by it what changed.
  const version = serving === undefined ? "none" : shownAddress(serving);
  return `${JSON.stringify({ version_info: version, resources: [resource] }, null, 1)}\n`;
}

/** Lines for the `upstream` block of nginx, which must name a server even if none serves. */
export function nginxText(
  servers: readonly (ListenSettings & { readonly name: string; readonly isServing: boolean })[],
): string {
  const lines = servers.map((at) => `server ${shownAddress(at)}${at.isServing ? "" : " down"}; # ${at.name}`);
  return `${lines.join("\n")}\n`;
}

/** Returns what is in the file then. */
async function publish(text: string, before: string | undefined, { file, run }: EndpointsOptions): Promise<string> {
  if (file === undefined) {
    process.stdout.write(text);
    return text;
  }
  if (text === before) return before;
  try {
    replace(file, text);
  } catch (error) {
    throw new UserError("promiseBroken", `cannot write ${file}: ${(error as Error).message}`);
  }
  if (run !== undefined) await runCommand(run);
  return text;
}

function replace(file: string, text: string): void {
  const beside = `${file}.${process.pid}.new`;
  const opened = openSync(beside, "w", 0o644);
  try {
    writeSync(opened, text);
    fsyncSync(opened);
  } finally {
    closeSync(opened);
  }
  renameSync(beside, file);
}

/** Its failure is told, and ends nothing: the file is right, and the next change runs it again. */
function runCommand(command: string): Promise<void> {
  return new Promise((resolve) => {
    const child = spawn("sh", ["-c", command], { stdio: ["ignore", "inherit", "inherit"] });
    child.once("error", (error) => told(error.message));
    child.once("close", (code, signal) => (code === 0 ? resolve() : told(`it ended with ${signal ?? code}`)));
    function told(reason: string): void {
      process.stderr.write(`gsf: --run ${visible(command)}: ${visible(reason)}\n`);
      resolve();
    }
  });
}

function textIn(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}

function secondsIn(text: string): number {
  const seconds = Number(text);
  if (/^\d{1,2}(\.\d{1,3})?$/.test(text) && seconds >= 0.1 && seconds <= 60) return seconds;
  throw new InvalidArgumentError("allowed are 0.1 to 60 seconds.");
}

function addressIn(text: string, before: ReadonlyMap<string, ListenSettings>): ReadonlyMap<string, ListenSettings> {
  const [, station, at] = /^([^=]+)=(.+)$/.exec(text) ?? [];
  const address = at === undefined ? undefined : targetAddressIn(at);
  if (station !== undefined && address !== undefined) return new Map([...before, [station, address]]);
  throw new InvalidArgumentError("allowed is station=host:port, such as primary=10.0.0.5:5432.");
}
