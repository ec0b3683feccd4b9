import { expect, test } from 'vitest';
import { engineState } from './engine-state';

test('knows the form of the engine, and no other', () => {
  const engine = { process: { state: 'ready', restarts: 0 }, health: null, models: [] };
  expect(engineState(engine)).toBe(engine);
  expect(engineState({ process: 'ready', models: [] })).toBeUndefined();
  expect(engineState({ process: { state: 'ready' } })).toBeUndefined();
  expect(engineState(null)).toBeUndefined();
  expect(engineState('off')).toBeUndefined();
});
