import type { FormInstance } from 'antd';
import { useEffect, useRef } from 'react';
import type { KnownModel, ModelKind } from '@/api/types';
import { isEmpty, type Row } from './tier-rules';

/** The prices of which something may be known. */
export const KNOWN_PRICES = {
  chat: ['input_price', 'output_price', 'cached_input_price', 'cache_write_price'],
  embedding: ['embedding_price'],
} as const;

const FIELDS = [...KNOWN_PRICES.chat, ...KNOWN_PRICES.embedding, 'context_length'] as const;

type Price = (typeof KNOWN_PRICES)[ModelKind][number];
type Figures = Partial<Record<(typeof FIELDS)[number], string | number | null | undefined>>;

/** The prices that are known of a model, for one of this kind. */
export function knownPrices(known: KnownModel, kind: ModelKind): Partial<Record<Price, string>> {
  const names: readonly Price[] = known.kind === kind ? KNOWN_PRICES[kind] : [];
  const prices = names.flatMap((name): [Price, string][] => {
    const price = known[name];
    return price == null ? [] : [[name, price]];
  });
  return Object.fromEntries(prices);
}

/**
 * What becomes of a form's fields: those that are empty, or hold what was suggested last, take what is
 * known now. What somebody typed stays.
 */
export function suggested(fields: Figures, last: Figures, known: KnownModel | null): Figures {
  const figures: Figures = known ? { ...knownPrices(known, known.kind), context_length: known.context_length } : {};
  const free = FIELDS.filter((name) => fields[name] == null || fields[name] === '' || fields[name] === last[name]);
  return Object.fromEntries(free.map((name) => [name, figures[name] ?? undefined] as const));
}

/**
 * The same for tiers: one of which nothing is said but where the last suggestion begins, begins where this
 * does; so does the first where nothing is said of it at all.
 */
export function suggestedTiers(rows: Row[], last: number | null | undefined, from: number | null | undefined): Row[] {
  const isFree = (row: Row, place: number) =>
    isEmpty(row) && (row?.above == null ? place === 0 : row.above === last);
  return rows.map((row, place) => (isFree(row, place) ? (from == null ? {} : { above: from }) : row));
}

/** Suggests in a form what is known of the model that it names; undefined while nobody knows yet. */
export function useSuggestion<Values>(form: FormInstance<Values>, known: KnownModel | null | undefined): void {
  const last = useRef<Figures>({});
  const from = useRef<number | null>(undefined);
  useEffect(() => {
    if (known === undefined) return;
    const { getFieldValue, isFieldTouched, setFields, setFieldsValue } = form as FormInstance;
    const fields = FIELDS.map((name) => [name, getFieldValue(name) as Figures[typeof name]] as const);
    last.current = suggested(Object.fromEntries(fields), last.current, known);
    setFieldsValue(last.current);
    const rows = getFieldValue('tiers') as Row[] | undefined;
    if (rows) setFieldsValue({ tiers: suggestedTiers(rows, from.current, known?.prices_up_to) });
    from.current = known?.prices_up_to;
    // The other ways to set it would count as somebody's choice.
    if (known && !isFieldTouched('kind')) setFields([{ name: 'kind', value: known.kind }]);
  }, [form, known]);
}
