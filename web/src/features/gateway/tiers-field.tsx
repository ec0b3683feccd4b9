import { DeleteOutlined, PlusOutlined } from '@ant-design/icons';
import { Button, Form, InputNumber } from 'antd';
import { useTranslation } from 'react-i18next';
import type { PriceTier } from '@/api/types';
import styles from './gateway.module.css';
import { PRICES, USUAL, type TierPrice } from './price-names';

/** A row that was added a moment ago is empty. */
type Row = Partial<PriceTier> | undefined;

/** As many as the server takes. */
const MOST = 8;

interface TiersFieldProps {
  /** What short prompts cost where the form says nothing else. */
  usual?: Partial<Record<TierPrice, string | null>> | undefined;
  /** Where a first tier is likely to begin. */
  from?: number | null | undefined;
}

/** What long prompts cost, in any order. */
export function TiersField({ usual, from }: TiersFieldProps) {
  const { t } = useTranslation();
  const form = Form.useFormInstance();
  const rows = () => (form.getFieldValue('tiers') as Row[] | undefined) ?? [];
  const refuse = (text: string | undefined) => (text === undefined ? Promise.resolve() : Promise.reject(new Error(text)));
  const faultOf = (place: number) => {
    const row = rows()[place];
    if (rows().some((other, at) => at !== place && row?.above && other?.above === row.above)) return t('prices.tierTwice');
    return PRICES.chat.some((name) => row?.[name]) ? undefined : t('prices.tierEmpty');
  };
  // The server refuses it as well: part of a call would cost too little.
  const isMissing = (place: number, name: TierPrice) => {
    const row = rows()[place];
    const whole = USUAL[name];
    if (!whole || !row?.[whole] || row[name]) return false;
    const shorter = rows().some((other) => other?.[name] && (other.above ?? 0) < (row.above ?? 0));
    return Boolean(form.getFieldValue(name) ?? usual?.[name]) || shorter;
  };
  return (
    <Form.Item label={t('prices.tiers')} extra={t('prices.tiersHint')}>
      <Form.List name="tiers">
        {(fields, { add, remove }, { errors }) => (
          <>
            {fields.map(({ key, name: place }) => (
              <div key={key} role="group" aria-label={t('prices.tier', { place: place + 1 })} className={styles.tier}>
                <div className={styles.addLine}>
                  <Form.Item
                    name={[place, 'above']}
                    label={t('prices.tierAbove')}
                    rules={[{ required: true, message: t('common.required') }, { validator: () => refuse(faultOf(place)) }]}
                  >
                    <InputNumber min={1} max={100_000_000} precision={0} style={{ width: '100%' }} />
                  </Form.Item>
                  <Button
                    type="text"
                    icon={<DeleteOutlined />}
                    aria-label={t('prices.tierRemove', { place: place + 1 })}
                    onClick={() => remove(place)}
                  />
                </div>
                <div className={styles.pair}>
                  {PRICES.chat.map((name) => (
                    <Form.Item
                      key={name}
                      name={[place, name]}
                      label={t(`prices.${name}`)}
                      rules={[{ validator: () => refuse(isMissing(place, name) ? t('prices.tierPart') : undefined) }]}
                    >
                      <InputNumber<string>
                        stringMode
                        min="0"
                        max="1000000"
                        prefix="$"
                        style={{ width: '100%' }}
                        placeholder={t('prices.tierUsual')}
                      />
                    </Form.Item>
                  ))}
                </div>
              </div>
            ))}
            <Form.ErrorList errors={errors} />
            <Button
              icon={<PlusOutlined />}
              disabled={fields.length >= MOST}
              onClick={() => add({ above: fields.length === 0 ? (from ?? undefined) : undefined })}
            >
              {t('prices.tierAdd')}
            </Button>
          </>
        )}
      </Form.List>
    </Form.Item>
  );
}
