/** The field `proxyProtocol` of a group: balancers that name the caller in front of a connection. */
import type { z } from "zod";
import type { GroupSettings } from "../fleet/settings.ts";
import { addressRange, list, section } from "./values.ts";

export const proxyProtocol: z.ZodType<GroupSettings["proxyProtocol"]> = section({
  trust: list(addressRange(), "addresses or ranges of addresses", 1).meta({
    range: "list of addresses and ranges, such as `[10.0.0.0/8]`",
    description:
      "Balancers in front that begin each connection with a PROXY header (version 1 or 2), which says who the " +
      "caller is. From them it is required; from any other address it is a malformed request",
  }),
})
  .optional()
  .meta({
    byDefault: "none",
    description: "Who the caller is, where a TCP balancer stands in front ([proxying](proxying.md#balancers-in-front))",
  });
