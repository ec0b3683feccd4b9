import type { FormInstance } from 'antd';
import { useState } from 'react';
import { ApiProblem } from '@/lib/problem';
import { useDescribe } from '@/lib/use-describe';

/**
 * Shows what the server found wrong: at the field where the form has it, else as a text
 * to be shown above the form.
 */
export function useFormErrors<Values>(form: FormInstance<Values>) {
  const describe = useDescribe();
  const [general, setGeneral] = useState<string>();
  const show = (error: unknown) => {
    const text = describe(error);
    const field = error instanceof ApiProblem ? error.field : undefined;
    const known = Object.keys((form as FormInstance).getFieldsValue() as object);
    if (field === undefined || !known.includes(field)) {
      setGeneral(text);
      return;
    }
    setGeneral(undefined);
    (form as FormInstance).setFields([{ name: field, errors: [text] }]);
  };
  return { general, show, clear: () => setGeneral(undefined) };
}
