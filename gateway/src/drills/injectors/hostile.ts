/**
 * The injector `hostile`: an attacker at a port. Hostile requests (each on a connection of its own,
 * with the answer counted), many slow connections, many that never read, and heartbeats that must
 * prove nothing. An attack ends by itself, is bounded in connections and bytes, and nothing of it
 * stays behind. It never goes to another machine unless that is allowed in words.
 */
import { seededRandom } from "ground-station-failover";
import { z } from "zod";
import { UserError } from "../../adapters/process/exit-codes.ts";
import { readSecretFile, secretIn } from "../../adapters/process/secret-file.ts";
import type { Json } from "../experiment/experiment.ts";
import type { InjectionContext, PreparedInjection } from "../injection.ts";
import { action, COMMON, type CommonArguments, injectorOf, type OwnInjector, targetOf } from "./action.ts";
import { Episode } from "./episode.ts";
import { exchange, refuseOthers } from "./exchange.ts";
import { address, decimal, hostAndPort, list, oneOf, text, url, whole, yesOrNo } from "./fields.ts";
import { type Address, answerTo, type HeldCounts, type HoldPlan, holdConnections } from "./hostile-connections.ts";
import { HEARTBEATS, type HeartbeatCounts, NEEDS_SECRET, sendHeartbeats } from "./hostile-heartbeats.ts";
import { ATTACKS, type AttackName, hostileRequest } from "./hostile-requests.ts";

const ATTACK = {
  ...COMMON,
  /** "ended": the activity lasts as long as the attack. "started": the attack goes on behind it. */
  until: oneOf(["ended", "started"]).default("ended"),
  allowRemote: yesOrNo().default(false),
};

const requestsSchema = z.strictObject({
  ...ATTACK,
  url: url(),
  attacks: list(oneOf(ATTACKS), 1, ATTACKS.length).default([...ATTACKS]),
  /** How often each attack is made. */
  repeat: whole(1, 1_000).default(3),
  atOnce: whole(1, 100, "connections").default(10),
  maxBytes: whole(1_024, 16_777_216, "bytes").default(1_048_576),
  waitMs: whole(10, 60_000, "ms").default(2_000),
});

const HELD = {
  ...ATTACK,
  url: url(),
  connections: whole(1, 5_000).default(200),
  forMs: whole(10, 600_000, "ms").optional(),
};

const slowlorisSchema = z.strictObject({ ...HELD, everyMs: whole(10, 60_000, "ms").default(1_000) });

const unreadSchema = z.strictObject({ ...HELD, requests: whole(1, 1_000).default(50) });

const idleSchema = z.strictObject(HELD);

const heartbeatsSchema = z
  .strictObject({
    ...ATTACK,
    address: address(),
    group: text("the name of a group", 128),
    station: text("the name of a station", 128),
    secretFile: text("the path of a file with the station's secret", 4_096).optional(),
    attacks: list(oneOf(HEARTBEATS), 1, HEARTBEATS.length).optional(),
    count: whole(1, 100_000).default(100),
    perSecond: decimal(0.1, 2_000).default(50),
    /** Page of metrics whose counters of refused heartbeats prove that they arrived. */
    metricsUrl: url().optional(),
  })
  .refine(({ secretFile, attacks = [] }) => secretFile !== undefined || !attacks.some((one) => NEEDS_SECRET.has(one)), {
    path: ["secretFile"],
    message: `it is missing, and these need it: ${[...NEEDS_SECRET].join(", ")}`,
  });

export const hostile: OwnInjector = injectorOf("hostile", {
  requests: action(requestsSchema, { prepare: prepareRequests }),
  slowloris: action(slowlorisSchema, {
    prepare: (args, context) =>
      prepareHeld(args, context, `a byte each ${args.everyMs} ms`, (host, path) => ({
        ...{ connections: args.connections, everyMs: args.everyMs, reads: true },
        first: `POST ${path} HTTP/1.1\r\nhost: ${host}\r\nx-slow: `,
        trickle: "a",
      })),
  }),
  "unread-answers": action(unreadSchema, {
    prepare: (args, context) =>
      prepareHeld(args, context, `${args.requests} requests each and no reading`, (host, path) => ({
        ...{ connections: args.connections, everyMs: 200, reads: false },
        first: `GET ${path} HTTP/1.1\r\nhost: ${host}\r\n\r\n`.repeat(args.requests),
        trickle: "",
      })),
  }),
  connections: action(idleSchema, {
    prepare: (args, context) =>
      prepareHeld(args, context, "nothing is sent", () => ({
        ...{ connections: args.connections, everyMs: 200, reads: true },
        first: "",
        trickle: "",
      })),
  }),
  heartbeats: action(heartbeatsSchema, { prepare: prepareHeartbeats }),
});

/** Where the URL leads; only plain connections are made. */
function placeOf(written: string, allowRemote: boolean): { at: Address; host: string; path: string } {
  const { hostname, host, port, pathname, search, protocol } = new URL(written);
  if (protocol !== "http:") throw new UserError("usage", `url: ${written} is encrypted; allowed is http://`);
  refuseOthers("url", hostname, allowRemote);
  const at = { host: hostname.replace(/^\[|\]$/g, ""), port: port === "" ? 80 : Number(port) };
  return { at, host, path: `${pathname}${search}` };
}

type AttackArguments = CommonArguments & { readonly until: "ended" | "started" };

/** An attack as an injection: what it does, what it has done, and what proves it. */
interface AttackParts {
  readonly kind: string;
  readonly name: string;
  readonly shown: string;
  readonly forMs: number;
  /** `onBegun`: the attack is in force. */
  run(signal: AbortSignal, onBegun: () => void): Promise<void>;
  output(): Json;
  felt(): Promise<string | undefined>;
}

function attackInjection(args: AttackArguments, { signal }: InjectionContext, parts: AttackParts): PreparedInjection {
  const { shown, forMs } = parts;
  const episode = new Episode({ label: shown, expiresAfterMs: Math.min(forMs, args.expiresAfterMs), signal });
  return {
    targets: [targetOf(args, parts.kind, parts.name)],
    shown,
    inverses: [episode.inverse],
    expiresAfterMs: args.expiresAfterMs,
    async inject() {
      const begun = Promise.withResolvers<void>();
      const work = episode.begin(() => parts.run(episode.signal, begun.resolve));
      await (args.until === "started" ? Promise.race([begun.promise, work]) : work);
      return parts.output();
    },
    felt: () => parts.felt(),
    remaining: () => episode.remaining(),
  };
}

async function prepareRequests(
  args: z.output<typeof requestsSchema>,
  context: InjectionContext,
): Promise<PreparedInjection> {
  const { at, host, path } = placeOf(args.url, args.allowRemote);
  const answers: Partial<Record<AttackName, Record<string, number>>> = {};
  const jobs = Array.from({ length: args.repeat }, () => args.attacks).flat();
  const random = seededRandom(context.seed).fork("hostile");
  let next = 0;
  const worker = async (signal: AbortSignal, onBegun: () => void): Promise<void> => {
    while (next < jobs.length && !signal.aborted) {
      const place = next++;
      const name = jobs[place] as AttackName;
      const request = hostileRequest(name, { host, path, maxBytes: args.maxBytes }, random.fork(`${place}`));
      const answer = await answerTo(at, request, args.waitMs, signal);
      const counts = answers[name] ?? {};
      answers[name] = { ...counts, [answer]: (counts[answer] ?? 0) + 1 };
      onBegun();
    }
  };
  return attackInjection(args, context, {
    kind: "service",
    name: host,
    shown: `${jobs.length} hostile requests to ${args.url}: ${args.attacks.join(", ")}`,
    forMs: args.expiresAfterMs,
    async run(signal, onBegun) {
      await Promise.all(Array.from({ length: args.atOnce }, () => worker(signal, onBegun)));
    },
    output: () => ({ answers: answers as Json }),
    async felt() {
      const outcomes = Object.values(answers).flatMap((counts) => Object.keys(counts));
      const isTaken = outcomes.some((one) => !/^(E[A-Z]+|cut)$/.test(one));
      return isTaken ? `answered: ${JSON.stringify(answers)}` : undefined;
    },
  });
}

async function prepareHeld(
  args: z.output<typeof idleSchema>,
  context: InjectionContext,
  how: string,
  planOf: (host: string, path: string) => HoldPlan,
): Promise<PreparedInjection> {
  const { at, host, path } = placeOf(args.url, args.allowRemote);
  const counts: HeldCounts = { opened: 0, open: 0, ended: {} };
  const forMs = args.forMs ?? args.expiresAfterMs;
  return attackInjection(args, context, {
    kind: "service",
    name: host,
    shown: `${args.connections} connections to ${args.url} for ${forMs} ms: ${how}`,
    forMs,
    run: (signal, onBegun) => holdConnections(at, planOf(host, path), counts, signal, onBegun),
    output: () => ({ opened: counts.opened, open: counts.open, ended: counts.ended }),
    felt: async () =>
      counts.opened === 0
        ? undefined
        : `${counts.opened} connections were taken; ended: ${JSON.stringify(counts.ended)}`,
  });
}

async function prepareHeartbeats(
  args: z.output<typeof heartbeatsSchema>,
  context: InjectionContext,
): Promise<PreparedInjection> {
  const at = hostAndPort(args.address) as Address;
  refuseOthers("address", at.host, args.allowRemote);
  if (args.metricsUrl !== undefined) refuseOthers("metricsUrl", new URL(args.metricsUrl).hostname, args.allowRemote);
  const secret = args.secretFile === undefined ? undefined : secretOf(args.secretFile);
  const attacks = args.attacks ?? HEARTBEATS.filter((one) => secret !== undefined || !NEEDS_SECRET.has(one));
  const counts: HeartbeatCounts = { sent: 0, answers: 0, isUnheard: false };
  const { group, station, count, perSecond, metricsUrl } = args;
  let before: number | undefined;
  return attackInjection(args, context, {
    kind: "service",
    name: args.address,
    shown: `${count} × ${attacks.length} heartbeats (${attacks.join(", ")}) as ${group}/${station} to ${args.address}`,
    forMs: args.expiresAfterMs,
    async run(signal, onBegun) {
      if (metricsUrl !== undefined) before = await refusedHeartbeats(metricsUrl);
      const random = seededRandom(context.seed).fork("hostile heartbeats");
      await sendHeartbeats(at, { group, station, attacks, count, perSecond, secret }, counts, random, signal, onBegun);
    },
    output: () => ({ ...counts }),
    async felt() {
      if (counts.sent === 0 || counts.isUnheard) return undefined;
      if (metricsUrl === undefined || before === undefined) {
        return `${counts.sent} datagrams were sent to a port that is open, ${counts.answers} answers came`;
      }
      const refused = (await refusedHeartbeats(metricsUrl)) - before;
      return refused > 0 ? `${refused} of ${counts.sent} heartbeats were counted as refused` : undefined;
    },
  });
}

function secretOf(path: string): Uint8Array {
  try {
    return secretIn(readSecretFile(path));
  } catch (error) {
    throw new UserError("usage", `secretFile ${path}: it cannot be read: ${(error as Error).message}`);
  }
}

/** Sum of all counters of heartbeats that were not taken as a sign of life. */
async function refusedHeartbeats(metricsUrl: string): Promise<number> {
  const { text: page } = await exchange("GET", metricsUrl);
  return page
    .split("\n")
    .filter((line) => line.startsWith("gsf_heartbeats_total{") && !/result="accepted"/.test(line))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf("}") + 1)), 0);
}
