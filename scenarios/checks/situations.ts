/** Rare situations that a batch of the swarm must meet at least once each, or it has not tested them. */
export const FLEET_SITUATIONS: readonly string[] = [
  // What is decided about stations.
  "abstention",
  "both stations silent",
  "declared down by the ceiling",
  "clock drift over 1000 ppm with a declaration",
  "failback",
  "maintenance with drain",
  "nobody fit",
  "operator switchover done",
  "operator switchover refused",
  "promotion",
  "promotion during handover",
  // What happens to commands.
  "budget refused",
  "command ambiguous",
  "deadline spent while waiting",
  "deduplicated",
  "duplicate after failover",
  "held command resumed by promotion",
  "lying 200 seen",
  "never-sent moved to the other station",
  "source retried after gateway crash",
  "station restart during service",
  "waiting room full",
  // Circuits.
  "breaker opened",
  "half-open probe failed",
  "half-open probe succeeded",
  // Epochs, heartbeats, settings.
  "broken settings refused",
  "challenge lost",
  "epoch adopted after gateway restart",
  "fenced",
  "heartbeat replayed",
  // Phases, and what is watched only now and then.
  "calm group beside a troubled one",
  "calm group watched",
  "heal with backlog",
  "take-over watched",
  "take-over watched after an earlier fault",
];
