/**
 * One time axis for all processes of this machine: the operating system's monotonic clock, without
 * the per-process origin of `performance.now()`. With it the demo can tell how long after a fault,
 * caused by one process, a command was answered to another process. It is valid only on one
 * machine.
 */

/** Milliseconds since an instant in the past that all processes of this machine share. */
export function machineNowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
