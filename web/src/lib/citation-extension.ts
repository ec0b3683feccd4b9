import type { MarkedExtension, Tokens } from 'marked';
import { unitIndex } from './text-offsets';

/** A source and where the server found that the text rests on it, counted in characters. */
export interface Mark {
  index: number;
  marks?: number[];
}

// `[1]`, `[1, 3]` or `【1】`, but not the text of a link `[1](…)`; and `⟦1⟧`, which `withMarks` writes:
// punctuation, so that emphasis before it still ends.
const CITATION = /^(?:\[(\d{1,3}(?:\s*[,，]\s*\d{1,3})*)\](?!\(|\[|:)|【(\d{1,3})】|⟦(\d{1,3})⟧)/;

/** The text with a number behind each sentence that a source says. */
export function withMarks(text: string, citations: Mark[]): string {
  const places = citations
    .flatMap(({ index, marks }) => (marks ?? []).map((at) => ({ at, index })))
    .sort((a, b) => b.at - a.at || b.index - a.index);
  let marked = text;
  for (const { at, index } of places) {
    const unit = unitIndex(text, at);
    // A stream that starts over has not come as far yet.
    if (at > 0 && unitIndex(text, at - 1) < text.length) marked = `${marked.slice(0, unit)}⟦${index}⟧${marked.slice(unit)}`;
  }
  return marked;
}

/** Turns the numbers that point at sources into elements; code stays as it is. */
export const citationExtension: MarkedExtension = {
  extensions: [
    {
      name: 'citation',
      level: 'inline',
      start: (source) => {
        const at = source.search(/\[\d|【\d|⟦\d/);
        return at < 0 ? undefined : at;
      },
      tokenizer: (source): Tokens.Generic | undefined => {
        const match = CITATION.exec(source);
        if (!match) return undefined;
        const numbers = (match[1] ?? match[2] ?? match[3] ?? '').split(/\s*[,，]\s*/);
        return { type: 'citation', raw: match[0], numbers };
      },
      renderer: (token) =>
        (token['numbers'] as string[])
          .map((number) => `<citation-ref index="${number}"></citation-ref>`)
          .join(''),
    },
  ],
};
