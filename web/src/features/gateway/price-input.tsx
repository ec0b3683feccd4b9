import { InputNumber, type InputNumberProps } from 'antd';

/** Takes US dollars per 1,000,000 tokens; as text, for numbers would be rounded. */
export function PriceInput(props: InputNumberProps<string>) {
  return <InputNumber<string> stringMode min="0" max="1000000" prefix="$" style={{ width: '100%' }} {...props} />;
}
