import { Checkbox, Collapse, Form, InputNumber } from 'antd';
import { useTranslation } from 'react-i18next';
import type { RouteSettings } from '@/api/types';
import styles from '@/features/gateway/gateway.module.css';
import { CAUSES, type TimeName } from './route-values';

/** What happens when a model fails or is slow; times are in seconds. */
export function SettingsFields() {
  const { t } = useTranslation();
  const number = (name: keyof RouteSettings, label: string, min: number, max: number) => (
    <Form.Item name={['settings', name]} label={label} rules={[{ required: true, message: t('common.required') }]}>
      <InputNumber min={min} max={max} precision={0} style={{ width: '100%' }} />
    </Form.Item>
  );
  const time = (name: TimeName, label: string, min: number, max: number, optional = false) => (
    <Form.Item name={['settings', name]} label={label} rules={[{ required: !optional, message: t('common.required') }]}>
      <InputNumber min={min} max={max} style={{ width: '100%' }} {...(optional ? { placeholder: t('routes.noLimit') } : {})} />
    </Form.Item>
  );
  return (
    <Collapse
      style={{ margin: '22px 0' }}
      items={[
        {
          key: 'failing',
          label: t('routes.failing'),
          forceRender: true,
          children: (
            <>
              <Form.Item name={['settings', 'fallback_on']} label={t('routes.fallback')}>
                <Checkbox.Group options={CAUSES.map((value) => ({ value, label: t(`routes.causes.${value}`) }))} />
              </Form.Item>
              <div className={styles.pair}>
                {number('retries', t('routes.retries'), 0, 5)}
                {time('backoff_ms', t('routes.backoff'), 0.001, 10)}
                {time('wait_budget_ms', t('routes.waitBudget'), 0, 60)}
              </div>
            </>
          ),
        },
        {
          key: 'limits',
          label: t('routes.limits'),
          forceRender: true,
          children: (
            <div className={styles.pair}>
              {time('first_token_timeout_ms', t('routes.firstToken'), 0.05, 3600, true)}
              {time('answer_timeout_ms', t('routes.wholeAnswer'), 0.05, 3600, true)}
            </div>
          ),
        },
        {
          key: 'rest',
          label: t('routes.rest'),
          forceRender: true,
          children: (
            <>
              <p className={styles.muted}>{t('routes.restHint')}</p>
              <div className={styles.pair}>
                {number('failure_percent', t('routes.failurePercent'), 1, 100)}
                {number('min_calls', t('routes.minCalls'), 1, 1000)}
                {time('window_ms', t('routes.window'), 1, 3600)}
                {time('cooldown_ms', t('routes.cooldown'), 0.1, 3600)}
              </div>
            </>
          ),
        },
      ]}
    />
  );
}
