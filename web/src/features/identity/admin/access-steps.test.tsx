import { render, screen } from '@testing-library/react';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { AccessExplanation } from '@/api/types';
import { showLanguage } from '@/lib/i18n';
import { AccessSteps } from './access-steps';

beforeAll(async () => {
  vi.stubGlobal('matchMedia', () => ({ matches: true, addEventListener: vi.fn(), removeEventListener: vi.fn() }));
  await showLanguage('zh');
});
afterAll(async () => {
  vi.unstubAllGlobals();
  await showLanguage('en');
});

const explanation: AccessExplanation = {
  user_id: '0198c0de-4b1d-7000-8000-000000000001',
  username: 'ada',
  action: 'edit',
  object_type: 'knowledge_base',
  object_id: '0198c0de-4b1d-7000-8000-000000000002',
  allowed: false,
  steps: [
    { check: 'person', passed: true, finding: { code: 'person_active' }, detail: 'In English.', reasons: [] },
    {
      check: 'object',
      passed: false,
      finding: { code: 'no_way_gives', object: 'Handbook', level: 'edit' },
      detail: 'In English.',
      reasons: [
        {
          counts: false,
          way: { code: 'group', level: 'use', group: 'Readers', granted_by: 'root', granted_at: '2026-11-20T12:00:00Z' },
          blocked_by: 'group_deleted',
          detail: 'In English.',
        },
        { counts: false, way: { code: 'everyone', level: 'view' }, short_of: 'edit', detail: 'More English.' },
      ],
    },
  ],
};

test('what a key may is told with its models', () => {
  const finding = {
    code: 'key_holds' as const,
    key: 'ci (…x7Qa)',
    right: 'inference:create',
    models: ['gpt-5', 'best'],
    addresses: ['192.0.2.0/24'],
  };
  const step = { check: 'object', passed: true, finding, detail: 'In English.', reasons: [] };
  render(<AccessSteps explanation={{ ...explanation, object_type: 'api_key', steps: [step] }} />);
  const words = '密钥 ci (…x7Qa) 拥有权限 inference:create。 仅限模型 gpt-5, best。 仅限来自 192.0.2.0/24。';
  expect(screen.getByText(words)).toBeTruthy();
});

test('every step and reason is told in the reader’s language', () => {
  const { container } = render(<AccessSteps explanation={explanation} />);
  expect(screen.getByText('ada 没有权限')).toBeTruthy();
  expect(screen.getByText('ada 处于启用状态。')).toBeTruthy();
  expect(screen.getByText('没有任何途径让 ada 对“Handbook”拥有“编辑”级别。')).toBeTruthy();
  expect(container.textContent).toContain('由 root 授权，作为 Readers 的成员获得“使用”级别。');
  expect(screen.getByText('无效：该组已删除。')).toBeTruthy();
  expect(screen.getByText('低于“编辑”。')).toBeTruthy();
  expect(container.textContent).not.toContain('English');
});
