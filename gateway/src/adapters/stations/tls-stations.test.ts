/**
 * [G6] [F10] Stations with TLS, over real sockets: whom the gateway believes, what it shows, what a
 * failed handshake says, and to whose account it goes.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type ServerOptions } from "node:https";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import type { TLSSocket } from "node:tls";
import { seededRandom, systemClock } from "ground-station-failover";
import { Folder } from "../../../../test/process/gsf-process.ts";
import { groupSettings } from "../../../../test/process/proxy-rig.ts";
import { TestAuthority } from "../../../../test/process/test-authority.ts";
import { failureInWords } from "../../fleet/failure-words.ts";
import { Group } from "../../fleet/group.ts";
import type { GroupSettings } from "../../fleet/settings.ts";
import { type CommandRequest, healthPage, type SendContext } from "../../fleet/uplink.ts";
import type { StationCertificates } from "../tls/certificates.ts";
import { StationTrust } from "../tls/station-trust.ts";
import { httpUplink } from "./http-uplink.ts";

const authority = await TestAuthority.make();
const pair = await authority.issue();
const ca = authority.certificate;
const stranger = await TestAuthority.make();

const get: CommandRequest = { method: "GET", target: "/", headers: [["host", "sat"]], body: { kind: "none" } };
const once1: SendContext = {
  epoch: 1,
  idempotencyKey: undefined,
  timeLeftMs: 20_000,
  signal: new AbortController().signal,
};

class Station implements AsyncDisposable {
  readonly server: ReturnType<typeof createServer>;
  /** Names that were asked for, one for each connection. */
  readonly asked: (string | false)[] = [];
  /** Subjects of the certificates that it was shown. */
  readonly subjects: string[] = [];

  constructor(options: ServerOptions) {
    this.server = createServer(options, (_message, response) => response.end("ok"));
    this.server.on("secureConnection", (socket: TLSSocket) => {
      this.asked.push((socket as TLSSocket & { servername: string | false }).servername);
      this.subjects.push(String(socket.getPeerCertificate()?.subject?.CN));
    });
  }

  static async start(options: ServerOptions = { cert: pair.certificate, key: pair.key }): Promise<Station> {
    const station = new Station(options);
    station.server.listen(0, "127.0.0.1");
    await once(station.server, "listening");
    return station;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.server, "close");
    this.server.close();
    this.server.closeAllConnections();
    await closed;
  }
}

function believing(changes: Partial<StationCertificates> = {}): StationTrust {
  return new StationTrust({
    ca: authority.certificate,
    pair: undefined,
    servername: undefined,
    minVersion: "TLSv1.2",
    ...changes,
  });
}

function uplinkTo(url: string, trust: StationTrust): ReturnType<typeof httpUplink> {
  return httpUplink(groupSettings([1]), { name: "north", url, capacityPerSecond: 1 }, { trust });
}

/** What a probe and a command say. */
async function said(url: string, trust: StationTrust): Promise<[probe: string, command: string]> {
  await using uplink = uplinkTo(url, trust);
  const { signal } = new AbortController();
  const probe = await uplink.probe(healthPage("/"), signal).then((status) => `HTTP ${status}`, failureInWords);
  const command = await uplink.send(get, once1).then(({ status }) => `HTTP ${status}`, failureInWords);
  return [probe, command];
}

test("[G6] an authority of one's own → the station is believed, by name and by address", async () => {
  await using station = await Station.start();
  assert.deepEqual(await said(`https://localhost:${station.port}`, believing()), ["HTTP 200", "HTTP 200"]);
  assert.deepEqual(await said(`https://127.0.0.1:${station.port}`, believing()), ["HTTP 200", "HTTP 200"]);
  assert.deepEqual(station.asked.slice(0, 2), ["localhost", "localhost"]);
  // An address is not sent as a name.
  assert.deepEqual(station.asked.slice(2), [false, false]);
});

test("[G6] a wrong certificate → neither probe nor command, with the reason in words", async () => {
  const expired = await authority.issue({ days: -1 });
  const other = await authority.issue({ names: ["other.example"] });
  const cases = [
    [{ cert: expired.certificate, key: expired.key }, {}, /has expired/],
    [{ cert: other.certificate, key: other.key }, {}, /another host name/],
    [{ cert: pair.certificate, key: pair.key }, { ca: stranger.certificate }, /another authority/],
    [{ cert: pair.certificate, key: pair.key, maxVersion: "TLSv1.2" }, { minVersion: "TLSv1.3" }, /no version of TLS/],
  ] as const;
  for (const [options, trust, words] of cases) {
    await using station = await Station.start(options);
    for (const text of await said(`https://localhost:${station.port}`, believing(trust))) assert.match(text, words);
  }
});

test("[G6] another name is expected → it is asked for and checked", async () => {
  const uplink = await authority.issue({ names: ["uplink.example"] });
  await using station = await Station.start({ cert: uplink.certificate, key: uplink.key });
  const [probe, command] = await said(`https://127.0.0.1:${station.port}`, believing({ servername: "uplink.example" }));
  assert.deepEqual([probe, command], ["HTTP 200", "HTTP 200"]);
  assert.deepEqual(new Set(station.asked), new Set(["uplink.example"]));
});

test("[G6] a station that asks for a certificate → the gateway's own is shown", async () => {
  const ours = await authority.issue({ commonName: "the gateway" });
  const asks = { cert: pair.certificate, key: pair.key, ca: authority.certificate, requestCert: true };
  await using station = await Station.start(asks);
  const url = `https://localhost:${station.port}`;
  assert.deepEqual(await said(url, believing({ pair: ours })), ["HTTP 200", "HTTP 200"]);
  assert.deepEqual(new Set(station.subjects), new Set(["the gateway"]));
});

test("[G6] [F4] a station refuses the gateway's certificate, or misses one → nothing was executed", async () => {
  using folder = new Folder();
  const files = [folder.file("c", pair.certificate), folder.file("k", pair.key), folder.file("ca", ca)] as const;
  const foreign = await stranger.issue({ commonName: "foreign" });
  for (const version of ["-tls1_2", "-tls1_3"]) {
    await using server = new OpensslServer(files, version);
    const url = `https://localhost:${await server.port}`;
    for (const [trust, words] of [
      [believing(), /asks for a certificate/],
      [believing({ pair: foreign }), /does not accept the certificate/],
    ] as const) {
      const [probe] = await said(url, trust);
      assert.match(probe, words);
      await using uplink = uplinkTo(url, trust);
      const error = await uplink.send(get, once1).then(
        () => assert.fail("answered"),
        (failure: NodeJS.ErrnoException) => failure,
      );
      // As with a refused connection: the command may go to another station.
      assert.equal(error.syscall, "connect", `${version}: ${error.message}`);
    }
  }
});

test("[G6] trust is replaced → the next command uses the new, also after one that is out", async () => {
  const ours = await authority.issue({ commonName: "before" });
  const renewed = await authority.issue({ commonName: "after" });
  const asks = { cert: pair.certificate, key: pair.key, ca: authority.certificate, requestCert: true };
  await using station = await Station.start(asks);
  const trust = believing({ pair: ours });
  await using uplink = uplinkTo(`https://localhost:${station.port}`, trust);
  const out = uplink.send(get, once1);
  trust.prepare({ ca: authority.certificate, pair: renewed, servername: undefined, minVersion: "TLSv1.2" })();
  await out;
  await uplink.send(get, once1);
  assert.equal(station.subjects.at(-1), "after");
});

test("[F10] one station's certificate expires → the other serves; both alike → no role goes back and forth", async () => {
  const expired = await authority.issue({ days: -1 });
  for (const [second, isServed] of [
    [pair, true],
    [expired, false],
  ] as const) {
    await using north = await Station.start({ cert: expired.certificate, key: expired.key });
    await using south = await Station.start({ cert: second.certificate, key: second.key });
    await using at = groupOf([north.port, south.port]);
    for (let calls = 0; calls < 6; calls++) await at.send();
    assert.equal(at.statuses.filter((status) => status === 200).length, isServed ? 6 : 0);
    assert.ok(at.group.epoch <= 2, `epoch ${at.group.epoch}`);
  }
});

/**
 * `openssl s_server` that refuses clients without a certificate, as most servers do: by an alert.
 */
class OpensslServer implements AsyncDisposable {
  readonly port: Promise<number>;
  readonly #child: ChildProcess;

  constructor([cert, key, ca]: readonly [string, string, string], version: string) {
    const files = ["-cert", cert, "-key", key, "-CAfile", ca];
    this.#child = spawn("openssl", [
      ...["s_server", "-accept", "127.0.0.1:0", "-www", "-Verify", "1", "-verify_return_error", version, ...files],
    ]);
    this.port = new Promise((resolve, reject) => {
      let said = "";
      this.#child.stdout?.on("data", (piece: Buffer) => {
        said += String(piece);
        const port = /^ACCEPT \S+:(\d+)/m.exec(said)?.[1];
        if (port !== undefined) resolve(Number(port));
      });
      this.#child.once("error", reject).once("close", () => reject(new Error(`openssl ended: ${said}`)));
    });
    this.port.catch(() => undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#child, "close");
    this.#child.kill("SIGKILL");
    await closed;
  }
}

/** A group of stations with TLS whose heartbeats were heard once. */
function groupOf(ports: readonly number[]): AsyncDisposable & {
  readonly group: Group;
  readonly statuses: (number | undefined)[];
  send(): Promise<void>;
} {
  const base = groupSettings(ports, {
    commands: { maxWaitMs: 200, timeoutMs: 500, deadlineMs: 500 },
    commandPath: { failingForMs: 1_000, minFailures: 5, refusalsToDeclare: 2, unansweredAfterMs: 250 },
  });
  const settings: GroupSettings = {
    ...base,
    stations: base.stations.map((station, place) => ({ ...station, url: `https://localhost:${ports[place]}` })),
  };
  const uplinks = new AsyncDisposableStack();
  const group = new Group({
    settings,
    clock: systemClock,
    random: seededRandom(1),
    uplinkOf: (station) => uplinks.use(httpUplink(settings, station, { trust: believing() })),
  });
  for (const { name } of settings.stations) group.noteHeartbeat(name, { sequence: 1 }, 0);
  const stop = new AbortController();
  const running = group.run(stop.signal);
  const statuses: (number | undefined)[] = [];
  const terms = { idempotencyKey: undefined, idempotent: true, timeLeftMs: undefined };
  return {
    group,
    statuses,
    async send() {
      const reply = await group.handle(get, terms, new AbortController().signal).catch(() => undefined);
      statuses.push(reply?.status);
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running;
      await uplinks.disposeAsync();
    },
  };
}
