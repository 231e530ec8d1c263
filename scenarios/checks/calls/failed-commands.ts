/**
 * Where commands have failed that are at the gateway, for the check of the breakers: a command that
 * another station serves counts against the one that failed it. Of each failure is kept in which
 * period of the station's circuit the attempt began, and whether the failure may have counted
 * already: it may, unless the command was sent on to another station in the same instant, or
 * another attempt of it was out. Which of several sendings of a command failed where cannot be
 * seen. Nor can it be seen whether a gateway has given up the next attempt at the station that had
 * failed the command before: where it has, the last that is known of that station is that it was
 * silent, which is no failure to its circuit. So a failure counts or not where such an attempt is
 * still out when another station serves the command.
 */
import type { Attempt, Command } from "../../fleet/observer.ts";

export interface Failure {
  /** Counts the transitions of the circuit. */
  readonly period: number;
  mayHaveCounted: boolean;
}

interface AtGateway {
  /** How often it was sent there and is not answered. */
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

  /** `attempt` is over: is another one of its command out? */
  ended(attempt: Attempt): boolean {
    const known = this.#commands.get(attempt.command);
    if (known === undefined) return false;
    known.out.delete(attempt);
    return known.visits <= 1 && [...known.out].some(({ signal }) => !signal.aborted);
  }

  failed({ command, station }: Attempt, failure: Failure): void {
    this.#of(command).failures.set(station, failure);
  }

  /** `attempt` was lost, or says nothing: what its station said before is outdated. */
  outdated({ command, station }: Attempt): void {
    this.#commands.get(command)?.failures.delete(station);
  }

  /** `attempt` was served: what that says of the stations that failed the command, by station. */
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
