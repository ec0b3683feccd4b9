import { screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, test, vi } from 'vitest';
import { renderPage, setUpApp } from '@/components/test-app';
import { WelcomePage } from './welcome-page';

setUpApp();

const BASE = { id: 'b1', name: 'My documents', editable: true, document_count: 0 };

function answer(url: string): Response {
  if (url.includes('/knowledge-bases/b1/documents')) return Response.json({ items: [] });
  if (url.includes('/knowledge-bases/b1')) return Response.json(BASE);
  if (url.includes('/knowledge-bases/')) return Response.json({ code: 'not_found', detail: 'It is gone.' }, { status: 404 });
  return Response.json({ items: [BASE, { ...BASE, id: 'b2', name: 'Lent', editable: false }] });
}

function open(address: string) {
  vi.stubGlobal('fetch', (url: string) => Promise.resolve(answer(url)));
  return renderPage('/welcome', WelcomePage, address);
}

test('a second use has a name that is free, and the bases that one may add to', async () => {
  const search = open('/welcome');
  expect(await screen.findByRole<HTMLInputElement>('textbox')).toHaveProperty('value', 'My documents 2');
  expect(screen.queryByText('Lent')).toBeNull();
  await userEvent.click(screen.getByRole('link', { name: /My documents/ }));
  await screen.findByText('Drop files here, or click to choose');
  expect(search()).toEqual({ base: 'b1' });
});

test('the address leads back to the step', async () => {
  open('/welcome?base=b1&step=ask');
  expect(await screen.findByText('Ask anything that "My documents" could answer.')).toBeDefined();
});

test('a base that is gone is told, and another can be made', async () => {
  open('/welcome?base=b9');
  expect(await screen.findByText('It is gone.')).toBeDefined();
  expect(await screen.findByRole('button', { name: 'Create it' })).toBeDefined();
});
