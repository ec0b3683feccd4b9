import { App } from 'antd';
import { useTranslation } from 'react-i18next';
import { useDescribe } from '@/lib/use-describe';

interface Confirmation {
  title: string;
  content: string;
  okText: string;
  act: () => Promise<unknown>;
}

/** Says how an act went, and asks before one that takes something away. */
export function useAct() {
  const { t } = useTranslation();
  const describe = useDescribe();
  const { modal, message } = App.useApp();
  const said = (text: string = t('common.saved')) => ({
    onSuccess: () => void message.success(text),
    onError: (error: unknown) => void message.error(describe(error)),
  });
  const confirm = ({ title, content, okText, act }: Confirmation) =>
    void modal.confirm({
      title,
      content,
      okText,
      okButtonProps: { danger: true },
      cancelText: t('common.cancel'),
      onOk: () => act().catch((error: unknown) => void message.error(describe(error))),
    });
  return { said, confirm };
}
