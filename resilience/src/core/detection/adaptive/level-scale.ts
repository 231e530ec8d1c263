/**
 * The meaning of a level of the adaptive model, as a function of a silence's orders of
 * improbability. Up to 2 it is plain phi. From 7 (ten an hour) on, each level is one order of
 * mistakes an hour. Between them is a straight line, which connects the two meanings in one number.
 * For a sender so slow that one mistake an hour is a common silence, the plain part is shorter.
 */

/** The level at which one mistake an hour is expected. */
export const HOURLY_LEVEL = 8;
/** From this level on, levels count mistakes an hour. */
export const RATE_LEVEL = 7;
/**
 * Up to this level, a level is plain phi; for a slow sender, up to this share of the orders that
 * mean one mistake an hour.
 */
const PLAIN_LEVEL = 2;
const KNEE_SHARE = 0.4;

/** The level of a silence of `orders`, if `hourlyOrders` mean one mistake an hour. */
export function levelOf(orders: number, hourlyOrders: number): number {
  const knee = kneeOf(hourlyOrders);
  if (orders <= knee) return orders;
  const rateOrders = rateOrdersOf(knee, hourlyOrders);
  if (orders >= rateOrders) return HOURLY_LEVEL + orders - hourlyOrders;
  const rateLevel = HOURLY_LEVEL + rateOrders - hourlyOrders;
  return knee + ((orders - knee) * (rateLevel - knee)) / (rateOrders - knee);
}

/** The inverse of {@link levelOf}. */
export function ordersOf(level: number, hourlyOrders: number): number {
  const knee = kneeOf(hourlyOrders);
  if (level <= knee) return level;
  const rateOrders = rateOrdersOf(knee, hourlyOrders);
  const rateLevel = HOURLY_LEVEL + rateOrders - hourlyOrders;
  if (level >= rateLevel) return hourlyOrders + level - HOURLY_LEVEL;
  return knee + ((level - knee) * (rateOrders - knee)) / (rateLevel - knee);
}

function kneeOf(hourlyOrders: number): number {
  return Math.min(PLAIN_LEVEL, KNEE_SHARE * hourlyOrders);
}

function rateOrdersOf(knee: number, hourlyOrders: number): number {
  return Math.max(hourlyOrders - HOURLY_LEVEL + RATE_LEVEL, (knee + hourlyOrders) / 2);
}
