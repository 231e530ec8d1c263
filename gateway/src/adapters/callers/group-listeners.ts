/**
 * The listeners of all groups, which may change while the gateway runs. New addresses are opened
 * before anything else changes: if one cannot be had, those that were opened for the change are
 * closed again, and nothing has happened. A listener whose address stays is not touched, also if
 * another group is served there from then on (a group that was renamed, two groups that swapped
 * their ports): its connections stay open. A listener that is not needed any more ends each
 * connection with its answer, as at a stop.
 */
import type { Group } from "../../fleet/group.ts";
import type { ListenSettings } from "../../fleet/settings.ts";
import { isSame } from "../../fleet/settings-change.ts";
import type { ListenerFigures, ProxyListener, ServedBounds } from "./http-proxy.ts";

export interface GroupListenersOptions {
  /** Opens a listener for a group at an address. */
  readonly open: (group: Group, bounds: ServedBounds) => Promise<ProxyListener>;
}

/** What is served where. */
export interface Served {
  readonly group: Group;
  readonly listen: ListenSettings;
  readonly bounds: ServedBounds;
}

/** Listeners that are open for a change, which has not happened yet. */
export interface PreparedListeners {
  /** Serves what was asked for from now on. Listeners that are left over are drained. */
  commit(drainMs: number): void;
  /** Closes the listeners that were opened. */
  cancel(): Promise<void>;
}

interface Open extends Served {
  readonly proxy: ProxyListener;
  /** The settings that were followed when it was last told. */
  readonly settings: Group["settings"];
}

export class GroupListeners implements AsyncDisposable {
  readonly #options: GroupListenersOptions;
  /** By group name. */
  #open: Map<string, Open> = new Map();
  readonly #leaving: Map<ProxyListener, Promise<void>> = new Map();

  constructor(options: GroupListenersOptions) {
    this.#options = options;
  }

  /** By group name. */
  get figures(): Readonly<Record<string, ListenerFigures>> {
    return Object.fromEntries([...this.#open].map(([name, { proxy }]) => [name, proxy]));
  }

  /** By group name. If port 0 was requested, the port that was assigned. */
  get addresses(): Readonly<Record<string, ListenSettings>> {
    return Object.fromEntries([...this.#open].map(([name, { proxy }]) => [name, proxy.address]));
  }

  /** Opens what `wanted` needs and is not open. Rejects, with nothing left open, if that fails. */
  async prepare(wanted: readonly Served[]): Promise<PreparedListeners> {
    const spare = new Set(this.#open.values());
    const kept = new Map<Served, ProxyListener>();
    for (const served of wanted) keep(served, this.#open.get(served.group.name), spare, kept);
    for (const served of wanted) {
      if (kept.has(served)) continue;
      const other = [...spare].find(
        ({ listen, settings }) =>
          isPlain(settings) && isPlain(served.group.settings) && listen.port !== 0 && isSame(listen, served.listen),
      );
      keep(served, other, spare, kept);
    }
    const opened: ProxyListener[] = [];
    const cancel = async (): Promise<void> => {
      await Promise.all(opened.map((proxy) => proxy[Symbol.asyncDispose]()));
    };
    try {
      for (const served of wanted) {
        if (kept.has(served)) continue;
        const proxy = await this.#options.open(served.group, served.bounds);
        opened.push(proxy);
        kept.set(served, proxy);
      }
    } catch (error) {
      await cancel();
      throw error;
    }
    return { cancel, commit: (drainMs) => this.#commit(wanted, kept, drainMs) };
  }

  /** From now on each connection ends with its answer. */
  retire(): void {
    for (const { proxy } of this.#open.values()) proxy.retire();
  }

  /** Resolves when all commands are over, or cut after `withinMs`. */
  async drain(withinMs: number): Promise<void> {
    const draining = [...this.#open.values()].map(({ proxy }) => proxy.drain(withinMs));
    for (const proxy of this.#leaving.keys()) draining.push(proxy.drain(withinMs));
    await Promise.all(draining);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const all = [...[...this.#open.values()].map(({ proxy }) => proxy), ...this.#leaving.keys()];
    await Promise.all(all.map((proxy) => proxy[Symbol.asyncDispose]()));
  }

  #commit(wanted: readonly Served[], kept: ReadonlyMap<Served, ProxyListener>, drainMs: number): void {
    const before = new Map([...this.#open.values()].map((open) => [open.proxy, open]));
    this.#open = new Map();
    for (const served of wanted) {
      const { group, bounds } = served;
      const proxy = kept.get(served) as ProxyListener;
      const last = before.get(proxy);
      before.delete(proxy);
      const isTold = last?.group === group && last.settings === group.settings && isSame(last.bounds, bounds);
      if (!isTold) proxy.serve(group, bounds);
      this.#open.set(group.name, { ...served, proxy, settings: group.settings });
    }
    for (const proxy of before.keys()) this.#leave(proxy, drainMs);
  }

  #leave(proxy: ProxyListener, drainMs: number): void {
    const left = proxy.drain(drainMs).then(() => proxy[Symbol.asyncDispose]());
    this.#leaving.set(
      proxy,
      left.finally(() => this.#leaving.delete(proxy)),
    );
  }
}

/** A listener that speaks TLS, or reads PROXY headers, is made for its group. */
function isPlain({ tls, proxyProtocol }: Group["settings"]): boolean {
  return tls === undefined && proxyProtocol === undefined;
}

/** `served` keeps the listener of `open`, if it asks for the same address. */
function keep(served: Served, open: Open | undefined, spare: Set<Open>, kept: Map<Served, ProxyListener>): void {
  if (open === undefined || !spare.has(open) || !isSame(open.listen, served.listen)) return;
  spare.delete(open);
  kept.set(served, open.proxy);
}
