/**
 * Events of the gateway that checks wait for by name, and that not every version of it has. `overload` says that less is
 * answered in time than is asked for, with the numbers of the moment.
 */
export const OVERLOAD_EVENT = "overload";

/** Numbers that an {@link OVERLOAD_EVENT} carries: commands offered, answered with success and refused, of the same span of time. */
export const OVERLOAD_NUMBERS: readonly string[] = ["offered", "answered", "refused"];
