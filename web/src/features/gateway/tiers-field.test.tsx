import { screen, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { Form } from 'antd';
import { expect, test, vi } from 'vitest';
import { renderInApp, setUpApp } from '@/components/test-app';
import type { Row } from './tier-rules';
import { TiersField } from './tiers-field';

setUpApp();

/** Shows tiers in a form; answers with what it sends. */
function show(tiers: Row[], usual?: Parameters<typeof TiersField>[0]['usual']) {
  const sent = vi.fn();
  renderInApp(
    <Form layout="vertical" initialValues={{ tiers }} onFinish={sent}>
      <TiersField usual={usual} />
      <button type="submit">Send</button>
    </Form>,
  );
  return sent;
}

const field = (place: number, label: string) =>
  within(screen.getByRole('group', { name: `Tier ${place}` })).getByLabelText<HTMLInputElement>(label);
const ABOVE = 'Prompts of more than (tokens)';
const EMPTY = 'Enter at least one price.';
const TWICE = 'There is a tier of this number already.';
const PART = 'Enter this as well: shorter prompts have such a price.';
const CHEAPER = 'Lower than for shorter prompts: is that meant?';
const send = () => userEvent.click(screen.getByRole('button', { name: 'Send' }));
const isGone = (text: string) => vi.waitFor(() => expect(screen.queryByText(text)).toBeNull());
/** Errors come a frame after what they are about. */
const settle = () => new Promise((resolve) => setTimeout(resolve, 100));

test('nothing is wrong before a tier is sent, and a price mends one without', async () => {
  show([]);
  for (const above of ['200000', '500000']) {
    await userEvent.click(screen.getByRole('button', { name: /Add a tier/ }));
    await userEvent.type(field(above === '200000' ? 1 : 2, ABOVE), above);
  }
  await userEvent.type(field(1, 'Input'), '5');
  await userEvent.clear(field(1, 'Input'));
  await userEvent.type(field(1, 'Output'), '20');
  await userEvent.type(field(2, 'Input'), '6');
  await userEvent.clear(field(2, 'Input'));
  await settle();
  expect(screen.queryByText(EMPTY)).toBeNull();
  await send();
  expect(await screen.findAllByText(EMPTY)).toHaveLength(1);
  await userEvent.type(field(2, 'Output'), '30');
  await isGone(EMPTY);
});

test('of two tiers of one number either may be mended', async () => {
  show([{ above: 200_000, input_price: '5' }, { above: 200_000, input_price: '6' }]);
  await send();
  expect(await screen.findAllByText(TWICE)).toHaveLength(2);
  await userEvent.type(field(2, ABOVE), '0');
  await isGone(TWICE);
});

test('of two tiers of one number either may be removed', async () => {
  show([{ above: 200_000, input_price: '5' }, { above: 200_000, input_price: '6' }]);
  await send();
  await screen.findAllByText(TWICE);
  await userEvent.click(screen.getByRole('button', { name: 'Remove tier 2' }));
  await isGone(TWICE);
});

test('a part need not be named any more where the whole is not', async () => {
  const sent = show([{ above: 200_000, input_price: '5', output_price: '20' }], { cached_input_price: '1' });
  await send();
  expect(await screen.findByText(PART)).toBeDefined();
  await userEvent.clear(field(1, 'Input'));
  await isGone(PART);
  await send();
  await vi.waitFor(() => expect(sent).toHaveBeenCalled());
});

test('a price that is left out is told by what counts then', async () => {
  show([{ above: 200_000 }], { cached_input_price: '1' });
  for (const label of ['Input', 'Cached input', 'Cache write', 'Reasoning']) {
    expect(field(1, label).placeholder).toBe('As for shorter ones');
  }
  await userEvent.type(field(1, 'Input'), '5');
  expect(field(1, 'Cache write').placeholder).toBe('As Input');
  expect(field(1, 'Cached input').placeholder).toBe('');
  expect(field(1, 'Reasoning').placeholder).toBe('As for shorter ones');
  await userEvent.type(field(1, 'Output'), '9');
  expect(field(1, 'Reasoning').placeholder).toBe('As Output');
});

test('a price that is lower than for shorter prompts is pointed out, and sent all the same', async () => {
  const sent = show(
    [
      { above: 500_000, input_price: '9.5' },
      { above: 200_000, input_price: '10', output_price: '15' },
    ],
    { input_price: '2', output_price: '20' },
  );
  const hints = (place: number) => within(screen.getByRole('group', { name: `Tier ${place}` })).queryAllByText(CHEAPER);
  expect(await screen.findAllByText(CHEAPER)).toHaveLength(2);
  expect([hints(1).length, hints(2).length]).toEqual([1, 1]);
  await userEvent.clear(field(1, 'Input'));
  await userEvent.type(field(1, 'Input'), '12');
  expect([hints(1).length, hints(2).length]).toEqual([0, 1]);
  await send();
  await vi.waitFor(() => expect(sent).toHaveBeenCalled());
  expect(hints(2)).toHaveLength(1);
});
