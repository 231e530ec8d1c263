/**
 * A front is what stands between the callers and the two stations: one foreign program and the file
 * that configures it. A front is told the addresses and the numbers of the run and returns what to
 * start; the bench starts and ends it. Those that there are stand in `fronts.ts`. Callers'
 * connections must stay open while idle, `Idempotency-Key` must be passed on, and nobody but the
 * two stations may be used.
 */
import type { Setting } from "../setting.ts";

export interface StationAddress {
  /** Host and port where commands go. */
  readonly host: string;
  readonly port: number;
  /** Port of a health page of its own (`/health`), beside the one on the main port. */
  readonly healthPort: number;
}

export interface Place {
  readonly listenPort: number;
  /** A second port that the front may use, for its own administration. */
  readonly controlPort: number;
  readonly primary: StationAddress;
  readonly backup: StationAddress;
  /** An empty folder of the run, removed afterwards. */
  readonly folder: string;
  readonly setting: Setting;
  /** Folder of the checkout whose gateway is measured. */
  readonly gateway: string;
}

export interface Program {
  readonly command: string;
  readonly args: readonly string[];
  /** How long the front may still send something to a station after the last call. */
  readonly settleMs: number;
}

export type Front = (place: Place) => Program;
