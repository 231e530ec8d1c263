/**
 * Room for nodes in a detector that remembers a bounded number of them. Ids come and go (a
 * container has a new one after each start), so what is remembered fills up with those that will
 * never be heard from again. When it is full, a new node takes the place of the one that has been
 * silent longest, if that one is gone: silent for so long that its level is as high as levels get.
 * To whoever asks, it was as suspicious as a node never heard from, and it still is. While none is
 * gone, a new node is refused: forgetting one that lives would be a false alarm, and a flood of
 * invented ids could cause as many as it likes.
 */
export class NodeRoom {
  readonly #maxNodes: number;
  readonly #goneAfterMs: number;
  /** Those that were gone at the last look, the one that was silent longest last. */
  #gone: { readonly name: string; readonly lastMs: number }[] = [];
  /** Before this none of the others can be gone: the look at all nodes is dear. */
  #nextLookMs: number = Number.NEGATIVE_INFINITY;
  #evictions = 0;

  /** `goneAfterMs`: the silence from which on a node may be forgotten. */
  constructor(maxNodes: number, goneAfterMs: number) {
    this.#maxNodes = maxNodes;
    this.#goneAfterMs = goneAfterMs;
  }

  /** How many nodes have been forgotten for want of room. */
  get evictions(): number {
    return this.#evictions;
  }

  /**
   * Is there room among `nodes` for one more? Forgets the one that has been silent longest where it
   * has to and may.
   */
  make(nodes: Map<string, { readonly lastMs: number }>, nowMs: number): boolean {
    if (nodes.size < this.#maxNodes || this.#evict(nodes)) return true;
    if (nowMs < this.#nextLookMs) return false;
    this.#look(nodes, nowMs);
    return this.#evict(nodes);
  }

  #evict(nodes: Map<string, { readonly lastMs: number }>): boolean {
    for (let gone = this.#gone.pop(); gone !== undefined; gone = this.#gone.pop()) {
      // It may have been heard from since, or forgotten on request.
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
