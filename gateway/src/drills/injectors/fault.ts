/**
 * The injector `fault`: toxics and refusals of a fault proxy, through Toxiproxy's HTTP API, so that
 * a real Toxiproxy server can be driven too. Toxics that it adds have names of their own: lifting
 * them never takes a toxic that somebody else has added. A magnitude may be a range that is drawn
 * from the seed.
 */
import { seededRandom } from "ground-station-failover";
import { z } from "zod";
import { UserError } from "../../adapters/process/exit-codes.ts";
import type { Json, JsonObject, Values } from "../experiment/experiment.ts";
import type { InjectionContext, Inverse, PreparedInjection } from "../injection.ts";
import { action, COMMON, type CommonArguments, injectorOf, type OwnInjector, targetOf } from "./action.ts";
import { type Answered, answerIfThere, exchange, memberOf, refuseOthers } from "./exchange.ts";
import { decimal, drawn, freshName, list, magnitude, oneOf, text, url, whole, yesOrNo } from "./fields.ts";
import { type ProxyMark, proofOf, proxyMark, refusalOf } from "./proxy-proof.ts";

/** Where Toxiproxy listens unless told otherwise. */
const USUAL_URL = "http://127.0.0.1:8474";
/** Highest attribute: a day in ms, or a gigabyte and more in bytes. */
const MAX_ATTRIBUTE = 2_000_000_000;

const PROXY = {
  ...COMMON,
  proxy: text("the name of a proxy", 256),
  proxyUrl: url().optional(),
  allowRemote: yesOrNo().default(false),
};

const attribute = z.union([magnitude(0, MAX_ATTRIBUTE), decimal(0, MAX_ATTRIBUTE), text("a name", 64)], {
  error: `allowed is a number from 0 to ${MAX_ATTRIBUTE}, {from, to} to draw one from the seed, or a name`,
});

const addSchema = z.strictObject({
  ...PROXY,
  toxics: list(
    z.strictObject({
      type: text("the type of a toxic, for example latency", 64),
      name: text("the name of the toxic", 256).optional(),
      stream: oneOf(["downstream", "upstream", "both"]).default("downstream"),
      toxicity: decimal(0, 1).default(1),
      attributes: z.record(z.string(), attribute).default({}),
      ramp: z
        .strictObject({
          attribute: text("the name of an attribute, or toxicity", 64),
          from: decimal(0, MAX_ATTRIBUTE).optional(),
          to: decimal(0, MAX_ATTRIBUTE),
          over: whole(1, 600_000, "ms"),
        })
        .optional(),
      schedule: z.strictObject({ on: whole(10, 600_000, "ms"), off: whole(10, 600_000, "ms") }).optional(),
    }),
    1,
    16,
  ),
});

const disableSchema = z.strictObject(PROXY);

export const fault: OwnInjector = injectorOf("fault", {
  add: action(addSchema, { prepare: prepareToxics }),
  disable: action(disableSchema, { prepare: prepareDisabled }),
});

type ProxyArguments = z.output<typeof disableSchema>;

/** The proxy that the arguments name, as it is now. */
interface Proxy {
  readonly url: string;
  readonly base: string;
  readonly listen: string;
  readonly isEnabled: boolean;
  readonly toxics: ReadonlySet<string>;
}

async function proxyOf(args: ProxyArguments, { values, signal }: InjectionContext): Promise<Proxy> {
  const base = (args.proxyUrl ?? configuredUrl(values)).replace(/\/+$/, "");
  if (!URL.canParse(base)) throw new UserError("usage", `proxyUrl: ${JSON.stringify(base)} is no URL`);
  refuseOthers("proxyUrl", new URL(base).hostname, args.allowRemote);
  const address = `${base}/proxies/${encodeURIComponent(args.proxy)}`;
  const answer = await exchange("GET", address, undefined, signal);
  if (answer.status === 404) throw await noSuchProxy(base, args.proxy);
  needSuccess(answer, `GET ${address}`);
  const toxics = memberOf(answer.json, "toxics");
  return {
    url: address,
    base,
    listen: String(memberOf(answer.json, "listen") ?? ""),
    isEnabled: memberOf(answer.json, "enabled") !== false,
    toxics: new Set(Array.isArray(toxics) ? toxics.map((one: Json) => String(memberOf(one, "name"))) : []),
  };
}

/** What the experiment's configuration says, in the names that Chaos Toolkit's users know. */
function configuredUrl({ configuration }: Values): string {
  for (const name of ["proxy_url", "toxiproxy_url"]) {
    const written = configuration[name];
    if (typeof written === "string" && written !== "") return written;
  }
  const host = configuration["toxiproxy_host"];
  if (typeof host !== "string" || host === "") return USUAL_URL;
  return `http://${host}:${String(configuration["toxiproxy_port"] ?? 8474)}`;
}

async function noSuchProxy(base: string, name: string): Promise<UserError> {
  const { json } = await exchange("GET", `${base}/proxies`);
  const known = Object.keys(typeof json === "object" && json !== null ? json : {}).slice(0, 20);
  const there = known.length === 0 ? "it has none" : `there are ${known.join(", ")}`;
  return new UserError("usage", `proxy: ${base} has no proxy ${JSON.stringify(name)}; ${there}`);
}

function needSuccess(answer: Answered, what: string): void {
  if (answer.status >= 200 && answer.status < 300) return;
  const said = memberOf(answer.json, "error") ?? answer.text.slice(0, 200);
  throw new UserError("promiseBroken", `${what}: ${answer.status} ${String(said)}`);
}

async function prepareToxics(args: z.output<typeof addSchema>, context: InjectionContext): Promise<PreparedInjection> {
  const proxy = await proxyOf(args, context);
  if (!proxy.isEnabled) throw new UserError("usage", `proxy: ${args.proxy} is disabled; a toxic would not be felt`);
  const toxics = drawnToxics(args, context.seed);
  const taken = toxics.find(({ name }) => proxy.toxics.has(name));
  if (taken !== undefined) {
    throw new UserError("usage", `toxics: ${args.proxy} already has a toxic ${taken.name}; leave the name out`);
  }
  const addresses = toxics.map(({ name }) => `${proxy.url}/toxics/${encodeURIComponent(name)}`);
  const inverses = addresses.map((address): Inverse => ({ kind: "http", method: "DELETE", url: address }));
  const types = new Map(toxics.map(({ name, type }) => [name, type]));
  let before: ProxyMark | undefined;
  let refusal: string | undefined;
  const share = Math.min(1, Math.max(...toxics.map(({ toxicity }) => toxicity)));
  return {
    targets: [targetOf(args, "proxy", args.proxy, share)],
    shown: toxics.map((toxic) => `POST ${proxy.url}/toxics ${JSON.stringify(toxic)}`).join("; "),
    inverses,
    expiresAfterMs: args.expiresAfterMs,
    async inject() {
      before = await proxyMark(proxy.base, args.proxy, context.signal);
      try {
        for (const toxic of toxics) {
          const answer = await exchange("POST", `${proxy.url}/toxics`, toxic as unknown as JsonObject, context.signal);
          needSuccess(answer, `toxic ${toxic.name}`);
        }
      } catch (error) {
        // Half a fault is none: what has been added is taken away again.
        before = undefined;
        for (const address of addresses) await exchange("DELETE", address).catch(() => undefined);
        throw error;
      }
      // A listener that is closed counts nothing: a connection of our own shows it.
      if (toxics.some(({ type }) => type === "refuse")) refusal = await refusalOf(proxy.listen);
      return { toxics: toxics as unknown as Json };
    },
    async felt() {
      if (before === undefined) return undefined;
      return refusal ?? (await proofOf(proxy.base, args.proxy, before, types));
    },
    remaining: () => present(proxy, new Set(types.keys())),
  };
}

type ToxicFields = z.output<typeof addSchema>["toxics"][number];

/** A toxic as the API takes it. */
interface WrittenToxic {
  readonly name: string;
  readonly type: string;
  readonly stream: string;
  readonly toxicity: number;
  readonly attributes: Readonly<Record<string, number | string>>;
  /** Our own proxy removes the toxic by itself after so many ms; others do not read this. */
  readonly expiresAfter: number;
  /** Our own proxy moves an attribute over a time. */
  readonly ramp?: ToxicFields["ramp"];
  /** Our own proxy switches the toxic on and off by turns. */
  readonly schedule?: ToxicFields["schedule"];
}

/** The toxics with all magnitudes drawn, and one for each direction. */
function drawnToxics(args: z.output<typeof addSchema>, seed: number): readonly WrittenToxic[] {
  const random = seededRandom(seed).fork("fault");
  return args.toxics.flatMap(({ type, name, stream, toxicity, attributes, ramp, schedule }, place) => {
    const chosen = Object.fromEntries(
      Object.entries(attributes).map(([field, written]) => [
        field,
        typeof written === "string" ? written : drawn(written, random, `${place}/${field}`),
      ]),
    );
    const base = name ?? `drill_${type}_${freshName()}`;
    const streams = stream === "both" ? (["upstream", "downstream"] as const) : [stream];
    return streams.map((one) => ({
      name: stream === "both" || name === undefined ? `${base}_${one}` : base,
      type,
      stream: one,
      toxicity,
      attributes: chosen,
      expiresAfter: args.expiresAfterMs,
      ...(ramp === undefined ? {} : { ramp }),
      ...(schedule === undefined ? {} : { schedule }),
    }));
  });
}

/** Which toxics of these the proxy still has. */
async function present({ url: address }: Proxy, names: ReadonlySet<string>): Promise<readonly string[]> {
  const answer = await answerIfThere("GET", `${address}/toxics`);
  if (answer === undefined || answer.status === 404) return [];
  needSuccess(answer, `GET ${address}/toxics`);
  const toxics = Array.isArray(answer.json) ? answer.json : [];
  return toxics
    .map((toxic: Json) => String(memberOf(toxic, "name")))
    .filter((name) => names.has(name))
    .map((name) => `toxic ${name} at ${address}`);
}

async function prepareDisabled(args: ProxyArguments, context: InjectionContext): Promise<PreparedInjection> {
  const proxy = await proxyOf(args, context);
  if (!proxy.isEnabled) {
    throw new UserError("usage", `proxy: ${args.proxy} is disabled already; lifting the fault would enable it`);
  }
  let proof: string | undefined;
  return {
    targets: [targetOf(args as CommonArguments, "proxy", args.proxy)],
    shown: `POST ${proxy.url} {"enabled":false}`,
    inverses: [{ kind: "http", method: "POST", url: proxy.url, body: { enabled: true } }],
    expiresAfterMs: args.expiresAfterMs,
    async inject() {
      needSuccess(await exchange("POST", proxy.url, { enabled: false }, context.signal), `POST ${proxy.url}`);
      proof = await refusalOf(proxy.listen);
      return { proxy: args.proxy, enabled: false };
    },
    felt: async () => proof,
    async remaining() {
      const answer = await answerIfThere("GET", proxy.url);
      if (answer === undefined || answer.status === 404) return [];
      needSuccess(answer, `GET ${proxy.url}`);
      return memberOf(answer.json, "enabled") === false ? [`${proxy.url} is disabled`] : [];
    },
  };
}
