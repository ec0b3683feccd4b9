import { Alert, Steps } from 'antd';
import { useTranslation } from 'react-i18next';
import type { AccessExplanation } from '@/api/types';
import { StatusDot } from '@/components/status-dot';
import { useAccessWords } from './access-words';
import styles from './admin.module.css';

const CHECKS = ['person', 'right', 'object'] as const;

/** The verdict, and every step to it with what was looked at. */
export function AccessSteps({ explanation }: { explanation: AccessExplanation }) {
  const { t } = useTranslation();
  const name = explanation.username;
  const words = useAccessWords(name);
  const title = (check: string) => {
    const known = CHECKS.find((one) => one === check);
    return known ? t(`access.checks.${known}`) : check;
  };
  return (
    <section aria-live="polite" data-allowed={explanation.allowed}>
      <Alert
        type={explanation.allowed ? 'success' : 'error'}
        showIcon
        title={explanation.allowed ? t('access.allowed', { name }) : t('access.denied', { name })}
        description={<code>{[explanation.action, explanation.object_type, explanation.object_id].filter(Boolean).join(' · ')}</code>}
        style={{ marginBottom: 24 }}
      />
      <Steps
        orientation="vertical"
        current={explanation.steps.length}
        items={explanation.steps.map((step) => ({
          title: title(step.check),
          status: step.passed ? ('finish' as const) : ('error' as const),
          content: (
            <div>
              {words.finding(step.finding)}
              {step.reasons.length > 0 && (
                <ul className={styles.reasons}>
                  {step.reasons.map((reason) => (
                    <li key={reason.detail}>
                      <StatusDot tone={reason.counts ? 'ok' : 'off'}>
                        {reason.counts ? t('access.counts') : t('access.countsNot')}
                      </StatusDot>
                      {words.reason(reason).map((sentence) => (
                        <span key={sentence}>{sentence}</span>
                      ))}
                    </li>
                  ))}
                </ul>
              )}
            </div>
          ),
        }))}
      />
    </section>
  );
}
