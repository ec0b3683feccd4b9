import type { MarkedExtension, Tokens } from 'marked';

// `[1]`, `[1, 3]` or `【1】`, but not the text of a link `[1](…)`.
const CITATION = /^(?:\[(\d{1,3}(?:\s*[,，]\s*\d{1,3})*)\](?!\(|\[|:)|【(\d{1,3})】)/;

/** Turns the numbers that point at sources into elements; code stays as it is. */
export const citationExtension: MarkedExtension = {
  extensions: [
    {
      name: 'citation',
      level: 'inline',
      start: (source) => {
        const at = source.search(/\[\d|【\d/);
        return at < 0 ? undefined : at;
      },
      tokenizer: (source): Tokens.Generic | undefined => {
        const match = CITATION.exec(source);
        if (!match) return undefined;
        return { type: 'citation', raw: match[0], numbers: (match[1] ?? match[2] ?? '').split(/\s*[,，]\s*/) };
      },
      renderer: (token) =>
        (token['numbers'] as string[])
          .map((number) => `<citation-ref index="${number}"></citation-ref>`)
          .join(''),
    },
  ],
};
