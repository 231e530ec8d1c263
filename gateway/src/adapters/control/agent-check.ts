/**
 * The listener for HAProxy's agent checks: HAProxy connects, sends `group/station` and a line break
 * (its option `agent-send`), and gets one line of words that set the state of its server. One port
 * serves all stations. The words are those of HAProxy 2.6's configuration manual, option
 * `agent-check`, as HAProxy was seen to take them.
 *
 * An agent that cannot be reached, or that answers with an empty line, changes nothing at HAProxy.
 * So a gateway that is gone leaves traffic where it was, and one that has just started and has
 * heard no station yet says nothing. The protocol has no authentication; an answer tells one word
 * about a station whose names the asker knows.
 */
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { type Clock, systemClock } from "ground-station-failover";
import type { ListenSettings } from "../../fleet/settings.ts";
import { type DutyGroup, dutyOf, type StationDuty } from "../../fleet/station-duty.ts";
import type { Log } from "../telemetry/log.ts";

export interface AgentCheckOptions {
  readonly listen: ListenSettings;
  readonly groups: ReadonlyMap<string, DutyGroup>;
  readonly log: Log;
  /** Default: the system clock. */
  readonly clock?: Clock;
  /** Most connections at once; above that, the oldest one is closed. Default 256. */
  readonly maxConnections?: number;
}

export interface AgentCheckListener extends AsyncDisposable {
  readonly address: ListenSettings;
}

/** A check takes a round trip; HAProxies with a thousand servers each have fewer than this open. */
const MAX_CONNECTIONS = 256;
/** From connecting to the last byte of the answer, in ms. HAProxy usually waits no longer. */
const WITHIN_MS = 2_000;
/** Two names of 63 characters, and what is between and after them. */
const MAX_BYTES = 192;

/**
 * Each answer says both things that HAProxy remembers apart, operation (up, down) and
 * administration (ready, drain, maint), so that no earlier answer lingers. `drain` lets sessions
 * that are open at the old station end; `down` may cut them (`on-marked-down shutdown-sessions`).
 */
const WORDS: Readonly<Record<StationDuty, string>> = {
  serving: "up ready 100%",
  standby: "up drain",
  draining: "up drain",
  maintenance: "maint",
  ineligible: "ready down #not eligible",
  unheard: "",
};
/** Visible in HAProxy's statistics, and safe: a server with a misspelt name gets nothing. */
const UNKNOWN = "ready down #no such group/station; see agent-send";

export async function listenForAgentChecks(options: AgentCheckOptions): Promise<AgentCheckListener> {
  const { listen, log, maxConnections = MAX_CONNECTIONS } = options;
  const open = new Set<Socket>();
  const server: Server = createServer((socket) => {
    open.add(socket);
    socket.once("close", () => open.delete(socket));
    const [oldest] = open;
    if (open.size > maxConnections) oldest?.destroy();
    serve(socket, options);
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(listen, () => {
    server.off("error", reject);
    server.on("error", (error) => log.error({ err: error }, "listener of agent checks failed"));
    resolve();
  });
  await promise;
  const { address: host, port } = server.address() as AddressInfo;
  return {
    address: { host, port },
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((done) => server.close(() => done()));
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}

function serve(socket: Socket, { groups, clock = systemClock }: AgentCheckOptions): void {
  let asked = "";
  const timer = clock.at(clock.nowMs() + WITHIN_MS, () => socket.destroy());
  socket.once("close", () => timer[Symbol.dispose]());
  // A balancer that hangs up is no event.
  socket.on("error", () => undefined);
  socket.setEncoding("latin1");
  const read = (piece: string): void => {
    asked += piece;
    const end = asked.indexOf("\n");
    if (end < 0 && asked.length <= MAX_BYTES) return;
    socket.off("data", read);
    // What else is sent is thrown away, so that closing does not reset the answer.
    socket.resume();
    socket.end(`${agentAnswer(asked.slice(0, Math.max(0, end)), groups)}\n`);
  };
  socket.on("data", read);
}

/** The words for `asked`, which should be `group/station`. */
function agentAnswer(asked: string, groups: ReadonlyMap<string, DutyGroup>): string {
  const [, groupName = "", station = ""] = /^\s*([^\s/]+)\/([^\s/]+)\s*$/.exec(asked) ?? [];
  const group = groups.get(groupName);
  const duty = group && dutyOf(group, station);
  return duty === undefined ? UNKNOWN : WORDS[duty];
}
