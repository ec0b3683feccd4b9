import i18next from 'i18next';
import { useTranslation } from 'react-i18next';
import { ApiProblem } from './problem';

/** A problem in the reader's language where its code is known, else in the server's words. */
export function describeProblem(error: unknown): string {
  if (!(error instanceof ApiProblem)) return error instanceof Error ? error.message : String(error);
  return describeRule(error) ?? describeCode(error.code, error.detail);
}

/** What a field is held to, where the server names the rule. */
function describeRule({ members }: ApiProblem): string | undefined {
  const key = `rules.${String(members.rule)}`;
  if (members.rule === undefined || i18next.language === 'en' || !i18next.exists(key)) return undefined;
  const parts = Object.entries(members).map(([name, part]) => [name, Array.isArray(part) ? part.join(', ') : part]);
  return i18next.t(key, { ...(Object.fromEntries(parts) as Record<string, unknown>), defaultValue: '' });
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
