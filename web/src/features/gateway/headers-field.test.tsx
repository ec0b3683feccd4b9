import { screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { Button, Form } from 'antd';
import { expect, test, vi } from 'vitest';
import { renderInApp, setUpApp } from '@/components/test-app';
import { fromRows, HeadersField, toRows } from './headers-field';
import { cleanConfig } from './schema-fields';

setUpApp();

/** Shows the headers of these settings; answers with what saves them and what was saved. */
function show(config: Record<string, unknown>) {
  const onFinish = vi.fn();
  renderInApp(
    <Form initialValues={{ config: { ...config, headers: toRows(config) } }} onFinish={onFinish}>
      <HeadersField kept={toRows(config)} />
      <Button htmlType="submit">Save</Button>
    </Form>,
  );
  const save = () => userEvent.click(screen.getByRole('button', { name: 'Save' }));
  return { save, onFinish };
}

/** A field of the row at this place. */
function field(which: 'Name' | 'Value', row: number) {
  return screen.getByLabelText(`Further headers ${row + 1}: ${which}`);
}

test('the value of a header that is set stays where none is typed', async () => {
  const { save, onFinish } = show({ headers: { 'x-team': true, 'x-token': true } });
  expect(field('Value', 0).getAttribute('placeholder')).toBe('Set; type to replace it');
  await userEvent.type(field('Value', 1), 'secret');
  await userEvent.click(screen.getByRole('button', { name: /Add a header/ }));
  await userEvent.type(field('Name', 2), 'x-new');
  await userEvent.type(field('Value', 2), 'value');
  await save();
  await vi.waitFor(() => expect(onFinish).toHaveBeenCalled());
  const saved = onFinish.mock.lastCall?.[0] as { config: Record<string, unknown> } | undefined;
  expect(cleanConfig(saved?.config)).toEqual({ headers: { 'x-team': true, 'x-token': 'secret', 'x-new': 'value' } });
});

test('a new header needs a value, and a name that no other has', async () => {
  const { save, onFinish } = show({ headers: { 'x-team': true } });
  await userEvent.click(screen.getByRole('button', { name: /Add a header/ }));
  await userEvent.type(field('Name', 1), 'X-Team');
  await save();
  // Said of both.
  await vi.waitFor(() => expect(screen.getAllByText('There is a header of this name already.')).toHaveLength(2));
  await userEvent.clear(field('Name', 1));
  await userEvent.type(field('Name', 1), 'x-other');
  await save();
  expect(await screen.findByText('Please fill this in.')).toBeDefined();
  expect(onFinish).not.toHaveBeenCalled();
});

test('each row says which it is', () => {
  show({ headers: { 'x-team': true, 'x-token': true } });
  expect(screen.getByRole('button', { name: 'Further headers 2: Remove this header' })).toBeDefined();
});

test('settings without headers say nothing of them', () => {
  expect(toRows(undefined)).toEqual([]);
  expect(fromRows(toRows({ headers: { a: true } }))).toEqual({ a: true });
  expect(cleanConfig({ headers: [], api: 'chat' })).toEqual({ api: 'chat' });
  expect(cleanConfig(undefined)).toEqual({});
});
