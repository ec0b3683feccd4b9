import type { FormInstance } from 'antd';
import { useState } from 'react';
import { ApiProblem } from '@/lib/problem';
import { useDescribe } from '@/lib/use-describe';

/** Where a form tells what the server names by another path, if it has a field for it, and the words. */
export interface Place {
  name?: (string | number)[] | undefined;
  text: string;
}

/**
 * Shows what the server found wrong: at the field where the form has it, else as a text
 * to be shown above the form. `placeOf` knows the fields that have other names here.
 */
export function useFormErrors<Values>(form: FormInstance<Values>, placeOf?: (problem: ApiProblem) => Place | undefined) {
  const describe = useDescribe();
  const [general, setGeneral] = useState<string>();
  const show = (error: unknown) => {
    const place = error instanceof ApiProblem ? placeOf?.(error) : undefined;
    if (place) {
      // The field may be folded away.
      setGeneral(place.text);
      if (place.name) (form as FormInstance).setFields([{ name: place.name, errors: [place.text] }]);
      return;
    }
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
