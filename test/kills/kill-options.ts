/** What every rig that kills takes. */
export interface KillOptions {
  readonly kills: number;
  readonly seed: number;
  /** Called after each kill with how far it is. Default: nobody. */
  readonly note?: (progress: string) => void;
}
