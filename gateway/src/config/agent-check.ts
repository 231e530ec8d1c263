/**
 * Configuration of the listener for HAProxy's agent checks: `agentCheck`. Without the section there
 * is none, because it is of use only beside an HAProxy.
 */
import type { z } from "zod";
import type { ListenSettings } from "../fleet/settings.ts";
import { listenAddress, section } from "./values.ts";

export const agentCheck: z.ZodType<{ readonly listen: ListenSettings } | undefined> = section({
  listen: listenAddress()
    .prefault("127.0.0.1:7072")
    .meta({
      range: "address (TCP)",
      description:
        "Where an HAProxy asks for the state of its servers, with `agent-send` and `group/station`. Loopback; for an " +
        "HAProxy on another machine write for example `10.0.0.7:7072`. Whoever reaches it learns whether a station " +
        "serves if he knows its name, and can change nothing",
    }),
})
  .optional()
  .meta({
    byDefault: "none: nothing listens for it",
    description: "Tells an HAProxy which server to use ([beside a balancer](beside-a-balancer.md))",
  });
