/**
 * `gsf run`, `gsf check-config` and `gsf config-schema`: run a gateway from a configuration file
 * until a signal ends it; report what is wrong with a file; print the schema of a file. One line on
 * standard output says that all listeners are open, so that the process that started the gateway
 * can wait for it. The log goes to standard error. This file has no logic of its own.
 */
import { type Command, Option } from "commander";
import { EXIT } from "./adapters/process/exit-codes.ts";
import { InheritedSockets } from "./adapters/process/inherited-sockets.ts";
import { shownAddress } from "./adapters/process/listening.ts";
import { stopAsked } from "./adapters/process/process-life.ts";
import { watchSecretFiles } from "./adapters/process/secret-file.ts";
import { ServiceManager } from "./adapters/process/service-manager.ts";
import { LOG_LEVELS, type Log, type LogLevel, processLog } from "./adapters/telemetry/log.ts";
import { LogOutput } from "./adapters/telemetry/log-output.ts";
import { visible } from "./adapters/telemetry/visible.ts";
import { type LoadedConfiguration, loadConfiguration, readText } from "./config/config.ts";
import { effectiveFields } from "./config/effective.ts";
import { configurationJsonSchema } from "./config/json-schema.ts";
import { ConfigurationProblems } from "./config/problems.ts";
import { Reloader } from "./config/reloader.ts";
import { type RunningGateway, runGateway } from "./main.ts";

interface RunOptions {
  readonly config: string;
  readonly json: boolean;
  readonly logLevel: LogLevel;
}

export function registerRunCommands(program: Command): void {
  program
    .command("run")
    .description("run the gateway until SIGTERM or SIGINT")
    .requiredOption("-c, --config <file>", "configuration file (YAML or JSON)")
    .option("--json", "log, and say that it is ready, in JSON", false)
    .addOption(new Option("--log-level <level>", "what is worth a line").choices(LOG_LEVELS).default("info"))
    .addHelpText(
      "after",
      `
Prints one line on standard output when everything listens; logs to standard error, as JSON unless it is a terminal.
After SIGTERM, /readyz says 503 and commands are still accepted for \`drainDelay\`. Then, or after SIGINT at once,
commands in flight may finish (at most \`drain\`). A second signal stops at once. SIGHUP reads the file again, as
\`gsf reload\` does: a file with a mistake is refused, and the settings in force stay.

Example:
  $ gsf run --config fleet.yaml`,
    )
    .action(run);
  program
    .command("check-config")
    .description("say what is wrong with a configuration file, without running it")
    .argument("<file>", "configuration file")
    .option("--json", "answer in JSON", false)
    .addHelpText("after", "\nExample:\n  $ gsf check-config fleet.yaml")
    .action(checkConfig);
  program
    .command("config")
    .description("print the configuration that is in effect: every value, and where it comes from")
    .argument("<file>", "configuration file")
    .option("--effective", "defaults too, which is what it prints in any case", true)
    .option("--json", "answer in JSON", false)
    .addHelpText(
      "after",
      `
A value comes from a line of the file, from a fixed default, or from a default that follows from other fields. Secrets are
never shown; the values of header fields are not, either.

Examples:
  $ gsf config --effective fleet.yaml
  $ gsf config --effective fleet.yaml --json | jq '.fields[] | select(.source == "file")'`,
    )
    .action(showConfig);
  program
    .command("config-schema")
    .description("print the JSON Schema of configuration files, for editors that know YAML")
    .option("--json", "the schema is JSON in any case", false)
    .addHelpText(
      "after",
      `
Example:
  $ gsf config-schema > fleet.schema.json

The first line of fleet.yaml names it then:
  # yaml-language-server: $schema=./fleet.schema.json`,
    )
    .action(() => {
      process.stdout.write(`${JSON.stringify(configurationJsonSchema(), null, 1)}\n`);
    });
}

async function run({ config, json, logLevel }: RunOptions): Promise<void> {
  const loaded = loadConfiguration(config, process.env);
  const { log, lost, output } = processLog(logLevel, json);
  const stdout = LogOutput.standardOutput();
  for (const warning of loaded.warnings) log.warn(warning);
  // After an uncaught error the state is unknown: end the process, so that it can be restarted.
  process.on("uncaughtException", (error) => {
    log.fatal({ err: error }, "this is a fault of ours");
    process.exit(EXIT.internal);
  });
  const manager = new ServiceManager(process.env, log);
  const secrets = new WatchedSecrets(log);
  const follow = async (next: LoadedConfiguration): Promise<void> => {
    gateway.useCertificates(next.certificates.first);
    await gateway.reload({ ...next, controlTokens: next.controlTokens.now });
    secrets.watch(next, gateway);
  };
  const reloader = new Reloader({ path: config, environment: process.env, loaded, log, follow });
  // A signal that comes while the gateway starts is obeyed when it has started.
  const started = Promise.withResolvers<void>();
  const onReload = (): void => {
    void started.promise.then(() => manager.reloading(() => reloader.reload()));
  };
  const asked = stopAsked(log, onReload);
  const inherited = InheritedSockets.of(process.env, process.pid);
  const { controlTokens, certificates, written } = loaded;
  const gateway = await runGateway(loaded.settings, {
    ...{
      log,
      controlTokens: controlTokens.now,
      inherited,
      written,
      certificates: certificates.first,
      lostLogLines: () => lost() + stdout.dropped,
      streams: { stderr: output, stdout },
    },
    configuration: reloader,
  });
  for (const at of inherited?.unused ?? [])
    log.warn({ address: shownAddress(at) }, "a socket was passed to this process, and no listener has its address");
  secrets.watch(loaded, gateway);
  watchSecretFiles(certificates.files, () => {
    try {
      gateway.useCertificates(certificates.read());
      log.info("certificates were read again: new connections use them");
    } catch (error) {
      log.error(
        { why: (error as Error).message },
        "certificates have changed and cannot be used: those of before stay in use",
      );
    }
  });
  stdout.write(`${json ? readyJson(gateway) : readyLine(gateway)}\n`);
  manager.ready();
  started.resolve();
  const asker = await Promise.race([asked, gateway.stopped]);
  manager.stopping();
  const { drainDelayMs, drainMs } = gateway.settings;
  // A person does not want to wait. If the parent is gone, its load balancer is gone, too.
  if (asker === "supervisor" && drainDelayMs > 0) {
    log.info({ drainDelayMs }, "stopping: /readyz says so, and commands are still accepted for a while");
    await gateway.announceStop(drainDelayMs);
  }
  log.info({ drainMs }, "stopping: commands in flight may finish");
  await gateway.stop();
  log.info("stopped");
}

/** Reads the secrets of heartbeats, and control tokens, again when their files change. */
class WatchedSecrets {
  readonly #log: Log;
  #watch: Disposable | undefined = undefined;
  #tokens: Disposable | undefined = undefined;

  constructor(log: Log) {
    this.#log = log;
  }

  watch({ heartbeatSecrets, controlTokens }: LoadedConfiguration, gateway: RunningGateway): void {
    this.#watch?.[Symbol.dispose]();
    this.#tokens?.[Symbol.dispose]();
    this.#tokens = watchSecretFiles(controlTokens.files, () => {
      try {
        gateway.useControlTokens(controlTokens.read());
        this.#log.info("control tokens were read again: those are valid now");
      } catch (error) {
        this.#log.error(
          { why: (error as Error).message },
          "control tokens have changed and cannot be used: those of before stay valid",
        );
      }
    });
    this.#watch = watchSecretFiles(heartbeatSecrets.files, () => {
      try {
        gateway.useHeartbeatSecrets(heartbeatSecrets.read());
        this.#log.info("secrets of heartbeats were read again: those are valid now");
      } catch (error) {
        this.#log.error(
          { why: (error as Error).message },
          "secrets of heartbeats have changed and cannot be used: those of before stay valid",
        );
      }
    });
  }
}

function readyJson({ addresses, protocols }: RunningGateway): string {
  const { control, groups, heartbeats } = addresses;
  return JSON.stringify({
    ready: true,
    pid: process.pid,
    control: `${protocols.control}://${shownAddress(control)}`,
    groups: Object.fromEntries(
      Object.entries(groups).map(([name, at]) => [
        name,
        { address: `${protocols.groups[name]}://${shownAddress(at)}` },
      ]),
    ),
    heartbeats: heartbeats === undefined ? null : shownAddress(heartbeats),
  });
}

/** If there are more groups, they are only counted, because the output is one line. */
const GROUPS_SHOWN = 5;

function readyLine({ addresses, protocols }: RunningGateway): string {
  const groups = Object.entries(addresses.groups);
  const shown = groups
    .slice(0, GROUPS_SHOWN)
    .map(([name, at]) => `${name} listening on ${protocols.groups[name]}://${shownAddress(at)}`);
  if (groups.length > GROUPS_SHOWN) shown.push(`and ${groups.length - GROUPS_SHOWN} more groups`);
  shown.push(`control on ${protocols.control}://${shownAddress(addresses.control)}`);
  if (addresses.heartbeats !== undefined) shown.push(`heartbeats on ${shownAddress(addresses.heartbeats)}`);
  return `gsf ready  ${shown.join("  ")}`;
}

function showConfig(file: string, { json }: { readonly json: boolean }): void {
  const { settings } = loadConfiguration(file, process.env);
  const fields = effectiveFields(readText(file), file, settings.groups);
  if (json) return void process.stdout.write(`${JSON.stringify({ file, fields })}\n`);
  const rows = fields.map(({ field, value, source, line, note }): readonly [string, string] => {
    const from = { file: `${file}:${line}`, default: "default", derived: `default: ${note}`, unset: `unset: ${note}` };
    return [
      `${field}: ${value === undefined ? "-" : typeof value === "string" ? value : JSON.stringify(value)}`,
      from[source],
    ];
  });
  const width = Math.min(60, Math.max(...rows.map(([shown]) => shown.length)));
  for (const [shown, from] of rows) process.stdout.write(`${visible(`${shown.padEnd(width)}  # ${from}`)}\n`);
}

function checkConfig(file: string, { json }: { readonly json: boolean }): void {
  try {
    const { settings, warnings } = loadConfiguration(file, process.env);
    const stations = settings.groups.reduce((sum, group) => sum + group.stations.length, 0);
    const found = { valid: true, groups: settings.groups.length, stations, warnings };
    const counted = `${found.groups} ${found.groups === 1 ? "group" : "groups"}, ${stations} stations`;
    process.stdout.write(json ? `${JSON.stringify(found)}\n` : `${visible(file)} is valid: ${counted}\n`);
    if (!json) for (const warning of warnings) process.stderr.write(`gsf: ${visible(warning)}\n`);
  } catch (error) {
    if (!json || !(error instanceof ConfigurationProblems)) throw error;
    process.stdout.write(`${JSON.stringify({ valid: false, problems: error.problems })}\n`);
    process.exitCode = EXIT.configuration;
  }
}
