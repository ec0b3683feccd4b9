import katex from 'katex';
import 'katex/dist/katex.min.css';
import type { MarkedExtension, TokenizerExtension, RendererExtension, Tokens } from 'marked';

const BLOCK = /^(?:\$\$([\s\S]+?)\$\$|\\\[([\s\S]+?)\\\])(?:\n|$)/;
// `$5 and $6` is money: no blank inside the dollars, no digit after them.
const INLINE = /^(?:\$\$([^$\n]+?)\$\$|\\\(([\s\S]+?)\\\)|\$(?!\s)([^$\n]*?[^$\s\\])\$(?!\d))/;

type MathExtension = TokenizerExtension & RendererExtension;

function extension(level: 'block' | 'inline', pattern: RegExp, begin: RegExp): MathExtension {
  const name = `math-${level}`;
  return {
    name,
    level,
    start: (source) => {
      const at = source.search(begin);
      return at < 0 ? undefined : at;
    },
    tokenizer: (source): Tokens.Generic | undefined => {
      const match = pattern.exec(source);
      const text = match?.slice(1).find(Boolean);
      return match && text !== undefined ? { type: name, raw: match[0], text: text.trim() } : undefined;
    },
    renderer: (token) =>
      katex.renderToString(token['text'] as string, {
        displayMode: level === 'block',
        throwOnError: false,
        output: 'html',
        trust: false,
      }),
  };
}

export const mathExtension: MarkedExtension = {
  extensions: [extension('block', BLOCK, /(?<=\n)(?:\$\$|\\\[)/), extension('inline', INLINE, /\$|\\[([]/)],
};

