import type { PriceTier } from '@/api/types';
import { PRICES, USUAL, type TierPrice } from './price-names';

/** A row that was added a moment ago is empty. */
export type Row = Partial<PriceTier> | undefined;

/** What a form says of prices. */
export type Prices = { tiers?: Row[] } & Partial<Record<TierPrice, string | null>>;

/** The price where it is told that a tier has none. */
export const FIRST = PRICES.chat[0];

export const isEmpty = (row: Row): boolean => PRICES.chat.every((name) => !row?.[name]);

export function isTwice({ tiers = [] }: Prices, place: number): boolean {
  const above = tiers[place]?.above;
  return above != null && tiers.some((other, at) => at !== place && other?.above === above);
}

/** What prompts that are too short for a tier pay, where that is known. */
function ofShorter({ tiers = [], ...base }: Prices, place: number, name: TierPrice) {
  const above = (row: Row) => row?.above ?? 0;
  const shorter = tiers.filter((other) => other?.[name] && above(other) < above(tiers[place]));
  const [next] = shorter.sort((one, other) => above(other) - above(one));
  return next?.[name] ?? base[name];
}

/**
 * What counts where a tier leaves a price out: its price of the whole, or what shorter prompts cost.
 * Nothing where the server refuses that: part of a call would cost too little.
 */
export function instead(prices: Prices, place: number, name: TierPrice): TierPrice | 'shorter' | 'nothing' {
  const whole = USUAL[name];
  if (!whole || !prices.tiers?.[place]?.[whole]) return 'shorter';
  return ofShorter(prices, place, name) ? 'nothing' : whole;
}

/** Whether a tier's price is lower than that of shorter prompts, which is allowed and seldom meant. */
export function isCheaper(prices: Prices, place: number, name: TierPrice): boolean {
  const own = prices.tiers?.[place]?.[name];
  const usual = ofShorter(prices, place, name);
  return Boolean(own && usual) && Number(own) < Number(usual);
}

/** The fields that decide whether a tier's price is as it should be, of so many tiers. */
export function deciding(name: TierPrice, place: number, count: number): (string | number)[][] {
  const of = (row: number, field: keyof PriceTier) => ['tiers', row, field];
  if (name === FIRST) return PRICES.chat.filter((other) => other !== name).map((other) => of(place, other));
  const whole = USUAL[name];
  if (!whole) return [];
  const rows = [...Array(count).keys()];
  return [[name], ['tiers'], of(place, whole), ...rows.flatMap((row) => [of(row, 'above'), of(row, name)])];
}
