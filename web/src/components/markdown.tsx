import XMarkdown, { type ComponentProps } from '@ant-design/x-markdown';
import { FileImageOutlined } from '@ant-design/icons';
import type { MarkedExtension } from 'marked';
import { createContext, lazy, Suspense, use, useEffect, useMemo, useState, type ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { citationExtension, withMarks, type Mark } from '@/lib/citation-extension';
import { safeLink } from '@/lib/safe-url';
import { CodeBlock } from './code-block';
import styles from './markdown.module.css';

const MermaidDiagram = lazy(() => import('./mermaid-diagram'));

interface CitationTarget {
  count: (index: number) => boolean;
  open: (index: number) => void;
}

const CitationContext = createContext<CitationTarget | undefined>(undefined);

function textOf(node: ReactNode): string {
  if (typeof node === 'string') return node;
  if (Array.isArray(node)) return node.map(textOf).join('');
  return '';
}

function Code({ block, lang, children, streamStatus }: ComponentProps) {
  if (!block) return <code>{children}</code>;
  const code = textOf(children).replace(/\n$/, '');
  const language = lang?.split(/\s/, 1)[0]?.toLowerCase();
  const plain = <CodeBlock code={code} language={language} />;
  if (language !== 'mermaid' || streamStatus !== 'done') return plain;
  return (
    <Suspense fallback={plain}>
      <MermaidDiagram source={code} />
    </Suspense>
  );
}

function Pre({ children }: ComponentProps) {
  return <>{children}</>;
}

function Link({ href, children }: ComponentProps<{ href?: string }>) {
  const target = safeLink(href);
  if (!target) return <span>{children}</span>;
  return (
    <a href={target} target="_blank" rel="noopener noreferrer nofollow">
      {children}
    </a>
  );
}

/** A remote image could carry the conversation away in its address: it is only offered as a link. */
function ImagePlaceholder({ src, alt }: ComponentProps<{ src?: string; alt?: string }>) {
  const { t } = useTranslation();
  const target = safeLink(src);
  const label = alt ? t('markdown.imageNamed', { name: alt }) : t('markdown.image');
  return (
    <span className={styles.image}>
      <FileImageOutlined aria-hidden />
      {target ? (
        <a href={target} target="_blank" rel="noopener noreferrer nofollow" title={target}>
          {label} · {new URL(target).host}
        </a>
      ) : (
        label
      )}
    </span>
  );
}

function CitationLink({ index }: ComponentProps<{ index?: string }>) {
  const { t } = useTranslation();
  const target = use(CitationContext);
  const number = Number(index);
  if (!target?.count(number)) return <>[{index}]</>;
  return (
    <sup className={styles.mark}>
      <button
        type="button"
        className={styles.citation}
        aria-label={t('markdown.openCitation', { index: number })}
        onClick={() => target.open(number)}
      >
        {number}
      </button>
    </sup>
  );
}

function Table({ children }: ComponentProps) {
  const { t } = useTranslation();
  return (
    <div className={styles.table} tabIndex={0} role="region" aria-label={t('common.table')}>
      <table>{children}</table>
    </div>
  );
}

const COMPONENTS = {
  code: Code,
  pre: Pre,
  a: Link,
  img: ImagePlaceholder,
  table: Table,
  'citation-ref': CitationLink,
};

const PURIFY = {
  FORBID_TAGS: ['style', 'form', 'input', 'button', 'textarea', 'select', 'iframe', 'object', 'embed', 'svg', 'video', 'audio', 'source', 'link', 'base', 'meta'],
  ADD_ATTR: ['index', 'data-block', 'data-state', 'data-lang'],
};

const MATH_HINT = /\$[^$\n]|\$\$|\\\(|\\\[/;

function useMath(content: string): MarkedExtension | undefined {
  const wanted = MATH_HINT.test(content);
  const [extension, setExtension] = useState<MarkedExtension>();
  useEffect(() => {
    if (!wanted) return;
    let current = true;
    void import('@/lib/math-extension').then((module) => {
      if (current) setExtension(() => module.mathExtension);
    });
    return () => {
      current = false;
    };
  }, [wanted]);
  return wanted ? extension : undefined;
}

interface MarkdownProps {
  content: string;
  streaming?: boolean;
  citations?: (Mark & { cited?: boolean })[];
  onCitation?: (index: number) => void;
}

/** Shows text of a model: untrusted, so sanitised and without anything that loads by itself. */
export function Markdown({ content, streaming = false, citations, onCitation }: MarkdownProps) {
  const math = useMath(content);
  const config = useMemo<MarkedExtension>(
    () => ({
      gfm: true,
      extensions: [...(citationExtension.extensions ?? []), ...(math?.extensions ?? [])],
    }),
    [math],
  );
  const target = useMemo<CitationTarget>(
    () => ({
      count: (index) => citations?.some((citation) => citation.index === index) ?? false,
      open: (index) => onCitation?.(index),
    }),
    [citations, onCitation],
  );
  const marked = useMemo(() => withMarks(content, citations ?? []), [content, citations]);
  return (
    <CitationContext value={target}>
      <XMarkdown
        key={math ? 'math' : 'plain'}
        className={styles.markdown}
        content={marked}
        config={config}
        components={COMPONENTS}
        dompurifyConfig={PURIFY}
        escapeRawHtml
        disableDefaultStyles
        streaming={{ hasNextChunk: streaming }}
      />
    </CitationContext>
  );
}
