import { useEffect, useId, useRef, useState } from 'react';
import { useDark } from '@/lib/preferences';
import { CodeBlock } from './code-block';

/** Draws a diagram; shows its source while loading and where it is not valid. */
export default function MermaidDiagram({ source }: { source: string }) {
  const id = useId().replace(/[^a-zA-Z0-9]/g, '');
  const dark = useDark();
  const host = useRef<HTMLDivElement>(null);
  const [drawn, setDrawn] = useState(false);
  useEffect(() => {
    const controller = new AbortController();
    void (async () => {
      const { default: mermaid } = await import('mermaid');
      mermaid.initialize({ startOnLoad: false, securityLevel: 'strict', theme: dark ? 'dark' : 'neutral' });
      const valid = await mermaid.parse(source, { suppressErrors: true });
      if (!valid) return;
      const { svg } = await mermaid.render(`diagram${id}`, source);
      if (controller.signal.aborted || !host.current) return;
      // Parsed apart from this page, so that no script in it can run.
      host.current.replaceChildren(...new DOMParser().parseFromString(svg, 'text/html').body.childNodes);
      setDrawn(true);
    })();
    return () => controller.abort();
  }, [source, dark, id]);
  return (
    <>
      <div ref={host} role="img" aria-label={source.split('\n', 1)[0]} hidden={!drawn} />
      {!drawn && <CodeBlock code={source} language="mermaid" />}
    </>
  );
}
