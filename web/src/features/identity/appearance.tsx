import { App, Radio } from 'antd';
import { useTranslation } from 'react-i18next';
import { savePreference } from '@/api/identity';
import { isLanguage } from '@/lib/i18n';
import { applyPreferences, THEMES, usePreferences } from '@/lib/preferences';
import { useDescribe } from '@/lib/use-describe';
import styles from './profile.module.css';

export function Appearance() {
  const { t } = useTranslation();
  const { language, theme } = usePreferences();
  const { message: toast } = App.useApp();
  const describe = useDescribe();
  const change = (key: 'language' | 'theme', value: string) => {
    void applyPreferences({ [key]: value });
    savePreference(key, value).catch((error: unknown) => void toast.error(describe(error)));
  };
  return (
    <div className={styles.appearance}>
      <div role="group" aria-label={t('app.theme')}>
        <p>{t('app.theme')}</p>
        <Radio.Group
          optionType="button"
          value={theme}
          options={THEMES.map((value) => ({ value, label: t(`app.themes.${value}`) }))}
          onChange={(event) => change('theme', String(event.target.value))}
        />
      </div>
      <div role="group" aria-label={t('app.language')}>
        <p>{t('app.language')}</p>
        <Radio.Group
          optionType="button"
          value={language}
          options={[
            { value: 'en', label: 'English' },
            { value: 'zh', label: '简体中文' },
          ]}
          onChange={(event) => {
            const value: unknown = event.target.value;
            if (isLanguage(value)) change('language', value);
          }}
        />
      </div>
    </div>
  );
}
