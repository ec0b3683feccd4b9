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

/** The second field must hold the same as `password`. */
export function repeatRules(t: TFunction): FormRule[] {
  return [
    { required: true, message: t('common.required') },
    ({ getFieldValue }) => ({
      validator: (_, value) =>
        value === getFieldValue('password') ? Promise.resolve() : Promise.reject(new Error(t('identity.repeatWrong'))),
    }),
  ];
}

export function usernameRules(t: TFunction): FormRule[] {
  return [
    { required: true, message: t('common.required') },
    { pattern: /^\s*[\p{L}\p{N}](?:[\p{L}\p{N}._-]*[\p{L}\p{N}])\s*$/u, message: t('signUp.usernameHint') },
  ];
}

export function emailRules(t: TFunction): FormRule[] {
  return [
    { required: true, message: t('common.required') },
    { type: 'email', message: t('identity.emailInvalid') },
  ];
}
