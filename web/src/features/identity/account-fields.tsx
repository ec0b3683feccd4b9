import { Form, Input } from 'antd';
import { useTranslation } from 'react-i18next';
import { emailRules, MIN_PASSWORD, passwordRules, repeatRules, usernameRules } from './rules';

/** A new password, twice. */
export function NewPasswordFields({ label }: { label?: string }) {
  const { t } = useTranslation();
  return (
    <>
      <Form.Item
        name="password"
        label={label ?? t('identity.password')}
        extra={t('identity.passwordHint', { count: MIN_PASSWORD })}
        rules={passwordRules(t)}
      >
        <Input.Password autoComplete="new-password" maxLength={256} />
      </Form.Item>
      <Form.Item name="repeat" label={t('identity.repeat')} dependencies={['password']} rules={repeatRules(t)}>
        <Input.Password autoComplete="new-password" maxLength={256} />
      </Form.Item>
    </>
  );
}

/** What a new account needs. */
export function AccountFields({ email, emailHint }: { email: boolean; emailHint?: string | undefined }) {
  const { t } = useTranslation();
  return (
    <>
      <Form.Item name="username" label={t('identity.username')} extra={t('signUp.usernameHint')} rules={usernameRules(t)}>
        <Input autoFocus autoComplete="username" maxLength={64} />
      </Form.Item>
      {email && (
        <Form.Item name="email" label={t('identity.email')} extra={emailHint} rules={emailRules(t)}>
          <Input type="email" autoComplete="email" maxLength={254} />
        </Form.Item>
      )}
      <Form.Item name="display_name" label={t('signUp.displayName')}>
        <Input autoComplete="name" maxLength={100} />
      </Form.Item>
      <NewPasswordFields />
    </>
  );
}
