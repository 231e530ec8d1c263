/**
 * Bounds the number of nodes that a detector remembers. Ids come and go (a container has a new one
 * after each start), so the memory fills with nodes that will never be heard from again. When it is
 * full, a new node replaces the one that has been silent longest, if that one is gone: silent for
 * so long that its level is at its maximum. A gone node reads as suspicious as one never heard
 * from, so forgetting it changes no answer. If no node is gone, the new node is refused. To forget
 * a node that is alive would be a false alarm, and a flood of invented ids could cause any number
 * of these.
 */
export class NodeRoom {
  readonly #maxNodes: number;
  readonly #goneAfterMs: number;
  /** Nodes that were gone at the last check; the longest silent one is last. */
  #gone: { readonly name: string; readonly lastMs: number }[] = [];
  /** No other node can be gone before this. The check of all nodes is expensive. */
  #nextLookMs: number = Number.NEGATIVE_INFINITY;
  #evictions = 0;

  /** `goneAfterMs`: the silence after which a node may be forgotten. */
  constructor(maxNodes: number, goneAfterMs: number) {
    this.#maxNodes = maxNodes;
    this.#goneAfterMs = goneAfterMs;
  }

  /** How many nodes have been forgotten because there was no room. */
  get evictions(): number {
    return this.#evictions;
  }

  /**
   * Is there room among `nodes` for one more? If necessary, forgets the node that has been silent
   * longest, if it is gone.
   */
  make(nodes: Map<string, { readonly lastMs: number }>, nowMs: number): boolean {
    if (nodes.size < this.#maxNodes || this.#evict(nodes)) return true;
    if (nowMs < this.#nextLookMs) return false;
    this.#look(nodes, nowMs);
    return this.#evict(nodes);
  }

  #evict(nodes: Map<string, { readonly lastMs: number }>): boolean {
    for (let gone = this.#gone.pop(); gone !== undefined; gone = this.#gone.pop()) {
      // The node may have been heard from since, or forgotten on request.
      if (nodes.get(gone.name)?.lastMs !== gone.lastMs) continue;
      nodes.delete(gone.name);
      this.#evictions++;
      return true;
    }
    return false;
  }

  #look(nodes: ReadonlyMap<string, { readonly lastMs: number }>, nowMs: number): void {
    let oldestMs = Number.POSITIVE_INFINITY;
    for (const [name, { lastMs }] of nodes) {
      if (nowMs - lastMs >= this.#goneAfterMs) this.#gone.push({ name, lastMs });
      else if (lastMs < oldestMs) oldestMs = lastMs;
    }
    this.#gone.sort((one, other) => other.lastMs - one.lastMs);
    this.#nextLookMs = oldestMs + this.#goneAfterMs;
  }
}
