import type { KnownModel } from '@/api/types';

/** What the tests take to be known of a model. */
export const LARGE: KnownModel = {
  provider: 'openai',
  model: 'large',
  kind: 'chat',
  as_of: '2026-10-21',
  input_price: '2.5',
  cached_input_price: '1.25',
  output_price: '10',
  prices_up_to: 200_000,
  context_length: 1_000_000,
  max_output_tokens: 64_000,
};
