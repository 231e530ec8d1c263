/**
 * Heartbeats over real datagrams: a station joins, beats, restarts and outlives its gateway; noise
 * is counted.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { describe, test } from "node:test";
import { systemClock } from "ground-station-failover";
import { pino } from "pino";
import { probedPair } from "../../../../test/worlds/probed-pair.ts";
import type { BeatAdmission, StationBeat } from "../../fleet/heartbeat-sessions.ts";
import { HeartbeatSessions } from "../../fleet/heartbeat-sessions.ts";
import type { HeartbeatSecrets } from "../../fleet/settings.ts";
import { challengesOf, HeartbeatCodec } from "./heartbeat-codec.ts";
import type { HeartbeatListener } from "./udp-heartbeats.ts";
import { HeartbeatSender, listenForHeartbeats } from "./udp-heartbeats.ts";

const SECRET = "a shared secret";
const shared = (...secrets: string[]): HeartbeatSecrets => ({
  shared: secrets.map((secret) => Buffer.from(secret)),
  own: new Map(),
});
const codec = new HeartbeatCodec(shared(SECRET));

interface Receiving extends AsyncDisposable {
  readonly listener: HeartbeatListener;
  readonly lines: string[];
  /** Resolves when what has been admitted satisfies `wanted`. */
  until(wanted: (all: readonly [StationBeat, BeatAdmission | undefined][]) => boolean): Promise<void>;
}

async function receiving(port = 0): Promise<Receiving> {
  const sessions = new HeartbeatSessions([["atlantic/north", 10]], challengesOf(randomBytes(32)));
  const all: [StationBeat, BeatAdmission | undefined][] = [];
  const waiting = new Set<() => void>();
  const lines: string[] = [];
  const gateway = {
    receiveBeat(beat: StationBeat, from: string): BeatAdmission | undefined {
      const admission = sessions.admit(beat, systemClock.nowMs(), from);
      all.push([beat, admission]);
      for (const look of waiting) look();
      return admission;
    },
  };
  const log = pino({ level: "debug" }, { write: (line: string) => lines.push(line) });
  const listener = await listenForHeartbeats(gateway, {
    listen: { host: "127.0.0.1", port },
    secrets: shared(SECRET),
    log,
  });
  return {
    listener,
    lines,
    until: (wanted) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (!wanted(all)) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      }),
    [Symbol.asyncDispose]: () => listener[Symbol.asyncDispose](),
  };
}

function sender(
  port: number,
  changes: Partial<ConstructorParameters<typeof HeartbeatSender>[0]> = {},
): HeartbeatSender & Disposable {
  const made = new HeartbeatSender({
    group: "atlantic",
    station: "north",
    secrets: [Buffer.from(SECRET)],
    target: { host: "127.0.0.1", port },
    intervalMs: 10,
    epochSeen: () => 3,
    clock: systemClock,
    ...changes,
  });
  made.start();
  return Object.assign(made, { [Symbol.dispose]: () => made.stop() });
}

const counted = (all: readonly [StationBeat, BeatAdmission | undefined][], incarnation: number): number =>
  all.filter(([, admission]) => admission?.type === "beat" && admission.beat.incarnation === incarnation).length;

describe("[G6] pushed heartbeats", () => {
  test("a station is challenged, answers at once, and beats from then on", async () => {
    await using at = await receiving();
    using _north = sender(at.listener.address.port, { target: { host: "localhost", port: at.listener.address.port } });
    await at.until((all) => counted(all, 1) >= 5);
    const { accepted, challenged, malformed, forged, unknown } = at.listener.counters;
    assert.ok(accepted >= 5 && challenged >= 1, JSON.stringify(at.listener.counters));
    assert.deepEqual([malformed, forged, unknown], [0, 0, 0]);
  });

  test("a station that restarts begins a new incarnation", async () => {
    await using at = await receiving();
    const first = sender(at.listener.address.port);
    await at.until((all) => counted(all, 1) >= 2);
    first.stop();
    using _second = sender(at.listener.address.port);
    await at.until((all) => counted(all, 2) >= 2);
  });

  test("a gateway that restarts is found again, and nobody had to wait for anybody", async () => {
    const first = await receiving();
    const { port } = first.listener.address;
    using _north = sender(port);
    await first.until((all) => counted(all, 1) >= 2);
    await first[Symbol.asyncDispose]();
    await using second = await receiving(port);
    await second.until((all) => counted(all, 1) >= 3);
  });

  test("a gateway that was never there is no reason to stop beating", async () => {
    const free = createSocket("udp4");
    free.bind(0, "127.0.0.1");
    await once(free, "listening");
    const { port } = free.address();
    free.close();
    let beats = 0;
    const beating = Promise.withResolvers<void>();
    using _north = sender(port, {
      epochSeen() {
        if (++beats === 5) beating.resolve();
        return 0;
      },
    });
    await beating.promise;
    await using late = await receiving(port);
    await late.until((all) => counted(all, 1) >= 1);
  });

  test("noise is counted by kind, logged once a second for each, and not answered", async () => {
    await using at = await receiving();
    const socket = createSocket("udp4");
    socket.bind(0, "127.0.0.1");
    await once(socket, "listening");
    const answers: Buffer[] = [];
    socket.on("message", (datagram) => answers.push(datagram));
    const beat = {
      type: "beat",
      group: "atlantic",
      station: "north",
      session: "s",
      challenge: "",
      sentAtMs: 1,
      epochSeen: 0,
    } as const;
    const noise = [
      Buffer.from("hello"),
      new HeartbeatCodec(shared("another secret")).encode({ ...beat, sequence: 1 }),
      codec.encode({ ...beat, type: "challenge", sequence: 1 }),
      codec.encode({ ...beat, station: "nobody", sequence: 1 }),
    ];
    const { port } = at.listener.address;
    for (let round = 0; round < 3; round++) for (const datagram of noise) socket.send(datagram, port, "127.0.0.1");
    // The true beat comes last: when it is answered, everything before it has been looked at.
    socket.send(codec.encode({ ...beat, sequence: 9 }), port, "127.0.0.1");
    await once(socket, "message");
    socket.close();
    assert.deepEqual(at.listener.counters, {
      accepted: 0,
      challenged: 1,
      replayed: 0,
      conflicting: 0,
      unknown: 3,
      malformed: 6,
      forged: 3,
    });
    assert.equal(answers.length, 1);
    const [answer] = answers.map((datagram) => codec.decode(datagram));
    assert.ok(answer?.type === "message" && answer.message.type === "challenge");
    assert.deepEqual([answer.message.session, answer.message.sequence], ["s", 9]);
    assert.equal(at.lines.length, 4, at.lines.join(""));
    assert.ok(!at.lines.join("").includes(SECRET));
  });

  test("a recorded challenge, played again, does not lock a station out", async () => {
    await using at = await receiving();
    const relay = createSocket("udp4");
    relay.bind(0, "127.0.0.1");
    await once(relay, "listening");
    const upstream = createSocket("udp4");
    const { port } = at.listener.address;
    let station: { port: number; address: string } | undefined;
    const recorded: Buffer[] = [];
    relay.on("message", (datagram, from) => {
      station = from;
      upstream.send(datagram, port, "127.0.0.1");
      for (const old of recorded) relay.send(old, from.port, from.address);
    });
    upstream.on("message", (datagram) => {
      const decoded = codec.decode(datagram);
      assert.ok(decoded.type === "message" && decoded.message.type === "challenge");
      const { message } = decoded;
      // The same station's challenge, of before: signed truly, and worth nothing.
      recorded.push(codec.encode({ ...message, challenge: "an old one" }));
      if (station !== undefined) relay.send(datagram, station.port, station.address);
    });
    {
      using _north = sender(relay.address().port);
      await at.until((all) => counted(all, 1) >= 10);
    }
    upstream.close();
    relay.close();
    assert.ok(at.listener.counters.challenged <= 3, JSON.stringify(at.listener.counters));
  });

  test("[G6] secrets are replaced while a station beats, and it misses no beat", async () => {
    await using at = await receiving();
    using north = sender(at.listener.address.port);
    let beats = 0;
    const goOn = (): Promise<void> => {
      beats += 20;
      return at.until((all) => counted(all, 1) >= beats);
    };
    await goOn();
    at.listener.useSecrets(shared(SECRET, "of tomorrow"));
    await goOn();
    north.useSecrets([Buffer.from("of tomorrow")]);
    await goOn();
    at.listener.useSecrets(shared("of tomorrow"));
    await goOn();
    const sequences: number[] = [];
    await at.until((all) => {
      sequences.splice(0, sequences.length, ...all.map(([beat]) => beat.sequence));
      return counted(all, 1) >= beats;
    });
    assert.deepEqual(
      sequences,
      sequences.map((_sequence, place) => place + 1),
      "each beat was verified",
    );
    const { forged, challenged } = at.listener.counters;
    assert.equal(forged, 0);
    assert.ok(challenged <= 2, "one session from the first to the last");
    at.listener.useSecrets(shared(SECRET));
    const { accepted } = at.listener.counters;
    north.useSecrets([Buffer.from(SECRET)]);
    await at.until(() => at.listener.counters.accepted > accepted + 3);
  });

  test("a port that is taken is an error with the system's code", async () => {
    await using at = await receiving();
    await assert.rejects(receiving(at.listener.address.port), { code: "EADDRINUSE" });
  });
});

test("[G6] a station signs with another secret → its status says so, and from where", async () => {
  const { gateway } = probedPair();
  const log = pino({ level: "silent" });
  await using listener = await listenForHeartbeats(gateway, {
    listen: { host: "127.0.0.1", port: 0 },
    secrets: shared(SECRET),
    log,
  });
  const group = gateway.groups.get("atlantic");
  using _beating = sender(listener.address.port, { station: "primary", secrets: [Buffer.from("another secret")] });
  while (group?.forgedOf("primary") === undefined) await new Promise(setImmediate);
  assert.equal(group.forgedOf("primary")?.from, "127.0.0.1");
  const [primary] = group.status.stations;
  assert.match(JSON.stringify(primary?.assessment.evidence), /127\.0\.0\.1 was signed with another secret/);
  assert.equal(group.forgedOf("backup"), undefined);
});
