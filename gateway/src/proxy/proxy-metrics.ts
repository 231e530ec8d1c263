/**
 * Bytes for Prometheus, under Toxiproxy's names and labels. They are read from the proxies on each
 * request, so live connections count too, where the reference adds them when they end. The bound on
 * proxies bounds the series; a deleted proxy's are gone.
 */
import { Counter, Registry } from "prom-client";
import type { ManagedProxy } from "./managed-proxy.ts";
import { STREAMS } from "./toxic.ts";

const LABELS = ["direction", "proxy", "listener", "upstream"] as const;

export class ProxyMetrics {
  readonly #registry: Registry = new Registry();
  readonly #proxies: () => readonly ManagedProxy[];
  readonly #received: Counter<(typeof LABELS)[number]>;
  readonly #sent: Counter<(typeof LABELS)[number]>;

  constructor(proxies: () => readonly ManagedProxy[]) {
    this.#proxies = proxies;
    const counter = (name: string, help: string): Counter<(typeof LABELS)[number]> =>
      new Counter({ name, help, labelNames: LABELS, registers: [this.#registry] });
    this.#received = counter("toxiproxy_proxy_received_bytes_total", "Bytes that a proxy has received.");
    this.#sent = counter("toxiproxy_proxy_sent_bytes_total", "Bytes that a proxy has sent on.");
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  text(): Promise<string> {
    this.#received.reset();
    this.#sent.reset();
    for (const proxy of this.#proxies()) {
      for (const direction of STREAMS) {
        const labels = { direction, proxy: proxy.name, listener: proxy.listen, upstream: proxy.upstream };
        const { receivedBytes, sentBytes } = proxy.counts(direction);
        this.#received.inc(labels, receivedBytes);
        this.#sent.inc(labels, sentBytes);
      }
    }
    return this.#registry.metrics();
  }
}
