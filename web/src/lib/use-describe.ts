import i18next from 'i18next';
import { useTranslation } from 'react-i18next';
import { ApiProblem } from './problem';

/** A problem in the reader's language where its code is known, else in the server's words. */
export function describeProblem(error: unknown): string {
  if (!(error instanceof ApiProblem)) return error instanceof Error ? error.message : String(error);
  return describeCode(error.code, error.detail);
}

export function describeCode(code: string, detail: string): string {
  const key = `errors.${code}`;
  // English comes from the server itself, which often says more than a fixed text can.
  if (i18next.language === 'en' && code !== 'network' && detail) return detail;
  return i18next.t(key, { defaultValue: detail });
}

export function useDescribe(): typeof describeProblem {
  useTranslation();
  return describeProblem;
}
