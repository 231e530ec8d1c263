/**
 * Rare situations that a batch of the swarm must meet at least once each. A batch that misses one
 * has not tested it.
 */
export const FLEET_SITUATIONS: readonly string[] = [
  // Decisions about stations.
  "abstention",
  "both stations silent",
  "declared down by the ceiling",
  "clock drift over 1000 ppm with a declaration",
  "failback",
  "failback given up",
  "maintenance of the active station",
  "nobody eligible",
  "operator switchover done",
  "operator switchover refused",
  "promotion",
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
  "judged: twins-are-told",
  "name conflict",
  // Phases, and what is watched only now and then.
  "calm group beside a troubled one",
  "calm group watched",
  "heal with backlog",
  "take-over watched",
  "take-over watched after an earlier fault",
  // The wide world: a situation happened there, and its checks could judge it.
  "own shortage",
  "station refused for want of capacity",
  "judged: collapse-is-told",
  "judged: goodput-comes-back",
  "judged: goodput-comes-back above capacity",
  "judged: no-role-change-without-fault",
  "judged: nobody-is-sent-in-vain",
  "judged: nobody-waits-for-nothing",
  "judged: one-bad-route-hurts-nobody",
  "judged: ordinary-error-is-prompt",
  "judged: outage-of-all-ends",
  "judged: patience-is-true",
  "judged: quiet-is-served",
  "judged: waiting-goes-by-itself",
];
