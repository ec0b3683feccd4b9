import { DeleteOutlined, PlusOutlined, WarningOutlined } from '@ant-design/icons';
import { Button, Form, InputNumber } from 'antd';
import { useTranslation } from 'react-i18next';
import styles from './gateway.module.css';
import { PriceInput } from './price-input';
import { PRICES, type TierPrice } from './price-names';
import { deciding, FIRST, instead, isCheaper, isEmpty, isTwice, type Prices } from './tier-rules';

/** As many as the server takes. */
const MOST = 8;

const everything = (said: Prices) => said;

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
  // Each render shows what is said by then; a rule may run before there is one.
  const shown = Form.useWatch(everything, form);
  const said = () => form.getFieldsValue() as Prices;
  const refuse = (isWrong: boolean, text: string) => (isWrong ? Promise.reject(new Error(text)) : Promise.resolve());
  const withUsual = (prices: Prices, name: TierPrice): Prices => ({ ...prices, [name]: prices[name] ?? usual?.[name] });
  const insteadOf = (prices: Prices, place: number, name: TierPrice) => instead(withUsual(prices, name), place, name);
  const placeholderOf = (place: number, name: TierPrice) => {
    const other = insteadOf(shown, place, name);
    if (other === 'nothing') return undefined;
    return other === 'shorter' ? t('prices.tierUsual') : t('prices.as', { name: t(`prices.${other}`) });
  };
  const hintOf = (place: number, name: TierPrice) =>
    isCheaper(withUsual(shown, name), place, name) && (
      <>
        <WarningOutlined /> {t('prices.tierCheaper')}
      </>
    );
  const rulesOf = (place: number, name: TierPrice) => [
    {
      validator: () => {
        const isMissing = !said().tiers?.[place]?.[name] && insteadOf(said(), place, name) === 'nothing';
        return refuse(isMissing, t('prices.tierPart'));
      },
    },
    {
      // Before that, who enters the tier is not done yet.
      validateTrigger: 'onSubmit',
      validator: () => refuse(name === FIRST && isEmpty(said().tiers?.[place]), t('prices.tierEmpty')),
    },
  ];
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
                    dependencies={[['tiers'], ...fields.map((other) => ['tiers', other.name, 'above'])]}
                    rules={[
                      { required: true, message: t('common.required') },
                      { validator: () => refuse(isTwice(said(), place), t('prices.tierTwice')) },
                    ]}
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
                      dependencies={deciding(name, place, fields.length)}
                      rules={rulesOf(place, name)}
                      extra={hintOf(place, name)}
                    >
                      <PriceInput placeholder={placeholderOf(place, name)} />
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
