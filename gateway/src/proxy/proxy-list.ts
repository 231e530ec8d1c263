/**
 * The proxies by name, and everything that the control API does with them, without HTTP. Changes of
 * one proxy are made one after another; those of different proxies do not wait for each other, and
 * no change waits for a peer.
 */
import { isIP } from "node:net";
import { type Clock, type Random, seededRandom } from "ground-station-failover";
import { isHost } from "../adapters/process/addresses.ts";
import type { EventLog } from "./event-log.ts";
import { badBody, FaultProxyError, missingField, proxyExists, proxyNotFound } from "./fault-proxy-error.ts";
import { ManagedProxy, type TlsSettings } from "./managed-proxy.ts";
import { PROTOCOLS, type Protocol, type ProtocolParts } from "./protocols.ts";
import { Fields } from "./request-fields.ts";
import type { TimedToxic, ToxicSettings } from "./timed-toxic.ts";
import { type CertificateAuthority, DEFAULT_NAMES, TLS_FAULTS } from "./tls/certificates.ts";
import { newToxicsOf, shownToxic, toxicChangeOf } from "./toxic-request.ts";
import type { ToxicTypes } from "./toxic-type.ts";

export interface ProxyListOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly events: EventLog;
  readonly authority: CertificateAuthority;
  /** Bytes that the toxics of one TCP connection may hold. Default: that of `tcp-proxy.ts`. */
  readonly maxHeldBytes?: number | undefined;
  /** An address that other machines can reach is being listened on. */
  readonly onExposed?: (name: string, listen: string) => void;
}

/** Bounds of the lists: far above what a test needs, far below what fills the memory. */
const MAX_PROXIES = 1_000;
const MAX_TOXICS = 100;
const MAX_NAME_CHARACTERS = 512;

/** A proxy that is to be made, checked. */
interface NewProxy {
  readonly name: string;
  readonly listen: string;
  readonly upstream: string;
  readonly isEnabled: boolean;
  readonly protocol: Protocol;
  readonly parts: ProtocolParts;
  readonly seed: number | undefined;
  readonly tls: TlsSettings | undefined;
  readonly toxics: readonly ToxicSettings[];
}

/** Some of a list of proxies could not be made. */
export class PopulateError extends Error {
  readonly made: readonly ManagedProxy[];

  constructor(made: readonly ManagedProxy[], cause: unknown) {
    super("the list was not made to its end", { cause });
    this.made = made;
  }
}

export class ProxyList {
  readonly #options: ProxyListOptions;
  readonly #proxies: Map<string, ManagedProxy> = new Map();
  /** The last change of each name that has not ended. */
  readonly #changes: Map<string, Promise<unknown>> = new Map();

  constructor(options: ProxyListOptions) {
    this.#options = options;
  }

  /** By name, in the order of its characters, as Toxiproxy lists them. */
  get all(): readonly ManagedProxy[] {
    return [...this.#proxies.values()].sort((left, right) => (left.name < right.name ? -1 : 1));
  }

  /** Throws an `FaultProxyError` (404). */
  get(name: string): ManagedProxy {
    const found = this.#proxies.get(name);
    if (found === undefined) throw proxyNotFound();
    return found;
  }

  /** The types of toxic of a protocol; none if there is no such protocol. */
  typesOf(protocol: Protocol): ToxicTypes {
    return PROTOCOLS[protocol]?.types ?? {};
  }

  /** The proxy as clients are shown it. */
  shown(proxy: ManagedProxy): Readonly<Record<string, unknown>> {
    const { name, listen, upstream, isEnabled, protocol, seed, tls } = proxy;
    return {
      name,
      listen,
      upstream,
      enabled: isEnabled,
      ...(protocol === "tcp" ? {} : { protocol }),
      ...(seed === undefined ? {} : { seed }),
      ...(tls === undefined ? {} : { tls }),
      toxics: this.shownToxics(proxy),
    };
  }

  shownToxics(proxy: ManagedProxy): ReadonlyArray<Readonly<Record<string, unknown>>> {
    return proxy.toxics.all.map((toxic) => this.shownToxic(toxic));
  }

  shownToxic(toxic: TimedToxic): Readonly<Record<string, unknown>> {
    return shownToxic(toxic, this.#options.clock.nowMs());
  }

  async create(body: unknown): Promise<ManagedProxy> {
    const wanted = checkedProxy(readProxy(body), "");
    return this.#alone(wanted.name, async () => {
      if (this.#proxies.has(wanted.name)) throw proxyExists();
      return this.#make(wanted);
    });
  }

  /** Rejects with a `PopulateError` if one of them could not be made; those before it stay. */
  async populate(body: unknown): Promise<readonly ManagedProxy[]> {
    const made: ManagedProxy[] = [];
    try {
      if (body !== null && !Array.isArray(body)) throw badBody("the body is no list; send a list of proxies");
      const wanted = ((body ?? []) as unknown[])
        // Types are checked for the whole list first, then what is missing.
        .map((one) => readProxy(one))
        .map((read, place) => checkedProxy(read, ` at proxy ${place + 1}`));
      for (const one of wanted) made.push(await this.#alone(one.name, () => this.#makeOrReplace(one)));
      return made;
    } catch (error) {
      throw new PopulateError(made, error);
    }
  }

  async update(name: string, body: unknown): Promise<ManagedProxy> {
    this.get(name);
    return this.#alone(name, async () => {
      const proxy = this.get(name);
      const fields = new Fields("proxy", body);
      const listen = fields.text("listen") ?? proxy.listen;
      const upstream = fields.text("upstream") ?? proxy.upstream;
      await proxy.update(listen, upstream, fields.boolean("enabled") ?? proxy.isEnabled);
      this.#warn(proxy);
      return proxy;
    });
  }

  async remove(name: string): Promise<void> {
    this.get(name);
    await this.#alone(name, async () => {
      await this.get(name).remove();
      this.#proxies.delete(name);
    });
  }

  /**
   * Starts every proxy and takes its toxics away. One that fails does not keep the others from it;
   * rejects with the first failure then.
   */
  async reset(): Promise<void> {
    const resets = this.all.map(({ name }) =>
      this.#alone(name, async () => {
        const proxy = this.#proxies.get(name);
        await proxy?.toxics.clear();
        await proxy?.start();
      }),
    );
    const failed = (await Promise.allSettled(resets)).find(({ status }) => status === "rejected");
    if (failed?.status === "rejected") throw failed.reason;
  }

  /** Answers the toxic; with stream "both" the one of each direction. */
  async addToxic(name: string, body: unknown): Promise<readonly TimedToxic[]> {
    this.get(name);
    return this.#alone(name, async () => {
      const { toxics, parts } = this.get(name);
      const added = newToxicsOf(body, parts.types, (toxic) => toxics.has(toxic));
      checkRoom(toxics.size + added.length);
      const made = await toxics.add(added);
      for (const { settings } of made)
        this.#note(name, { type: "toxic-added", toxic: settings.name, stream: settings.stream });
      return made;
    });
  }

  async updateToxic(name: string, toxic: string, body: unknown): Promise<TimedToxic> {
    this.get(name).toxics.get(toxic);
    return this.#alone(name, async () => {
      const { toxics } = this.get(name);
      const updated = await toxics.update(toxic, toxicChangeOf(body, toxics.get(toxic)));
      this.#note(name, { type: "toxic-updated", toxic, stream: updated.settings.stream });
      return updated;
    });
  }

  async removeToxic(name: string, toxic: string): Promise<void> {
    this.get(name).toxics.get(toxic);
    await this.#alone(name, async () => {
      const { toxics } = this.get(name);
      const { stream } = toxics.get(toxic).settings;
      await toxics.remove(toxic);
      this.#note(name, { type: "toxic-removed", toxic, stream });
    });
  }

  /** Stops every proxy for good. */
  async close(): Promise<void> {
    await Promise.all(this.all.map(({ name }) => this.remove(name).catch(() => undefined)));
  }

  #note(proxy: string, event: Parameters<EventLog["note"]>[1]): void {
    this.#options.events.note(proxy, event);
  }

  async #makeOrReplace(wanted: NewProxy): Promise<ManagedProxy> {
    const existing = this.#proxies.get(wanted.name);
    if (existing === undefined) return this.#make(wanted);
    if (existing.protocol === wanted.protocol && !(await existing.differs(wanted.listen, wanted.upstream)))
      return existing;
    await existing.stop();
    const made = await this.#make(wanted);
    await existing.remove();
    return made;
  }

  async #make(wanted: NewProxy): Promise<ManagedProxy> {
    const { name, listen, upstream, protocol, parts, seed, tls, isEnabled, toxics } = wanted;
    if (!this.#proxies.has(name) && this.#proxies.size >= MAX_PROXIES)
      throw new FaultProxyError(400, `there are ${MAX_PROXIES} proxies already; delete some`);
    const { clock, random, authority, maxHeldBytes } = this.#options;
    const proxy = new ManagedProxy({
      name,
      listen,
      upstream,
      protocol,
      parts,
      seed,
      tls,
      authority,
      maxHeldBytes,
      clock,
      random: seed === undefined ? random.fork(name) : seededRandom(seed),
      onEvent: (event) => this.#note(name, event),
    });
    await proxy.toxics.add(toxics);
    if (isEnabled) {
      await proxy.start().catch(async (error: unknown) => {
        await proxy.remove();
        throw error;
      });
    }
    this.#proxies.set(name, proxy);
    this.#warn(proxy);
    return proxy;
  }

  #warn({ name, listen, isEnabled }: ManagedProxy): void {
    const isOpenToAll = isEnabled && !/^(127\.|\[::1\]:|localhost:)/.test(listen);
    if (isOpenToAll) this.#options.onExposed?.(name, listen);
  }

  /** Runs `change` when the changes of this name that came before have ended. */
  #alone<Result>(name: string, change: () => Promise<Result>): Promise<Result> {
    const before = this.#changes.get(name) ?? Promise.resolve();
    const own = before.then(change, change);
    this.#changes.set(name, own);
    const done = (): void => {
      if (this.#changes.get(name) === own) this.#changes.delete(name);
    };
    own.then(done, done);
    return own;
  }
}

/** What a request says of a proxy; its types are right. */
interface ReadProxy {
  readonly name: string;
  readonly listen: string;
  readonly upstream: string;
  readonly isEnabled: boolean;
  readonly protocol: string;
  readonly seed: number | undefined;
  readonly tls: Fields | undefined;
  readonly toxics: readonly unknown[];
}

function readProxy(body: unknown): ReadProxy {
  const fields = new Fields("proxy", body);
  return {
    name: fields.text("name") ?? "",
    listen: fields.text("listen") ?? "",
    upstream: fields.text("upstream") ?? "",
    isEnabled: fields.boolean("enabled") ?? true,
    protocol: fields.text("protocol")?.toLowerCase() ?? "tcp",
    seed: fields.number("seed"),
    tls: fields.object("tls"),
    toxics: fields.list("toxics") ?? [],
  };
}

/** `where`: added to the name of a missing field. Throws an `FaultProxyError`. */
function checkedProxy(read: ReadProxy, where: string): NewProxy {
  const { name, upstream } = read;
  if (name === "") throw missingField(`name${where}`);
  if (upstream === "") throw missingField(`upstream${where}`);
  if (name.length > MAX_NAME_CHARACTERS) throw badBody(`proxy.name is longer than ${MAX_NAME_CHARACTERS} characters`);
  const protocol = (Object.keys(PROTOCOLS) as Protocol[]).find((one) => one === read.protocol);
  const parts = protocol === undefined ? undefined : PROTOCOLS[protocol];
  if (protocol === undefined || parts === undefined)
    throw badBody(`proxy.protocol is "${read.protocol}"; allowed is one of ${Object.keys(PROTOCOLS).join(", ")}`);
  const toxics: ToxicSettings[] = [];
  for (const one of read.toxics) {
    toxics.push(...newToxicsOf(one, parts.types, (taken) => toxics.some((toxic) => toxic.name === taken)));
    checkRoom(toxics.length);
  }
  const tls = read.tls === undefined ? undefined : tlsSettingsOf(read.tls);
  if (tls !== undefined && protocol !== "tcp") throw badBody("proxy.tls is for the protocol tcp");
  return { ...read, protocol, parts, tls, toxics };
}

function tlsSettingsOf(fields: Fields): TlsSettings {
  const fault = oneOf("proxy.tls.fault", fields.text("fault") ?? "none", TLS_FAULTS);
  const upstream = oneOf("proxy.tls.upstream", fields.text("upstream") ?? "plain", ["plain", "tls"] as const);
  const names = fields.list("names") ?? DEFAULT_NAMES;
  const isRight = names.length > 0 && names.length <= MAX_TLS_NAMES && names.every((name) => isTlsName(name));
  if (!isRight) throw badBody(`proxy.tls.names must be 1 to ${MAX_TLS_NAMES} host names or addresses`);
  return { fault, upstream, names: names as readonly string[] };
}

const MAX_TLS_NAMES = 20;

/** A name that a certificate may carry; a wildcard is one. */
function isTlsName(name: unknown): boolean {
  return typeof name === "string" && (isIP(name) !== 0 || isHost(name.replace(/^\*\./, "")));
}

function oneOf<Word extends string>(what: string, given: string, words: readonly Word[]): Word {
  const found = words.find((word) => word === given);
  if (found === undefined) throw badBody(`${what} is "${given}"; allowed is one of ${words.join(", ")}`);
  return found;
}

function checkRoom(toxics: number): void {
  if (toxics > MAX_TOXICS) throw new FaultProxyError(400, `a proxy has at most ${MAX_TOXICS} toxics; remove some`);
}
