/** The part of opossum 10 that the benchmark uses; the package brings no types of its own. */
declare module "opossum" {
  interface Options {
    timeout?: number | false;
    errorThresholdPercentage?: number;
    resetTimeout?: number;
    capacity?: number;
    volumeThreshold?: number;
    rollingCountTimeout?: number;
    rollingCountBuckets?: number;
    rollingPercentilesEnabled?: boolean;
  }
  class CircuitBreaker<Arguments extends unknown[], Result> {
    constructor(action: (...parameters: Arguments) => Promise<Result>, options?: Options);
    fire(...parameters: Arguments): Promise<Result>;
    open(): void;
    shutdown(): void;
  }
  // biome-ignore lint/style/noDefaultExport: this is how the package exports it.
  export default CircuitBreaker;
}
