import { render, screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { beforeAll, expect, test, vi } from 'vitest';
import { showLanguage } from '@/lib/i18n';
import { Markdown } from './markdown';

beforeAll(() => showLanguage('en'));

const html = (content: string) => render(<Markdown content={content} />).container;

test('scripts, handlers, frames and styles do not get through', () => {
  const container = html(
    '<script>alert(1)</script><img src=x onerror=alert(1)><iframe src="https://a.b"></iframe><style>*{}</style>\n\n<b onclick="x()">b</b>',
  );
  expect(container.querySelector('script, iframe, style, img, [onclick], [onerror]')).toBeNull();
});

test('no image is loaded; its address is offered as a link', () => {
  const container = html('![chart](https://tracker.example/p.png?d=secret)');
  expect(container.querySelector('img')).toBeNull();
  expect(screen.getByRole('link').getAttribute('href')).toBe('https://tracker.example/p.png?d=secret');
});

test('links open apart, and only with allowed schemes', () => {
  const container = html('[a](https://example.org) [b](javascript:alert(1)) [c](/api/v1/auth/sign-out)');
  const links = [...container.querySelectorAll('a')];
  expect(links.map((link) => link.getAttribute('href'))).toEqual(['https://example.org/']);
  expect(links[0]?.rel).toContain('noopener');
});

test('citations open their source; numbers without one and code stay text', async () => {
  const open = vi.fn();
  render(<Markdown content={'Kept 90 days [1, 2] and [7]. `a[1]`'} citations={[{ index: 1 }, { index: 2 }]} onCitation={open} />);
  const buttons = screen.getAllByRole('button');
  expect(buttons.map((button) => button.textContent)).toEqual(['1', '2']);
  if (buttons[1]) await userEvent.click(buttons[1]);
  expect(open).toHaveBeenCalledWith(2);
  expect(document.body.textContent).toContain('[7]');
  expect(document.querySelector('code')?.textContent).toBe('a[1]');
});

test('formulas are set, money is not', async () => {
  const container = html('Math: $a^2+b^2=c^2$ and it costs $5 and $6.\n\n$$\\frac{1}{2}$$\n');
  await waitFor(() => expect(container.querySelectorAll('.katex')).toHaveLength(2), { timeout: 5000 });
  expect(container.textContent).toContain('it costs $5 and $6.');
});

test('marks stand behind the sentences that a source says, and nowhere in code', async () => {
  const open = vi.fn();
  const content = '馆长是**林若溪。**It measures 84 cm. See `a.b`.\n\n```\nx\n```\n';
  const citations = [{ index: 1, marks: [11] }, { index: 3, marks: [11, 29] }];
  const { container } = render(<Markdown content={content} citations={citations} onCitation={open} />);
  expect(container.querySelector('strong')?.textContent).toBe('林若溪。');
  expect(container.querySelector('p')?.textContent).toBe('馆长是林若溪。13It measures 84 cm.3 See a.b.');
  const marks = [...container.querySelectorAll('sup button')];
  expect(marks.map((mark) => mark.textContent)).toEqual(['1', '3', '3']);
  if (marks[1]) await userEvent.click(marks[1]);
  expect(open).toHaveBeenCalledWith(3);
});

test('a mark waits for the text that it belongs to', () => {
  const { container } = render(<Markdown content="Half a" streaming citations={[{ index: 1, marks: [20] }]} />);
  expect(container.textContent).toContain('Half a');
  expect(container.querySelector('button')).toBeNull();
});
