import { CheckOutlined, CopyOutlined } from '@ant-design/icons';
import { Button, Tooltip, type ButtonProps } from 'antd';
import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { copyText } from '@/lib/clipboard';

interface CopyButtonProps extends Pick<ButtonProps, 'type' | 'size' | 'className'> {
  text: string;
  /** With words beside the icon. */
  labelled?: boolean;
}

export function CopyButton({ text, labelled = false, type = 'text', size = 'small', className }: CopyButtonProps) {
  const { t } = useTranslation();
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), 1500);
    return () => clearTimeout(timer);
  }, [copied]);
  const label = copied ? t('common.copied') : t('common.copy');
  return (
    <Tooltip title={labelled ? '' : label}>
      <Button
        type={type}
        size={size}
        className={className}
        aria-label={label}
        icon={copied ? <CheckOutlined /> : <CopyOutlined />}
        onClick={() => void copyText(text).then(setCopied)}
      >
        {labelled ? label : null}
      </Button>
    </Tooltip>
  );
}
