/**
 * The entry point for tests and simulations. For a test: a clock that moves only when the test
 * advances it (`seededRandom`, the random numbers fixed by a seed, is at the main entry point). For
 * a simulation: a world of machines, disks and a network made from one seed, faults as data, and
 * the tools that explore seeds, shrink a failing run and replay it.
 *
 * @module ground-station-failover/sim
 */

/// <reference lib="esnext.disposable" preserve="true" />

export type { AssertSeedsOptions } from "./explore/assert-seeds.ts";
export { assertSeeds } from "./explore/assert-seeds.ts";
export type { ExploreOptions, ExploreProgress, ExploreReport, Failure } from "./explore/explore.ts";
export { DETERMINISTIC, explore } from "./explore/explore.ts";
export type { RegisterOperation } from "./explore/register-history.ts";
export { unexplained } from "./explore/register-history.ts";
export type { ReplayFile, ReplayReport, ReplayVerdict } from "./explore/replay.ts";
export { parseReplay, REPLAY_FORMAT, replay, writeReplay } from "./explore/replay.ts";
export type { DiagramOptions } from "./explore/sequence-diagram.ts";
export { mermaidDiagram, sequenceDiagram } from "./explore/sequence-diagram.ts";
export type { ShrinkOptions, ShrinkProgress, ShrinkReport } from "./explore/shrink.ts";
export { shrink } from "./explore/shrink.ts";
export type { FaultPlan, RunOptions, RunReport, Simulation, TieBreak } from "./explore/simulation.ts";
export { runOnce, SIMULATION_BROKEN } from "./explore/simulation.ts";
export {
  between,
  chance,
  exponential,
  logUniform,
  naturalExp,
  naturalLog,
  pareto,
  pick,
  shuffled,
  wholeBetween,
} from "./faults/draws.ts";
export type {
  CrashFault,
  DiskFault,
  DoorFault,
  DriftFault,
  Fault,
  LinkFault,
  PauseFault,
  SlowFault,
  WallStepFault,
} from "./faults/fault.ts";
export { checkFaults } from "./faults/fault.ts";
export type { FaultFamily, Link } from "./faults/fault-families.ts";
export type { SwarmOptions } from "./faults/fault-swarm.ts";
export { drawFaults, FAULT_FAMILIES } from "./faults/fault-swarm.ts";
export { healAll, inject } from "./faults/inject.ts";
export type { Check, CrashKind } from "./kernel/kernel.ts";
export type { NodeEnv, NodeOptions, Program, SimNode } from "./kernel/node.ts";
export type { NodeClock } from "./kernel/node-clock.ts";
export type { Trace, TraceRecord } from "./kernel/trace.ts";
export { traceJsonl, traceText } from "./kernel/trace-text.ts";
export { VirtualClock } from "./kernel/virtual-clock.ts";
export type { Violation, WorldOptions } from "./kernel/world.ts";
export { World } from "./kernel/world.ts";
export type { Connection, NetworkErrorCode } from "./network/connection.ts";
export { NetworkError } from "./network/connection.ts";
export type { Address, NetworkCounts } from "./network/direction.ts";
export type { BurstDelay, Delay, LinkConditions, PlainDelay } from "./network/link.ts";
export { HEALTHY_LINK } from "./network/link.ts";
export type { DoorMode } from "./network/machine.ts";
export type { Network, NodeNetwork } from "./network/network.ts";
export type { Payload } from "./network/payload.ts";
export type { Disk, RotPlace, SimDisk } from "./storage/disk.ts";
export type { DiskErrorCode } from "./storage/disk-error.ts";
export { DiskError } from "./storage/disk-error.ts";
export type { DiskFaults } from "./storage/disk-faults.ts";
