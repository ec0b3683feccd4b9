import type { PriceTier } from '@/api/types';

/** The prices of a kind of model. */
export const PRICES = {
  chat: ['input_price', 'cached_input_price', 'cache_write_price', 'output_price', 'reasoning_price'],
  embedding: ['embedding_price'],
} as const;

export type Price = (typeof PRICES)['chat' | 'embedding'][number];
export type TierPrice = (typeof PRICES)['chat'][number];

/** The price that counts where another is absent. */
export const USUAL: Partial<Record<Price, TierPrice>> = {
  cached_input_price: 'input_price',
  cache_write_price: 'input_price',
  reasoning_price: 'output_price',
};

/** The tiers that a form's rows say, without what is empty in them. */
export function toTiers(rows: PriceTier[] = []): PriceTier[] {
  const given = (row: PriceTier) => PRICES.chat.flatMap((name) => (row[name] ? [[name, row[name]] as const] : []));
  return rows.map((row) => ({ above: row.above, ...Object.fromEntries(given(row)) }));
}
