import type { FormRule } from 'antd';
import type { TFunction } from 'i18next';

/** Fewest characters of a password; the server checks again. */
export const MIN_PASSWORD = 10;

export function passwordRules(t: TFunction): FormRule[] {
  return [
    { required: true, message: t('common.required') },
    { min: MIN_PASSWORD, message: t('identity.passwordHint', { count: MIN_PASSWORD }) },
  ];
}
