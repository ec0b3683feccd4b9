import { Form, Select } from 'antd';
import { useTranslation } from 'react-i18next';

const HOUR = 3600;
const OVERLAPS = [
  [0, 'now'],
  [HOUR, 'hour'],
  [24 * HOUR, 'day'],
  [7 * 24 * HOUR, 'week'],
  [30 * 24 * HOUR, 'month'],
] as const;

/** For how long an old secret works beside its new one, in seconds, unless one says otherwise. */
export const USUAL_OVERLAP = 24 * HOUR;

interface Props {
  id: string;
  /** In seconds. */
  value: number;
  onChange: (seconds: number) => void;
}

/** Asks for how long an old secret works beside its new one. */
export function OverlapField({ id, value, onChange }: Props) {
  const { t } = useTranslation();
  return (
    <Form layout="vertical">
      <Form.Item label={t('keyMore.overlap')} htmlFor={id}>
        <Select
          id={id}
          value={value}
          onChange={onChange}
          options={OVERLAPS.map(([seconds, name]) => ({ value: seconds, label: t(`keyMore.overlaps.${name}`) }))}
        />
      </Form.Item>
    </Form>
  );
}
