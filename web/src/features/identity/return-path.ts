const KEY = 'lyceum.return-to';

/** The page wished for, kept while the person is at an issuer that asks for a second step here. */
export function keepReturn(path: string | undefined): void {
  if (path === undefined) sessionStorage.removeItem(KEY);
  else sessionStorage.setItem(KEY, path);
}

export const keptReturn = () => sessionStorage.getItem(KEY) ?? undefined;
export const forgetReturn = () => sessionStorage.removeItem(KEY);
