/**
 * One axis of time for all processes of this machine: the system's monotonic clock without the
 * per-process origin that `performance.now()` has. It lets the demo say how long after the fault,
 * set by one process, a command was answered to another. It means nothing on any other machine.
 */

/** Milliseconds since some instant in the past that every process here has in common. */
export function machineNowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
