import { useQuery } from '@tanstack/react-query';
import { Alert, Form, Select } from 'antd';
import { useTranslation } from 'react-i18next';
import { entryRulesQuery, useSetEntryRule, type EntryRules as Rules } from '@/api/access';
import { QueryState } from '@/components/states';
import styles from './admin.module.css';
import { useAct } from '@/lib/use-act';
import { useCanMail } from './use-can-mail';
import { usePermits } from '@/components/use-permits';

const MODES = ['closed', 'invitation', 'open'] as const;
const SECOND_FACTORS = ['none', 'administrators', 'everyone'] as const;

/** The settings about who gets in and how; each is kept as soon as it is chosen. */
export function EntryRules() {
  const { t } = useTranslation();
  const query = useQuery(entryRulesQuery);
  return (
    <>
      <p className={styles.muted}>{t('entryRules.intro')}</p>
      <QueryState query={query}>{() => query.data && <RulesForm rules={query.data} />}</QueryState>
    </>
  );
}

function RulesForm({ rules }: { rules: Rules }) {
  const { t } = useTranslation();
  const { said } = useAct();
  const set = useSetEntryRule();
  const canMail = useCanMail();
  const disabled = !usePermits()('system:write');
  const change = (key: keyof Rules) => (value: unknown) => set.mutate({ key, value }, said());
  const mode = rules['registration.mode'];
  return (
    <Form layout="vertical" className={styles.narrowForm} disabled={disabled}>
      <Form.Item label={t('entryRules.mode')} htmlFor="entry-mode">
        <Select
          id="entry-mode"
          value={mode}
          onChange={change('registration.mode')}
          options={MODES.map((value) => ({ value, label: t(`entryRules.modes.${value}`) }))}
        />
      </Form.Item>
      {mode === 'open' && !canMail && (
        <Alert type="warning" showIcon title={t('entryRules.openNeedsMail')} style={{ marginBottom: 24 }} />
      )}
      {mode === 'open' && (
        <Form.Item label={t('entryRules.domains')} htmlFor="entry-domains" extra={t('entryRules.domainsHint')}>
          <Select
            id="entry-domains"
            mode="tags"
            open={false}
            suffix={null}
            tokenSeparators={[' ', ',', ';']}
            placeholder={t('entryRules.domainsPlaceholder')}
            value={rules['registration.email_domains'] ?? []}
            onChange={change('registration.email_domains')}
          />
        </Form.Item>
      )}
      <Form.Item
        label={t('entryRules.secondFactor')}
        htmlFor="entry-second-factor"
        extra={t('entryRules.secondFactorHint')}
      >
        <Select
          id="entry-second-factor"
          value={rules['identity.require_second_factor']}
          onChange={change('identity.require_second_factor')}
          options={SECOND_FACTORS.map((value) => ({ value, label: t(`entryRules.secondFactors.${value}`) }))}
        />
      </Form.Item>
    </Form>
  );
}
