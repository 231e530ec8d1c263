/**
 * What a level of the adaptive model means, between orders of improbability of a silence and the
 * number that is asked for: plain phi up to 2, an order of mistakes an hour a level from 7 (ten an
 * hour) on, a straight line between. That line is the price of keeping both promises in one number.
 * For a sender so slow that one mistake an hour is a common silence the plain part is shorter.
 */

/** The level at which one mistake an hour is to be expected. */
export const HOURLY_LEVEL = 8;
/** From here on levels count mistakes an hour. */
export const RATE_LEVEL = 7;
/**
 * Up to here a level is plain phi, for a slow sender up to a share of the orders that mean one
 * mistake an hour.
 */
const PLAIN_LEVEL = 2;
const KNEE_SHARE = 0.4;

/** The level of a silence of so many orders, where `hourlyOrders` mean one mistake an hour. */
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
