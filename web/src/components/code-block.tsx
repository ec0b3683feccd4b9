import type { HLJSApi } from 'highlight.js';
import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { CopyButton } from './copy-button';
import styles from './code-block.module.css';


let loading: Promise<HLJSApi> | undefined;
let ready: HLJSApi | undefined;

async function load(): Promise<HLJSApi> {
  loading ??= import('highlight.js/lib/common').then((module) => (ready = module.default));
  return loading;
}

/** Past this, colouring would hold up the page for more than it helps. */
const MAX_HIGHLIGHTED = 50_000;

/** A block of code with its language and a copy button; coloured once the highlighter is here. */
export function CodeBlock({ code, language }: { code: string; language?: string }) {
  const { t } = useTranslation();
  const [highlighter, setHighlighter] = useState<HLJSApi | undefined>(() => ready);
  useEffect(() => {
    if (!highlighter) void load().then((loaded) => setHighlighter(() => loaded));
  }, [highlighter]);
  const known = language !== undefined && code.length < MAX_HIGHLIGHTED;
  const html = known && highlighter?.getLanguage(language) ? highlighter.highlight(code, { language, ignoreIllegals: true }).value : undefined;
  return (
    <figure className={styles.block}>
      <figcaption className={styles.head}>
        <span>{language ?? t('common.code')}</span>
        <CopyButton text={code} />
      </figcaption>
      {/* Scrolls sideways, so the keyboard must reach it. */}
      <pre className={styles.code} tabIndex={0} aria-label={language ?? t('common.code')}>
        {html === undefined ? (
          <code>{code}</code>
        ) : (
          // eslint-disable-next-line no-restricted-syntax -- the highlighter escapes its input
          <code className="hljs" dangerouslySetInnerHTML={{ __html: html }} />
        )}
      </pre>
    </figure>
  );
}
