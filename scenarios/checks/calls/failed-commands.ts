/**
 * Remembers where the commands at the gateway have failed, for the check of the breakers: a command
 * that another station serves counts against the station that failed it.
 *
 * For each failure it keeps the period of the station's circuit in which the attempt began, and
 * whether the failure may have counted already. It may have, unless the command was sent on to
 * another station in the same instant, or another attempt of it was out. The check cannot see which
 * of several sendings of a command failed where. It also cannot see whether a gateway has given up
 * the next attempt at the station that had failed the command before. If the gateway did, its last
 * knowledge of that station is silence, which is no failure to its circuit. So if such an attempt
 * is still out when another station serves the command, the failure may count or not.
 */
import type { Attempt, Command } from "../../fleet/observer.ts";

export interface Failure {
  /** Counts the transitions of the circuit. */
  readonly period: number;
  mayHaveCounted: boolean;
}

interface AtGateway {
  /** How many sendings of the command have arrived there and are not answered. */
  visits: number;
  readonly failures: Map<string, Failure>;
  readonly out: Set<Attempt>;
}

export class FailedCommands {
  readonly #commands: Map<Command, AtGateway> = new Map();

  arrived(command: Command): void {
    this.#of(command).visits++;
  }

  answered(command: Command): void {
    this.#forget(command);
  }

  /** Returns the failures of its command at other stations, by station. */
  began(attempt: Attempt): ReadonlyMap<string, Failure> {
    const { failures, out } = this.#of(attempt.command);
    out.add(attempt);
    return elsewhere(failures, attempt.station);
  }

  /** `attempt` has ended. Returns whether another attempt of its command is out. */
  ended(attempt: Attempt): boolean {
    const known = this.#commands.get(attempt.command);
    if (known === undefined) return false;
    known.out.delete(attempt);
    return known.visits <= 1 && [...known.out].some(({ signal }) => !signal.aborted);
  }

  failed({ command, station }: Attempt, failure: Failure): void {
    this.#of(command).failures.set(station, failure);
  }

  /** `attempt` was lost, or says nothing: the earlier answer of its station is outdated. */
  outdated({ command, station }: Attempt): void {
    this.#commands.get(command)?.failures.delete(station);
  }

  /** `attempt` was served. Returns the verdicts on the stations that failed the command before. */
  served({ command, station }: Attempt): [station: string, verdict: "failure" | "doubtful", period: number][] {
    const known = this.#commands.get(command);
    if (known === undefined) return [];
    const lost = [...elsewhere(known.failures, station)];
    const triedAgain = new Set([...known.out].map((attempt) => attempt.station));
    this.#forget(command);
    return lost.map(([name, { period, mayHaveCounted }]) => {
      const isSure = known.visits <= 1 && !mayHaveCounted && !triedAgain.has(name);
      return [name, isSure ? "failure" : "doubtful", period];
    });
  }

  clear(): void {
    this.#commands.clear();
  }

  #of(command: Command): AtGateway {
    const known = this.#commands.get(command);
    if (known !== undefined) return known;
    const fresh: AtGateway = { visits: 0, failures: new Map(), out: new Set() };
    this.#commands.set(command, fresh);
    return fresh;
  }

  #forget(command: Command): void {
    this.#commands.delete(command);
  }
}

function elsewhere(failures: ReadonlyMap<string, Failure>, station: string): ReadonlyMap<string, Failure> {
  return new Map([...failures].filter(([name]) => name !== station));
}
